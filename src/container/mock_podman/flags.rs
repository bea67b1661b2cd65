//! Which commands a podman has, and which flags each of them knows: read from `profiles/VERSION/flags.txt`, which is made
//! from the `--help` of that podman.
//!
//! ```text
//! network ls|list: filter,f=stringArray format=string quiet,q
//! ```
//! is the command `network ls` with its alias `network list`. A flag is its long name, its letter, and the type of its
//! value; without a type it is a switch. `pull=string?always` may stand without its value, `timeout>time` is another
//! spelling, `~name` is one that the help does not show. The line without a command holds podman's own flags.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::profile::{MEASURED, nearest};
use crate::container::podman::PodmanVersion;

/// The type of a flag's value, in the words of podman's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Int,
    Uint,
    Float,
    /// Several, separated by commas.
    List,
    Text,
}

/// A flag that a command knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) kind: Kind,
    /// What it is where no value is given, if it may be.
    pub(super) default: Option<&'static str>,
}

/// A command, or a group of them.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// Its words: `network ls`.
    pub(super) path: &'static str,
    flags: Vec<Flag>,
    /// Other spellings.
    spellings: Vec<(&'static str, &'static str)>,
    /// Of a group: the last words of its commands, in podman's order.
    pub(super) commands: Vec<&'static str>,
}

impl Command {
    /// By long name, in any spelling.
    pub(super) fn long(&self, name: &str) -> Option<&Flag> {
        let spelt = self.spellings.iter().find(|(other, _)| *other == name);
        let name = spelt.map_or(name, |(_, name)| name);
        self.flags.iter().find(|flag| flag.long == name)
    }

    /// By letter.
    pub(super) fn short(&self, letter: char) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.short == Some(letter))
    }
}

/// The commands of one podman.
#[derive(Debug)]
pub(super) struct Commands {
    /// By all their names.
    by_path: HashMap<String, usize>,
    all: Vec<Command>,
}

const TEXTS: [&str; MEASURED] = [
    include_str!("profiles/4.3.1/flags.txt"),
    include_str!("profiles/5.4.2/flags.txt"),
    include_str!("profiles/5.8.6/flags.txt"),
];

impl Commands {
    /// Those of that version, or of the nearest that was measured.
    pub(super) fn of(version: PodmanVersion) -> &'static Self {
        static READ: [OnceLock<Commands>; MEASURED] = [const { OnceLock::new() }; MEASURED];
        let index = nearest(version);
        READ[index].get_or_init(|| Self::read(TEXTS[index]))
    }

    /// podman itself, without a command.
    pub(super) fn root(&self) -> &Command {
        &self.all[0]
    }

    /// By its words, or an alias of the last of them.
    pub(super) fn get(&self, path: &str) -> Option<&Command> {
        self.by_path.get(path).map(|index| &self.all[*index])
    }

    fn read(text: &'static str) -> Self {
        let mut commands = Self {
            by_path: HashMap::new(),
            all: Vec::new(),
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let (names, flags) = line.split_once(':').unwrap_or((line, ""));
            let mut names = names.split('|');
            let path = names.next().unwrap_or_default();
            let (group, last) = path.rsplit_once(' ').unwrap_or(("", path));
            let mut command = Command {
                path,
                ..Command::default()
            };
            for word in flags.split(' ').filter(|word| !word.is_empty()) {
                match word.split_once('>') {
                    Some(spelling) => command.spellings.push(spelling),
                    None => command.flags.push(flag(word)),
                }
            }
            let index = commands.all.len();
            commands.all.push(command);
            if !path.is_empty()
                && let Some(group) = commands.by_path.get(group).copied()
            {
                commands.all[group].commands.push(last);
            }
            commands.by_path.insert(path.to_owned(), index);
            for alias in names {
                let alias = match group {
                    "" => alias.to_owned(),
                    _ => format!("{group} {alias}"),
                };
                commands.by_path.insert(alias, index);
            }
        }
        commands
    }
}

fn flag(word: &'static str) -> Flag {
    let word = word.strip_prefix('~').unwrap_or(word);
    let (names, kind) = word.split_once('=').unwrap_or((word, "bool"));
    let (long, short) = match names.split_once(',') {
        Some((long, short)) => (long, short.chars().next()),
        None => (names, None),
    };
    let (kind, default) = match kind.split_once('?') {
        Some((kind, default)) => (kind, Some(default)),
        None => (kind, None),
    };
    let (kind, default) = match kind {
        "bool" => (Kind::Switch, Some("true")),
        "int" => (Kind::Int, default),
        "uint" => (Kind::Uint, default),
        "float" => (Kind::Float, default),
        "strings" => (Kind::List, default),
        _ => (Kind::Text, default),
    };
    Flag {
        long,
        short,
        kind,
        default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_each_version_are_those_of_its_help() {
        let of = |version: &str| Commands::of(version.parse().expect("a version"));
        for version in ["4.3.1", "5.4.2", "5.8.6"] {
            let commands = of(version);
            let ps = commands.get("ps").expect("every podman has it");
            let filter = ps.short('f').expect("it has a letter");
            assert_eq!(filter.long, "filter");
            let kind = if version == "4.3.1" {
                Kind::List
            } else {
                Kind::Text
            };
            assert_eq!(filter.kind, kind, "{version}");
            assert!(ps.long("bogus").is_none());
            let ls = commands.get("image ls").expect("an alias");
            assert_eq!(ls.path, "image list");
            assert!(commands.root().commands.contains(&"volume"));
        }
        assert!(of("4.3.1").get("secret exists").is_none());
        assert!(of("5.4.2").get("secret exists").is_some());
    }
}
