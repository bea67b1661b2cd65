//! The front of the mock: reads a command line as podman of that version reads it, before any command acts.
//!
//! podman's parser walks down its commands and takes flags on the way; what a command does not know, what needs a value
//! and has none, what is no number where one is needed, all is refused in podman's words. What comes out is the same
//! command line in one spelling: `container list --all=true --filter=name=a -- OPERANDS`.

use super::flags::{Command, Commands, Flag, Kind};
use super::operands;
use super::reply::{Refused, Reply, not_implemented, refuse};
use crate::container::podman::PodmanVersion;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Line {
    /// `podman --version`.
    Version,
    /// The words of the command, its flags with their values, `--`, the operands.
    Command(Vec<String>),
}

/// podman's own flags that change nothing that a mock has. Their values are checked.
const WITHOUT_EFFECT: [&str; 24] = [
    "cdi-spec-dir",
    "cgroup-manager",
    "config",
    "conmon",
    "events-backend",
    "hooks-dir",
    "imagestore",
    "log-level",
    "module",
    "network-cmd-path",
    "network-config-dir",
    "root",
    "runroot",
    "runtime",
    "runtime-flag",
    "storage-driver",
    "storage-opt",
    "syslog",
    "tmpdir",
    "transient-store",
    "volumepath",
    "noout",
    "namespace",
    "trace",
];

/// Flags about registries that change nothing, as the mock's registries ask for nothing of the kind.
const OF_REGISTRIES: [&str; 5] = [
    "authfile",
    "cert-dir",
    "disable-content-trust",
    "signature-policy",
    "tls-verify",
];

const LOG_LEVELS: [&str; 8] = [
    "trace", "debug", "info", "warn", "warning", "error", "fatal", "panic",
];

/// What was read: flags by their long names, in their order.
type Flags = Vec<(&'static str, String)>;

/// Reads a command line.
pub(super) fn read(version: PodmanVersion, args: &[&str]) -> Result<Line, Refused> {
    let commands = Commands::of(version);
    let mut command = commands.root();
    let mut flags = Flags::new();
    let mut args = args;
    while let Some((at, next)) = next_command(commands, command, args) {
        // On the way podman does not say where help is.
        let (_, more) = parse(commands.root(), command, &args[..at]).map_err(BadFlag::alone)?;
        flags.extend(more);
        command = next;
        args = &args[at + 1..];
    }
    let (operands, more) = parse(commands.root(), command, args).map_err(|bad| bad.of(command))?;
    flags.extend(more);
    if flags.iter().any(|(name, _)| *name == "help") {
        return Err(not_implemented(format!(
            "the help of `{}`",
            called(command)
        )));
    }
    if let Some((_, level)) = flags.iter().rfind(|(name, _)| *name == "log-level")
        && !LOG_LEVELS.contains(&level.to_lowercase().as_str())
    {
        return Err(Refused::ByPodman(Reply {
            code: 1,
            stderr: format!(
                "Log Level {level:?} is not supported, choose from: {}\n",
                LOG_LEVELS.join(", ")
            ),
            ..Reply::silent()
        }));
    }
    if command.path.is_empty()
        && flags
            .iter()
            .any(|(name, value)| *name == "version" && value == "true")
    {
        return Ok(Line::Version);
    }
    if command.path.is_empty() || !command.commands.is_empty() {
        return Err(group(command, operands.first()));
    }
    let is_5_8 = (version.major, version.minor) >= (5, 8);
    let has = |name: &str| {
        flags
            .iter()
            .any(|(flag, value)| *flag == name && value != "false")
    };
    operands::check(command.path, &operands, &has, is_5_8)?;
    let mut line: Vec<String> = command.path.split(' ').map(str::to_owned).collect();
    for (name, value) in flags {
        let is_own = command.long(name).is_some();
        if !is_own && WITHOUT_EFFECT.contains(&name) {
            continue;
        }
        if !is_own {
            return Err(not_implemented(format!("the flag `--{name}` of `podman`")));
        }
        if !OF_REGISTRIES.contains(&name) {
            line.push(format!("--{name}={value}"));
        }
    }
    line.push("--".to_owned());
    line.extend(operands);
    Ok(Line::Command(line))
}

/// The next command's word among `args`, and the command. A flag that podman does not know yet is taken to have a value.
fn next_command<'a>(
    commands: &'a Commands,
    command: &Command,
    args: &[&str],
) -> Option<(usize, &'a Command)> {
    let root = commands.root();
    let stands_alone = |flag: Option<&Flag>| flag.is_some_and(|flag| flag.default.is_some());
    let mut in_flag = false;
    for (at, arg) in args.iter().enumerate() {
        let letter = arg
            .strip_prefix('-')
            .filter(|rest| rest.chars().count() == 1);
        if let Some(name) = arg.strip_prefix("--").filter(|name| !name.contains('=')) {
            in_flag = !stands_alone(root.long(name).or_else(|| command.long(name)));
        } else if let Some(letter) = letter.and_then(|letter| letter.chars().next()) {
            in_flag = !stands_alone(root.short(letter).or_else(|| command.short(letter)));
        } else if in_flag {
            in_flag = false;
        } else if !arg.starts_with('-') {
            let path = match command.path {
                "" => (*arg).to_owned(),
                group => format!("{group} {arg}"),
            };
            return commands
                .get(&path)
                .filter(|_| !arg.is_empty())
                .map(|next| (at, next));
        }
    }
    None
}

/// A flag that podman refuses, in its words.
struct BadFlag(String);

impl BadFlag {
    fn alone(self) -> Refused {
        refuse(125, self.0)
    }

    fn of(self, command: &Command) -> Refused {
        refuse(125, format!("{}\nSee '{} --help'", self.0, called(command)))
    }
}

/// The command as podman calls it.
fn called(command: &Command) -> String {
    match command.path {
        "" => "podman".to_owned(),
        path => format!("podman {path}"),
    }
}

/// All from the first operand on belongs to the container.
fn is_flags_first(path: &str) -> bool {
    let path = path.strip_prefix("container ").unwrap_or(path);
    matches!(path, "create" | "run" | "exec" | "top" | "unshare")
}

/// Flags and operands of one command.
fn parse(
    root: &Command,
    command: &Command,
    args: &[&str],
) -> Result<(Vec<String>, Flags), BadFlag> {
    let mut operands = Vec::new();
    let mut flags = Flags::new();
    let mut rest = args.iter().copied();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            operands.extend(rest.by_ref().map(str::to_owned));
        } else if let Some(text) = arg.strip_prefix("--") {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, None),
            };
            if name.is_empty() || name.starts_with('-') {
                return Err(BadFlag(format!("bad flag syntax: {arg}")));
            }
            let flag = command
                .long(name)
                .or_else(|| root.long(name).filter(|_| name != "version"))
                .ok_or_else(|| BadFlag(format!("unknown flag: --{name}")))?;
            let value = match value.or(flag.default) {
                Some(value) => value,
                None => rest
                    .next()
                    .ok_or_else(|| BadFlag(format!("flag needs an argument: --{name}")))?,
            };
            push(&mut flags, flag, value)?;
        } else if let Some(letters) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            parse_letters(root, command, letters, &mut rest, &mut flags)?;
        } else {
            operands.push(arg.to_owned());
            if is_flags_first(command.path) {
                operands.extend(rest.by_ref().map(str::to_owned));
            }
        }
    }
    Ok((operands, flags))
}

/// `-af`, `-t5`, `-t=5`, `-t 5`.
fn parse_letters<'a>(
    root: &Command,
    command: &Command,
    letters: &'a str,
    rest: &mut impl Iterator<Item = &'a str>,
    flags: &mut Flags,
) -> Result<(), BadFlag> {
    let mut left = letters;
    while let Some(letter) = left.chars().next() {
        let after = &left[letter.len_utf8()..];
        let own = command.short(letter);
        let global = || root.short(letter).filter(|flag| flag.long != "version");
        let Some(flag) = own.or_else(global) else {
            if letter == 'h' {
                flags.push(("help", "true".to_owned()));
                return Ok(());
            }
            return Err(BadFlag(format!(
                "unknown shorthand flag: '{letter}' in -{left}"
            )));
        };
        let given = after.strip_prefix('=').filter(|value| !value.is_empty());
        let value = match (given, flag.default) {
            (Some(value), _) => {
                push(flags, flag, value)?;
                return Ok(());
            }
            (None, Some(default)) => {
                push(flags, flag, default)?;
                left = after;
                continue;
            }
            (None, None) if after.is_empty() => rest
                .next()
                .ok_or_else(|| BadFlag(format!("flag needs an argument: '{letter}' in -{left}")))?,
            (None, None) => after,
        };
        push(flags, flag, value)?;
        return Ok(());
    }
    Ok(())
}

/// Keeps a flag whose value is one of its type.
fn push(flags: &mut Flags, flag: &Flag, value: &str) -> Result<(), BadFlag> {
    let bad = |why: String| {
        let name = match flag.short {
            Some(letter) => format!("-{letter}, --{}", flag.long),
            None => format!("--{}", flag.long),
        };
        BadFlag(format!(
            "invalid argument {value:?} for \"{name}\" flag: {why}"
        ))
    };
    let number = |what: &str, parsed: Result<i128, bool>, range: std::ops::RangeInclusive<i128>| {
        let why = |why: &str| bad(format!("strconv.{what}: parsing {value:?}: {why}"));
        match parsed {
            Ok(number) if range.contains(&number) => Ok(number.to_string()),
            Ok(_) | Err(true) => Err(why("value out of range")),
            Err(false) => Err(why("invalid syntax")),
        }
    };
    let value = match flag.kind {
        Kind::Switch => match value {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => "true".to_owned(),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => "false".to_owned(),
            _ => {
                return Err(bad(format!(
                    "strconv.ParseBool: parsing {value:?}: invalid syntax"
                )));
            }
        },
        Kind::Int => number(
            "ParseInt",
            integer(value),
            i128::from(i64::MIN)..=i128::from(i64::MAX),
        )?,
        Kind::Uint if value.starts_with(['-', '+']) => number("ParseUint", Err(false), 0..=0)?,
        Kind::Uint => number("ParseUint", integer(value), 0..=i128::from(u64::MAX))?,
        Kind::Float => match value.parse::<f64>() {
            Ok(_) => value.to_owned(),
            Err(_) => {
                return Err(bad(format!(
                    "strconv.ParseFloat: parsing {value:?}: invalid syntax"
                )));
            }
        },
        Kind::List => {
            let items = value.split(',').filter(|_| !value.is_empty());
            flags.extend(items.map(|item| (flag.long, item.to_owned())));
            return Ok(());
        }
        Kind::Text => value.to_owned(),
    };
    flags.push((flag.long, value));
    Ok(())
}

/// A number as Go reads it: `0x`, `0o`, `0b` and a leading 0 say its base. The error says whether it is too long.
fn integer(text: &str) -> Result<i128, bool> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(false);
    }
    i128::from_str_radix(digits, base)
        .map(|number| sign * number)
        .map_err(|_| true)
}

/// What podman says where a command is missing or unknown.
fn group(command: &Command, word: Option<&String>) -> Refused {
    let called = called(command);
    let Some(word) = word else {
        return not_implemented(format!(
            "the help of `{called}`, which podman prints where a command is missing"
        ));
    };
    let farthest = if command.path.is_empty() { 2 } else { 0 };
    let near: Vec<&str> = command
        .commands
        .iter()
        .copied()
        .filter(|name| {
            strsim::levenshtein(&name.to_lowercase(), &word.to_lowercase()) <= farthest
                || name.to_lowercase().starts_with(&word.to_lowercase())
        })
        .collect();
    let hint = if near.is_empty() {
        String::new()
    } else {
        format!("\nDid you mean this?\n\t{}\n\n", near.join("\n\t"))
    };
    refuse(
        125,
        format!(
            "unrecognized command `{called} {word}`\n{hint}Try '{called} --help' for more information"
        ),
    )
}

#[cfg(test)]
mod tests;
