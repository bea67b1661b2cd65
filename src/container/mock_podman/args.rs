//! Command-line parsing, as podman's own parser does it: a small table of flags for each command.

/// One flag that a command knows.
pub(super) struct Flag {
    long: &'static str,
    short: Option<char>,
    takes_value: bool,
}

/// A flag without a value.
pub(super) const fn switch(long: &'static str, short: Option<char>) -> Flag {
    Flag {
        long,
        short,
        takes_value: false,
    }
}

/// A flag with a value.
pub(super) const fn option(long: &'static str, short: Option<char>) -> Flag {
    Flag {
        long,
        short,
        takes_value: true,
    }
}

/// Where operands may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Flags and operands in any order, until `--`.
    Mixed,
    /// All from the first operand on belongs to the container: `create`, `run`, `exec`.
    FlagsFirst,
}

/// What a command line says.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    flags: Vec<(&'static str, String)>,
    pub(super) operands: Vec<String>,
}

impl Parsed {
    /// Whether the switch is on.
    pub(super) fn has(&self, long: &str) -> bool {
        self.last(long).is_some_and(|value| value != "false")
    }

    /// The flag's last value, which is the one that counts.
    pub(super) fn last(&self, long: &str) -> Option<&str> {
        self.all(long).last()
    }

    /// All values of a flag that may be repeated.
    pub(super) fn all(&self, long: &str) -> impl Iterator<Item = &str> {
        self.flags
            .iter()
            .filter(move |(name, _)| *name == long)
            .map(|(_, value)| value.as_str())
    }
}

/// Why a command line cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ArgError {
    /// The table has no such flag.
    UnknownFlag(String),
    /// The last argument is a flag that needs a value.
    NoValue(String),
}

/// Reads `args` by `table`.
pub(super) fn parse(args: &[&str], table: &[Flag], order: Order) -> Result<Parsed, ArgError> {
    let mut parsed = Parsed::default();
    let mut rest = args.iter().copied();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            parsed.operands.extend(rest.by_ref().map(str::to_owned));
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let flag = table
                .iter()
                .find(|flag| flag.long == name)
                .ok_or_else(|| ArgError::UnknownFlag(format!("--{name}")))?;
            let value = match (value, flag.takes_value) {
                (Some(value), _) => value,
                (None, false) => "true",
                (None, true) => rest
                    .next()
                    .ok_or_else(|| ArgError::NoValue(arg.to_owned()))?,
            };
            parsed.flags.push((flag.long, value.to_owned()));
        } else if let Some(letters) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            parse_letters(letters, table, &mut rest, &mut parsed)?;
        } else {
            parsed.operands.push(arg.to_owned());
            if order == Order::FlagsFirst {
                parsed.operands.extend(rest.by_ref().map(str::to_owned));
            }
        }
    }
    Ok(parsed)
}

/// `-af`, `-t5`, `-t=5`, `-t 5`.
fn parse_letters<'a>(
    letters: &'a str,
    table: &[Flag],
    rest: &mut impl Iterator<Item = &'a str>,
    parsed: &mut Parsed,
) -> Result<(), ArgError> {
    for (at, letter) in letters.char_indices() {
        let flag = table
            .iter()
            .find(|flag| flag.short == Some(letter))
            .ok_or_else(|| ArgError::UnknownFlag(format!("-{letter}")))?;
        if !flag.takes_value {
            parsed.flags.push((flag.long, "true".to_owned()));
            continue;
        }
        let attached = &letters[at + letter.len_utf8()..];
        let value = match attached.strip_prefix('=').unwrap_or(attached) {
            "" => rest
                .next()
                .ok_or_else(|| ArgError::NoValue(format!("-{letter}")))?,
            value => value,
        };
        parsed.flags.push((flag.long, value.to_owned()));
        break;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Flag] = &[
        switch("force", Some('f')),
        switch("volumes", Some('v')),
        option("time", Some('t')),
        option("filter", None),
    ];

    fn mixed(args: &[&str]) -> Parsed {
        parse(args, TABLE, Order::Mixed).expect("it can be read")
    }

    #[test]
    fn every_way_to_give_a_value() {
        for args in [
            &["--time=5", "a"][..],
            &["--time", "5", "a"],
            &["-t5", "a"],
            &["-t=5", "a"],
            &["a", "-t", "5"],
            &["-fvt", "5", "a"],
        ] {
            let parsed = mixed(args);
            assert_eq!(parsed.last("time"), Some("5"), "{args:?}");
            assert_eq!(parsed.operands, ["a"], "{args:?}");
        }
        assert!(mixed(&["-fv"]).has("force") && mixed(&["-fv"]).has("volumes"));
        assert!(!mixed(&["--force=false"]).has("force"));
    }

    #[test]
    fn what_follows_two_dashes_is_no_flag() {
        assert_eq!(mixed(&["--", "--force", "-t"]).operands, ["--force", "-t"]);
    }

    #[test]
    fn flags_after_the_image_are_the_containers() {
        let parsed =
            parse(&["-f", "image", "-t", "5"], TABLE, Order::FlagsFirst).expect("it can be read");
        assert_eq!(parsed.operands, ["image", "-t", "5"]);
        assert_eq!(parsed.last("time"), None);
    }

    #[test]
    fn unknown_flags_are_named() {
        for (args, flag) in [(&["--bogus=1"][..], "--bogus"), (&["-fx"], "-x")] {
            assert_eq!(
                parse(args, TABLE, Order::Mixed).expect_err("it is unknown"),
                ArgError::UnknownFlag(flag.to_owned())
            );
        }
    }
}
