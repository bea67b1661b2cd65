//! Reads the command lines that are generated here, as far as the model has to know what they ask for.

/// A podman command line, taken apart.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// `rm`, `volume rm`; what podman knows under two names (`container rm`) under the shorter.
    pub(super) name: String,
    /// Flags without their dashes, in long form, with their values; a switch's value is empty.
    flags: Vec<(&'static str, String)>,
    /// What is no flag.
    pub(super) operands: Vec<String>,
    /// There is a flag that the table below does not know.
    pub(super) has_unknown_flag: bool,
}

impl Command {
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| *name == flag)
    }

    pub(super) fn all(&self, flag: &str) -> impl Iterator<Item = &str> {
        self.flags
            .iter()
            .filter(move |(name, _)| *name == flag)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn last(&self, flag: &str) -> Option<&str> {
        self.all(flag).last()
    }
}

/// Long flags that take a value.
const VALUED: &[&str] = &[
    "condition",
    "entrypoint",
    "env",
    "filter",
    "format",
    "health-cmd",
    "health-interval",
    "health-retries",
    "label",
    "memory",
    "name",
    "network",
    "network-alias",
    "publish",
    "pull",
    "restart",
    "secret",
    "signal",
    "sort",
    "stop-signal",
    "stop-timeout",
    "subnet",
    "tail",
    "time",
    "type",
    "user",
    "volume",
];

/// Long flags that take none.
const SWITCHES: &[&str] = &[
    "all",
    "detach",
    "force",
    "ignore",
    "init",
    "no-trunc",
    "noheading",
    "quiet",
    "replace",
    "rm",
    "volumes",
];

/// Short flags by command, and the long ones they stand for.
const SHORTS: &[(&[&str], &str, &str)] = &[
    (
        &["run", "create"],
        "delmpuv",
        "detach env label memory publish user volume",
    ),
    (&["exec"], "deu", "detach env user"),
    (&["stop", "restart"], "ait", "all ignore time"),
    (&["rm"], "afitv", "all force ignore time volumes"),
    (&["kill"], "as", "all signal"),
    (&["ps"], "afq", "all filter quiet"),
    (&["images"], "aq", "all quiet"),
    (
        &[
            "inspect",
            "container inspect",
            "image inspect",
            "volume inspect",
            "network inspect",
        ],
        "f",
        "format",
    ),
    (&["rmi"], "f", "force"),
    (&["volume rm", "network rm"], "ft", "force time"),
    (&["volume prune", "network prune"], "f", "force"),
    (&["secret rm"], "a", "all"),
    (
        &["volume ls", "network ls", "secret ls"],
        "fq",
        "filter quiet",
    ),
    (&["volume create", "network create"], "l", "label"),
    (&["info", "version"], "f", "format"),
];

/// Commands that consist of two words.
const GROUPS: &[&str] = &[
    "container",
    "healthcheck",
    "image",
    "network",
    "secret",
    "volume",
];

/// Commands below `container` and `image` that are not the same as the short ones.
const OWN: &[&str] = &[
    "container inspect",
    "container exists",
    "image inspect",
    "image exists",
];

/// Takes a command line apart; `None` where no command is in it.
pub(super) fn read(argv: &[String]) -> Option<Command> {
    let mut rest = argv.iter().map(String::as_str).peekable();
    while rest.next_if(|word| *word == "--log-level").is_some() {
        rest.next()?;
    }
    let first = rest.next()?;
    let mut command = Command {
        name: first.to_owned(),
        ..Command::default()
    };
    if GROUPS.contains(&first) {
        let second = rest.next()?;
        let both = format!("{first} {second}");
        command.name = match (first, second) {
            ("container", "ls" | "list") => "ps".into(),
            ("image", "ls") => "images".into(),
            ("image", "rm") => "rmi".into(),
            ("container" | "image", other) if !OWN.contains(&both.as_str()) => other.into(),
            _ => both,
        };
    }
    let flags_first = matches!(command.name.as_str(), "run" | "create" | "exec");
    while let Some(word) = rest.next() {
        if word == "--" {
            command.operands.extend(rest.by_ref().map(str::to_owned));
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            if let Some(known) = VALUED.iter().find(|known| **known == name) {
                let value = value.or_else(|| rest.next().map(str::to_owned));
                command.flags.push((known, value?));
            } else if let Some(known) = SWITCHES.iter().find(|known| **known == name) {
                command.flags.push((known, String::new()));
            } else {
                command.has_unknown_flag = true;
            }
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let Some(known) = long_of(&command.name, letter) else {
                    command.has_unknown_flag = true;
                    break;
                };
                if !VALUED.contains(&known) {
                    command.flags.push((known, String::new()));
                    continue;
                }
                let attached = &letters[at + letter.len_utf8()..];
                let value = match attached.strip_prefix('=').unwrap_or(attached) {
                    "" => rest.next()?.to_owned(),
                    value => value.to_owned(),
                };
                command.flags.push((known, value));
                break;
            }
        } else {
            command.operands.push(word.to_owned());
            if flags_first {
                command.operands.extend(rest.by_ref().map(str::to_owned));
            }
        }
    }
    Some(command)
}

fn long_of(command: &str, letter: char) -> Option<&'static str> {
    let (_, letters, longs) = SHORTS
        .iter()
        .find(|(commands, ..)| commands.contains(&command))?;
    let at = letters.chars().position(|known| known == letter)?;
    let long = longs.split(' ').nth(at)?;
    VALUED
        .iter()
        .chain(SWITCHES)
        .find(|known| **known == long)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::conformance::case::Step;

    fn command(line: &str) -> super::Command {
        match Step::parse(line).expect("a step") {
            Step::Podman(argv) => read(&argv).expect("a command"),
            other => panic!("{other} is no command"),
        }
    }

    #[test]
    fn forms_of_flags_come_to_the_same() {
        for line in [
            "podman rm -f -t 0 a",
            "podman rm -ft0 a",
            "podman container rm a --force --time=0",
            "podman --log-level error rm --force -t=0 -- a",
        ] {
            let read = command(line);
            assert_eq!(read.name, "rm", "{line}");
            assert!(read.has("force") && !read.has("volumes"), "{line}");
            assert_eq!(read.last("time"), Some("0"), "{line}");
            assert_eq!(read.operands, ["a"], "{line}");
            assert!(!read.has_unknown_flag, "{line}");
        }
    }

    #[test]
    fn all_after_the_image_belongs_to_the_app() {
        let read = command("podman run -d -v data:/data '$FIXTURE' exit 3 --after 1");
        assert_eq!(read.operands, ["$FIXTURE", "exit", "3", "--after", "1"]);
        assert_eq!(read.last("volume"), Some("data:/data"));
    }

    #[test]
    fn an_unknown_flag_is_seen() {
        assert!(command("podman ps --nosuch").has_unknown_flag);
        assert!(command("podman ps -aZ").has_unknown_flag);
    }
}
