//! Where a podman of an unknown version differs from the nearest one that is known.

use std::collections::BTreeMap;
use std::fmt;

use super::compare::compare;
use super::divergence::{Divergence, Place};
use super::exceptions::Exceptions;
use super::transcript::Transcript;

/// Differences of one kind.
#[derive(Debug)]
pub struct Group {
    /// The command, or the look, and what of it differs.
    pub what: String,
    /// How often that was seen.
    pub count: usize,
    /// The first of them: `real` is the known podman's, `mock` the new one's.
    pub sample: Divergence,
}

impl fmt::Display for Group {
    /// Short: how often, what, where for the first time, and both sides' first lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.sample.place {
            Place::Step(number, line) => format!("step {number}: {line}"),
            Place::Look(look) => format!("look {look}"),
            Place::Case => "as a whole".into(),
        };
        writeln!(f, "{:>5} {}", self.count, self.what)?;
        writeln!(f, "        {}, {place}", self.sample.case)?;
        writeln!(f, "        known: {}", short(&self.sample.real))?;
        write!(f, "        new:   {}", short(&self.sample.mock))
    }
}

/// The first line, cut.
fn short(text: &str) -> String {
    const LETTERS: usize = 160;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > LETTERS {
        line.chars().take(LETTERS).chain(['…']).collect()
    } else {
        line.to_owned()
    }
}

/// Of the versions that are known, the one to compare with: the newest that is not newer, else the oldest.
pub fn nearest<'a>(known: &'a [String], version: &str) -> Option<&'a String> {
    let numbers = |version: &str| -> Vec<u32> {
        version
            .split(['.', '-', '~'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let new = numbers(version);
    let older = known.iter().filter(|known| numbers(known) <= new);
    older
        .max_by_key(|known| numbers(known))
        .or_else(|| known.iter().min_by_key(|known| numbers(known)))
}

/// Where the new podman differs from the known one, in the cases that both have played; the most frequent first.
pub fn differences(version: &str, known: &[Transcript], new: &[Transcript]) -> Vec<Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for new in new {
        let Some(known) = known.iter().find(|known| known.case == new.case) else {
            continue;
        };
        for sample in compare(known, new, version, &Exceptions::default()) {
            let what = kind(&sample);
            groups
                .entry(what.clone())
                .and_modify(|group| group.count += 1)
                .or_insert(Group {
                    what,
                    count: 1,
                    sample,
                });
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|one, other| other.count.cmp(&one.count).then(one.what.cmp(&other.what)));
    groups
}

/// The command and what of it differs, without the names and indexes of this one case.
fn kind(divergence: &Divergence) -> String {
    let place = match &divergence.place {
        Place::Step(_, line) => command(line),
        Place::Look(look) => format!("look {look}"),
        Place::Case => "case".into(),
    };
    let mut what = String::new();
    let mut inside = false;
    for letter in divergence.what.chars() {
        match letter {
            '[' => {
                inside = true;
                what.push_str("[]");
            }
            ']' => inside = false,
            _ if inside => {}
            _ => what.push(letter),
        }
    }
    // An event's number says as little.
    if let Some((_, rest)) = what.split_once(", ").filter(|_| what.starts_with("event ")) {
        what = format!("event {rest}");
    }
    // Each of these is one container's or network's, whose name says nothing here.
    if let Some(at) = what.find(" of ") {
        what.truncate(at);
    }
    format!("{place}: {what}")
}

/// `podman volume create`, without flags and operands.
fn command(line: &str) -> String {
    const GROUPS: &[&str] = &[
        "container",
        "healthcheck",
        "image",
        "network",
        "secret",
        "system",
        "volume",
    ];
    let words: Vec<&str> = line.split(' ').collect();
    let takes = if words.get(1).is_some_and(|word| GROUPS.contains(word)) {
        3
    } else {
        2
    };
    words.into_iter().take(takes).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "learn_tests.rs"]
mod tests;
