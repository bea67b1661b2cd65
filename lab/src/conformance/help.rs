//! What `--help` tells of a podman's commands and flags.

use super::case::{Case, Step};
use super::transcript::Transcript;

/// Help that has been read: a command, and the commands below it, which have not been asked yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Help {
    /// The line of `flags.txt`.
    pub line: String,
    /// The words of each command below.
    pub below: Vec<String>,
}

/// The case that asks for the help of these commands; the empty one is podman itself.
pub fn questions(commands: &[String]) -> Case {
    let steps = commands.iter().map(|command| {
        let words = command.split(' ').filter(|word| !word.is_empty());
        Step::Podman(words.chain(["--help"]).map(str::to_owned).collect())
    });
    Case {
        name: "learn::help".into(),
        needs: Vec::new(),
        steps: steps.collect(),
    }
}

/// What was answered, in the order of the questions. Commands that have no help are left out.
pub fn answers(answers: &Transcript) -> Vec<Help> {
    let helped = answers
        .played
        .iter()
        .filter(|played| played.outcome.code == 0);
    helped
        .filter_map(|played| match &played.step {
            Step::Podman(argv) => {
                let (_, command) = argv.split_last()?;
                Some(read(&command.join(" "), &played.outcome.stdout))
            }
            _ => None,
        })
        .collect()
}

/// Reads the help of one command.
fn read(command: &str, text: &str) -> Help {
    let mut section = "";
    let mut below = Vec::new();
    let mut names = Vec::new();
    let mut flags = Vec::new();
    for line in text.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            section = line;
            continue;
        }
        let line = line.strip_prefix("  ").unwrap_or_default();
        match section {
            "Available Commands:" => {
                let word = line.split(' ').next().unwrap_or_default();
                if !word.is_empty() && word != "help" {
                    below.push(format!("{command} {word}").trim_start().to_owned());
                }
            }
            "Aliases:" => names.extend(line.split(", ").filter(|name| !name.is_empty())),
            "Options:" => flags.extend(flag(line)),
            _ => {}
        }
    }
    let (group, last) = command
        .rsplit_once(' ')
        .map_or(("", command), |(group, last)| (group, last));
    let others = names
        .iter()
        .filter(|name| **name != last)
        .map(|name| format!("|{name}"));
    let path = format!("{group} {last}{}", others.collect::<String>());
    Help {
        line: format!("{}: {}", path.trim_start(), flags.join(" "))
            .trim_end()
            .to_owned(),
        below,
    }
}

/// The types of values that podman's parser has; whatever else the help calls one is text.
const TYPES: &[&str] = &[
    "duration",
    "float",
    "int",
    "ints",
    "string",
    "stringArray",
    "stringToString",
    "strings",
    "uint",
    "uints",
];

/// The flag of a line of `Options:`: of `-t, --time int   Seconds to wait` it makes `time,t=int`.
fn flag(line: &str) -> Option<String> {
    let line = line.trim_start();
    let (short, long) = match line.strip_prefix("--") {
        Some(long) => (None, long),
        None => {
            let (short, long) = line.strip_prefix('-')?.split_once(", --")?;
            (Some(short), long)
        }
    };
    if short.is_some_and(|short| short.chars().count() != 1) {
        return None;
    }
    // The name and the type of its value are one space apart, the description at least two.
    let head = long.split("  ").next()?;
    let (name, kind) = head
        .split_once(' ')
        .map_or((head, None), |(name, kind)| (name, Some(kind)));
    let letter = short.map_or_else(String::new, |short| format!(",{short}"));
    // A value that may be left out: `--pull string[="always"]`.
    let (name, default) = optional(name);
    let kind = kind.map_or_else(String::new, |kind| {
        let (kind, default) = optional(kind);
        let kind = TYPES
            .iter()
            .find(|known| **known == kind)
            .unwrap_or(&"string");
        let default = default.map_or_else(String::new, |default| format!("?{default}"));
        format!("={kind}{default}")
    });
    match default {
        Some(default) if kind.is_empty() && !default.is_empty() => {
            Some(format!("{name}{letter}=string?{default}"))
        }
        _ => Some(format!("{name}{letter}{kind}")),
    }
}

fn optional(word: &str) -> (&str, Option<&str>) {
    match word.split_once("[=") {
        Some((word, default)) => (word, Some(default.trim_end_matches(']').trim_matches('"'))),
        None => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Help, flag, read};

    #[test]
    fn flags_are_read() {
        for (line, expected) in [
            (
                "-a, --all                  Remove all containers",
                Some("all,a"),
            ),
            (
                "-t, --time uint            Seconds to wait (default 10)",
                Some("time,t=uint"),
            ),
            (
                "    --cidfile stringArray   Read the container ID",
                Some("cidfile=stringArray"),
            ),
            (
                "    --depend               Remove what depends",
                Some("depend"),
            ),
            ("    --arch ARCH            use ARCH", Some("arch=string")),
            (
                "-m, --memory <number>[<unit>]   Memory limit",
                Some("memory,m=string"),
            ),
            (
                "    --pull string[=\"always\"]   When to pull",
                Some("pull=string?always"),
            ),
            (
                "                           Not supported with the \"--remote\" flag",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(flag(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_command_is_read_with_its_other_names() {
        let text = "List networks\n\nUsage:\n  podman network ls [options]\n\nAliases:\n  ls, list\n\nExamples:\n  \
            podman network list --all\n\nOptions:\n  -q, --quiet                display only names\n";
        let read = read("network ls", text);
        assert_eq!(read.line, "network ls|list: quiet,q");
        assert!(read.below.is_empty());
    }

    #[test]
    fn a_group_tells_its_commands() {
        let text = "Manage networks\n\nAvailable Commands:\n  create      Create networks\n  help        Help\n  ls          List \
            networks\n";
        assert_eq!(
            read("network", text),
            Help {
                line: "network:".into(),
                below: vec!["network create".into(), "network ls".into()],
            }
        );
        let root = read(
            "",
            "Available Commands:\n  ps          List\n\nOptions:\n      --root string   Path\n",
        );
        assert_eq!(
            (&root.line[..], &root.below[..]),
            (": root=string", &["ps".to_owned()][..])
        );
    }
}
