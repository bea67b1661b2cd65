//! Text as it can be compared: what differs from run to run has become a word for its kind.
//!
//! | what | becomes |
//! |---|---|
//! | ids: 64, 12 or 25 hexadecimal digits | `<id64>` …, and which one it is, see [`Same`] |
//! | names that podman invented, `adjective_surname` | `<name>`, and which one it is |
//! | times of day; Go's zero time stays | `<time>Z`, `<time> +0000 UTC` |
//! | `Up 3 seconds`, `2 minutes ago`; years stay, `292 years ago` is a zero time | `Up <span>`, `<span> ago` |
//! | durations with a fraction, `3.05s` | `<duration>` |
//! | sizes, `1.84 MB`; zero stays | `<size>` |
//! | private IPv4 addresses | `<net>.<host>`, `<net>.0`, `<net>.1`, and which net it is |
//! | MAC addresses | `<mac>` |
//! | host ports that podman chose, `:43211->` | `:<port>->` |
//! | the state `stopped`, which podman shows for a moment before `exited` | `exited` |
//!
//! What a case's command lines name stays as it is: a fixed address must be that address.

use std::collections::BTreeSet;

use super::scan::{self, Found};

/// Text without what differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Normal {
    /// With words such as `<id64>`.
    pub text: String,
    /// Of the words that stand for a certain thing: which one, in the order of the text.
    pub same: Vec<Same>,
}

/// A thing that is the same wherever it is named: two transcripts agree if the first's things can be paired with the
/// second's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Same {
    /// What it is.
    pub kind: Kind,
    /// By what it is told from others; of an id its first 12 digits.
    pub key: String,
    /// Where its word stands in the text, in bytes.
    pub at: (usize, usize),
}

/// Kinds of things that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Containers, images, networks, layers, secrets.
    Id,
    /// A name that podman invented.
    Name,
    /// The first three numbers of an address.
    Net,
}

/// What is known of a transcript before its texts are read.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// All arguments, a line each.
    argv: String,
    /// Names that podman invented.
    invented: BTreeSet<String>,
}

impl Given {
    /// Of a case with these arguments, in whose documents containers have these names.
    pub fn new<'a>(
        argv: impl IntoIterator<Item = &'a str>,
        names: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut given = Self::default();
        for word in argv {
            given.argv.push_str(word);
            given.argv.push('\n');
        }
        given.invented = names
            .into_iter()
            .filter(|name| scan::is_invented(name) && !given.names(name))
            .collect();
        given
    }

    /// Whether a command line has this.
    fn names(&self, text: &str) -> bool {
        self.argv.contains(text)
    }
}

/// Takes out of `text` what differs from run to run.
pub fn normal(text: &str, given: &Given) -> Normal {
    let mut normal = Normal::default();
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        if !before.is_ascii_alphanumeric()
            && let Some((length, found)) = find(rest, before, given)
        {
            let raw = &rest[..length];
            match found {
                Found::Id => {
                    let word = format!("<id{length}>");
                    normal.thing(Kind::Id, raw.get(..12).unwrap_or(raw), &word);
                }
                Found::Name => normal.thing(Kind::Name, raw, "<name>"),
                Found::Address(net) => {
                    normal.thing(Kind::Net, &raw[..net], "<net>");
                    match &raw[net + 1..] {
                        fixed @ ("0" | "1") => {
                            normal.text.push('.');
                            normal.text.push_str(fixed);
                        }
                        _ => normal.text.push_str(".<host>"),
                    }
                }
                Found::Word(word) => normal.text.push_str(&word),
            }
            before = raw.chars().next_back().unwrap_or(before);
            rest = &rest[length..];
            continue;
        }
        // A word as a whole: nothing begins in the middle of one.
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .filter(|&end| end > 0)
            .unwrap_or(if first.is_ascii_alphanumeric() {
                rest.len()
            } else {
                first.len_utf8()
            });
        let (word, after) = rest.split_at(length);
        normal.text.push_str(word);
        before = word.chars().next_back().unwrap_or(before);
        rest = after;
    }
    normal
}

/// What begins here, unless the case's own command lines have it.
fn find(rest: &str, before: char, given: &Given) -> Option<(usize, Found)> {
    let name_end = rest
        .find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_')
        .unwrap_or(rest.len());
    if before != '_' && given.invented.contains(&rest[..name_end]) {
        return Some((name_end, Found::Name));
    }
    let (length, found) = scan::find(rest, before)?;
    let raw = &rest[..length];
    let is_given = match &found {
        // A word that stands for another is one wherever it comes from.
        Found::Word(word) => !matches!(word.as_str(), "exited") && given.names(raw),
        _ => given.names(raw),
    };
    (!is_given).then_some((length, found))
}

impl Normal {
    fn thing(&mut self, kind: Kind, key: &str, word: &str) {
        let from = self.text.len();
        self.text.push_str(word);
        self.same.push(Same {
            kind,
            key: key.to_owned(),
            at: (from, self.text.len()),
        });
    }
}

#[cfg(test)]
#[path = "normal_tests.rs"]
mod tests;
