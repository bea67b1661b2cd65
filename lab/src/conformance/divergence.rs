//! Where two podmans differ, for the person who has to find out why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One difference between real podman and a mock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// The case's full name.
    pub case: String,
    /// Where in the case.
    pub place: Place,
    /// What differs: `exit code`, `stdout`, `stderr`, `time`, a path in a JSON document as `stdout[a].State.Pid`, an event …
    pub what: String,
    /// Real podman's, without what differs from run to run.
    pub real: String,
    /// The mock's.
    pub mock: String,
}

/// A place in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A step: its number, from 1, and its line.
    Step(usize, String),
    /// A look after the last step, by its name.
    Look(String),
    /// The case as a whole.
    Case,
}

/// What differs at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Differs {
    pub(super) what: String,
    pub(super) real: String,
    pub(super) mock: String,
}

impl Differs {
    pub(super) fn new(
        what: impl Into<String>,
        real: impl Into<String>,
        mock: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            real: real.into(),
            mock: mock.into(),
        }
    }

    pub(super) fn at(self, case: &str, place: &Place) -> Divergence {
        Divergence {
            case: case.to_owned(),
            place: place.clone(),
            what: self.what,
            real: self.real,
            mock: self.mock,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(number, line) => write!(f, "step {number}: {line}"),
            Self::Look(name) => write!(f, "look {name}"),
            Self::Case => f.write_str("the case"),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {}", self.case, self.place)?;
        writeln!(f, "  {}", self.what)?;
        let (real, mock) = differing(&self.real, &self.mock);
        write!(f, "    real: {real}\n    mock: {mock}")
    }
}

/// Lines around those that differ.
const CONTEXT_LINES: usize = 1;
/// Characters around those that differ, on a long line.
const CONTEXT: usize = 40;
/// A line that is longer is cut.
const LONG: usize = 200;

/// Of two texts the parts that differ, with a little of what is around them.
fn differing(real: &str, mock: &str) -> (String, String) {
    let one: Vec<&str> = real.lines().collect();
    let other: Vec<&str> = mock.lines().collect();
    if one.len() <= 1 && other.len() <= 1 {
        return long_line(real, mock);
    }
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let before = one.iter().zip(&other).take_while(same).count();
    let after = one[before..]
        .iter()
        .rev()
        .zip(other[before..].iter().rev())
        .take_while(same)
        .count();
    let part = |lines: &[&str]| {
        let from = before.saturating_sub(CONTEXT_LINES);
        let to = (lines.len() - after + CONTEXT_LINES).min(lines.len());
        let mut text = String::new();
        if from > 0 {
            text.push_str(&format!("\n      … {from} lines"));
        }
        for (index, line) in lines[from..to].iter().enumerate() {
            let is_same = from + index < before || from + index >= lines.len() - after;
            let mark = if is_same { ' ' } else { '|' };
            text.push_str(&format!("\n    {mark} {}", cut(line, 0, LONG)));
        }
        if to < lines.len() {
            text.push_str(&format!("\n      … {} lines", lines.len() - to));
        }
        if text.is_empty() {
            text.push_str("(empty)");
        }
        text
    };
    (part(&one), part(&other))
}

fn long_line(real: &str, mock: &str) -> (String, String) {
    let or_empty = |text: String| {
        if text.is_empty() {
            "(empty)".to_owned()
        } else {
            text
        }
    };
    if real.chars().count() <= LONG && mock.chars().count() <= LONG {
        return (or_empty(real.to_owned()), or_empty(mock.to_owned()));
    }
    let same = real
        .chars()
        .zip(mock.chars())
        .take_while(|(one, other)| one == other)
        .count();
    let from = same.saturating_sub(CONTEXT);
    (
        or_empty(cut(real, from, LONG)),
        or_empty(cut(mock, from, LONG)),
    )
}

/// At most so many characters from the one with this number.
fn cut(text: &str, from: usize, length: usize) -> String {
    let mut part: String = text.chars().skip(from).take(length).collect();
    if from > 0 {
        part.insert(0, '…');
    }
    if text.chars().count() > from + length {
        part.push('…');
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divergence(real: &str, mock: &str) -> String {
        Differs::new("stdout", real, mock)
            .at("lifecycle::x", &Place::Step(3, "podman ps".into()))
            .to_string()
    }

    #[test]
    fn says_case_step_and_both_sides() {
        assert_eq!(
            divergence("a", ""),
            "lifecycle::x, step 3: podman ps\n  stdout\n    real: a\n    mock: (empty)"
        );
    }

    #[test]
    fn shows_of_many_lines_those_that_differ() {
        let lines = |changed: &str| format!("1\n2\n3\n{changed}\n5\n6\n7");
        assert_eq!(
            divergence(&lines("4"), &lines("x\ny")),
            "lifecycle::x, step 3: podman ps\n  stdout\n    \
             real: \n      … 2 lines\n      3\n    | 4\n      5\n      … 2 lines\n    \
             mock: \n      … 2 lines\n      3\n    | x\n    | y\n      5\n      … 2 lines"
        );
    }

    #[test]
    fn shows_of_a_long_line_where_it_differs() {
        let long = |changed: &str| format!("{}{changed}{}", "a".repeat(1000), "b".repeat(1000));
        let text = divergence(&long("x"), &long("y"));
        assert!(text.contains("ax") && text.contains("ay"), "{text}");
        assert!(text.len() < 800, "{text}");
    }
}
