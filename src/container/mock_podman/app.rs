//! What the program in a container does. Images whose reference contains `archipelago-fixture` hold the fixture
//! app, whose commands are played here; any other image holds a well-behaved server.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use super::options::{STOP_SIGNAL, signal_name};

/// A line of a container's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Whether it went to standard error.
    pub(super) is_error: bool,
    pub(super) text: String,
}

impl Line {
    pub(super) fn out(text: impl Into<String>) -> Self {
        Self {
            is_error: false,
            text: text.into(),
        }
    }

    pub(super) fn err(text: impl Into<String>) -> Self {
        Self {
            is_error: true,
            text: text.into(),
        }
    }
}

/// How a program comes to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ending {
    /// Time until then.
    pub(super) after: Duration,
    /// Exit code.
    pub(super) code: i32,
    /// Whether the kernel killed it for lack of memory.
    pub(super) oom: bool,
    /// What it writes last.
    pub(super) last_words: Vec<Line>,
}

/// What a signal makes a program do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reaction {
    /// What it writes at once.
    pub(super) words: Vec<Line>,
    /// Its end, if it is one.
    pub(super) ending: Option<Ending>,
}

impl Reaction {
    fn ends(after: Duration, code: i32, last_words: Vec<Line>) -> Self {
        Self {
            words: Vec::new(),
            ending: Some(Ending {
                after,
                code,
                oom: false,
                last_words,
            }),
        }
    }
}

/// A program in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum App {
    /// The fixture's `serve`.
    Serve {
        port: u16,
        unhealthy_after: Option<Duration>,
    },
    /// The fixture's `exit` and `flap`.
    Exit { code: i32, after: Duration },
    /// The fixture's `oom`.
    Oom { limit_mib: u64 },
    /// The fixture's `ignore-term`.
    IgnoreTerm,
    /// The fixture's `slow-stop`.
    SlowStop(Duration),
    /// A command line that the fixture does not know.
    BadUsage { command: String },
    /// `sleep`, and every other program without a handler for SIGTERM.
    NoHandler,
    /// A server that ends with 0 on SIGTERM.
    Server,
    /// A program that behaves as it was told.
    Scripted(Behaviour),
    /// The fixture's `cat` of a file that is not there.
    Cat { path: String },
    /// A program that is not in the image.
    NotThere { program: String },
}

/// A program's reaction time: it ends so long after the cause.
const PROMPT: Duration = Duration::from_millis(50);
/// How long the fixture takes to use up the memory it may have.
const UNTIL_OOM: Duration = Duration::from_millis(300);
/// Where the fixture's `oom` gives up, in MiB.
const OOM_LIMIT_MIB: u64 = 1024;
const MIB: u64 = 1 << 20;
const SIGINT: u8 = 2;
/// SIGCONT and SIGWINCH do nothing to a program that does not catch them.
const IGNORED_BY_DEFAULT: [u8; 2] = [18, 28];

impl App {
    /// The program that a container of `image` runs. A program whose path starts with `/no/such` is in no image.
    pub(super) fn of(image: &str, entrypoint: Option<&str>, command: &[String]) -> Self {
        let program = entrypoint.or_else(|| {
            // The fixture image has an entry point, other images run what they are given.
            (!is_fixture(image))
                .then(|| command.first().map(String::as_str))
                .flatten()
        });
        match program {
            Some(program) if program.starts_with("/no/such") => Self::NotThere {
                program: program.to_owned(),
            },
            Some("sleep" | "/bin/sleep" | "/usr/bin/sleep") => Self::NoHandler,
            Some(program) if is_fixture(image) && program != "/fixture" => Self::NotThere {
                program: program.to_owned(),
            },
            _ if is_fixture(image) => {
                Self::of_fixture(command).unwrap_or_else(|| Self::bad_usage(command))
            }
            _ => Self::Server,
        }
    }

    fn bad_usage(command: &[String]) -> Self {
        Self::BadUsage {
            command: command.first().cloned().unwrap_or_default(),
        }
    }

    fn of_fixture(command: &[String]) -> Option<Self> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        Some(match words[..] {
            ["serve", port] => Self::Serve {
                port: port.parse().ok()?,
                unhealthy_after: None,
            },
            ["serve", port, "--unhealthy-after", after] => Self::Serve {
                port: port.parse().ok()?,
                unhealthy_after: Some(seconds(after)?),
            },
            ["exit", code] => Self::Exit {
                code: code.parse::<u8>().ok()?.into(),
                after: Duration::ZERO,
            },
            ["exit", code, "--after", after] => Self::Exit {
                code: code.parse::<u8>().ok()?.into(),
                after: seconds(after)?,
            },
            ["flap"] => Self::Exit {
                code: 1,
                after: Duration::from_secs(1),
            },
            ["oom"] => Self::Oom {
                limit_mib: OOM_LIMIT_MIB,
            },
            ["oom", "--limit-mib", limit] => Self::Oom {
                limit_mib: limit.parse().ok()?,
            },
            // What is there in a container is in no mock; what surely is not, is known.
            ["cat", path] if path.contains("nosuch") => Self::Cat {
                path: (*path).to_owned(),
            },
            ["ignore-term"] => Self::IgnoreTerm,
            ["slow-stop", grace] => Self::SlowStop(seconds(grace)?),
            _ => return None,
        })
    }

    /// What it writes when it starts.
    pub(super) fn first_words(&self) -> Vec<Line> {
        match self {
            Self::Serve { port, .. } => vec![Line::out(format!("serving on {port}"))],
            Self::Exit { after, .. } if !after.is_zero() => {
                vec![Line::out(format!("running for {after:?}"))]
            }
            Self::Oom { limit_mib } => {
                vec![Line::out(format!("using memory, up to {limit_mib} MiB"))]
            }
            Self::IgnoreTerm => vec![Line::out("ignoring SIGTERM")],
            Self::SlowStop(grace) => {
                vec![Line::out(format!("running; will take {grace:?} to stop"))]
            }
            Self::Exit { .. }
            | Self::BadUsage { .. }
            | Self::NoHandler
            | Self::Server
            | Self::Scripted(_)
            | Self::Cat { .. }
            | Self::NotThere { .. } => Vec::new(),
        }
    }

    /// How it ends if it is let alone; `memory` is the container's limit in bytes.
    pub(super) fn own_end(&self, memory: Option<u64>) -> Option<Ending> {
        match self {
            Self::Exit { code, after } => Some(Ending {
                after: (*after).max(PROMPT),
                code: *code,
                oom: false,
                last_words: vec![Line::err(format!("exiting with {code}"))],
            }),
            Self::Oom { limit_mib } => Some(out_of_memory(*limit_mib, memory)),
            Self::Scripted(behaviour) => scripted_end(behaviour),
            Self::Cat { path } => Some(Ending {
                after: PROMPT,
                code: 1,
                oom: false,
                last_words: vec![Line::err(format!(
                    "fixture: cannot print `{path}`: No such file or directory (os error 2)"
                ))],
            }),
            Self::BadUsage { command } => Some(Ending {
                after: PROMPT,
                code: 64,
                oom: false,
                last_words: vec![Line::err(format!(
                    "fixture: no such command: `{command}`; `fixture --help` lists the commands"
                ))],
            }),
            Self::Serve { .. }
            | Self::IgnoreTerm
            | Self::SlowStop(_)
            | Self::NoHandler
            | Self::Server
            | Self::NotThere { .. } => None,
        }
    }

    /// What a signal does to it, by the signal's number; not SIGKILL, which nobody survives. `init`: a tiny init is PID 1 and
    /// not the program itself.
    pub(super) fn on_signal(&self, number: u8, init: bool) -> Reaction {
        if matches!(number, SIGINT | STOP_SIGNAL)
            && let Some(reaction) = self.on_stop(&signal_name(number))
        {
            return reaction;
        }
        // The kernel gives PID 1 no default actions for signals.
        if init && !IGNORED_BY_DEFAULT.contains(&number) {
            Reaction::ends(PROMPT, 128 + i32::from(number), Vec::new())
        } else {
            Reaction::default()
        }
    }

    /// What SIGTERM and SIGINT do to a program that catches them.
    fn on_stop(&self, signal: &str) -> Option<Reaction> {
        let stopping = || vec![Line::out(format!("{signal}: stopping"))];
        Some(match self {
            Self::Serve { .. } => Reaction::ends(PROMPT, 0, stopping()),
            Self::Exit { after, .. } if !after.is_zero() => Reaction::ends(PROMPT, 0, stopping()),
            Self::Server => Reaction::ends(PROMPT, 0, Vec::new()),
            Self::Scripted(behaviour) if behaviour.ignores_term => Reaction::default(),
            Self::Scripted(behaviour) => {
                Reaction::ends(behaviour.stops_in.unwrap_or(PROMPT), 0, Vec::new())
            }
            Self::SlowStop(grace) => Reaction {
                words: vec![Line::out(format!("{signal}: stopping in {grace:?}"))],
                ..Reaction::ends((*grace).max(PROMPT), 0, vec![Line::out("stopped")])
            },
            Self::IgnoreTerm => Reaction {
                words: vec![Line::out(format!("{signal}: ignored"))],
                ending: None,
            },
            Self::Exit { .. }
            | Self::NoHandler
            | Self::Oom { .. }
            | Self::BadUsage { .. }
            | Self::Cat { .. }
            | Self::NotThere { .. } => return None,
        })
    }

    /// Whether a health check of it passes right after its start.
    pub(super) fn is_healthy(&self) -> bool {
        matches!(self, Self::Serve { .. } | Self::Server | Self::Scripted(_))
    }

    /// When its health checks begin to fail, after its start.
    pub(super) fn unhealthy_after(&self) -> Option<Duration> {
        match self {
            Self::Serve {
                unhealthy_after, ..
            } => *unhealthy_after,
            Self::Scripted(behaviour) => behaviour.unhealthy_after,
            _ => None,
        }
    }
}

/// What `podman exec NAME /fixture …` asks of the container's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Poke {
    /// The health check's program.
    Check,
    /// The same, of a port.
    CheckPort(u16),
    /// From now on `check` passes, or does not.
    Health(bool),
    /// The program comes to an end.
    End(Ending),
    /// Write a file.
    Write { path: String, text: String },
    /// Print a file.
    Cat { path: String },
}

/// What a program beside the container's own is, by the words after `/fixture`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program {
    Poke(Poke),
    /// The same as a container's own program could be.
    App(App),
}

impl Program {
    /// `None` for what never ends by itself; a command line that the fixture does not know is an app that says so.
    pub(super) fn of(words: &[String], memory: Option<u64>) -> Option<Self> {
        let plain: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some(poke) = Poke::of(&plain, memory) {
            return Some(Self::Poke(poke));
        }
        let app = App::of_fixture(words).unwrap_or_else(|| App::bad_usage(words));
        app.own_end(memory).is_some().then_some(Self::App(app))
    }

    /// How long it runs, where that is no mere moment.
    pub(super) fn takes(&self) -> Option<Duration> {
        match self {
            Self::App(App::Exit { after, .. }) if !after.is_zero() => Some(*after),
            Self::App(_) | Self::Poke(_) => None,
        }
    }
}

impl Poke {
    /// Reads the words after `/fixture`; `None` for a command line that the fixture does not know.
    pub(super) fn of(words: &[&str], memory: Option<u64>) -> Option<Self> {
        Some(match words {
            ["check"] => Self::Check,
            ["poke", "unhealthy"] => Self::Health(false),
            ["poke", "healthy"] => Self::Health(true),
            ["poke", "exit", code] => {
                let code = code.parse::<u8>().ok()?;
                Self::End(Ending {
                    after: PROMPT,
                    code: code.into(),
                    oom: false,
                    last_words: vec![Line::out(format!("poked: exiting with {code}"))],
                })
            }
            ["poke", "oom"] => Self::End(out_of_memory(OOM_LIMIT_MIB, memory)),
            ["poke", "oom", "--limit-mib", limit] => {
                Self::End(out_of_memory(limit.parse().ok()?, memory))
            }
            ["write", path, text] => Self::Write {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            },
            ["cat", path] => Self::Cat {
                path: (*path).to_owned(),
            },
            // With a port they are for a `serve` that is not PID 1.
            ["check", "--port", port] => Self::CheckPort(port.parse().ok()?),
            ["poke", rest @ .., "--port", port] if port.parse::<u16>().is_ok() => {
                let mut words = vec!["poke"];
                words.extend_from_slice(rest);
                return Self::of(&words, memory);
            }
            _ => return None,
        })
    }
}

/// Whether the image holds the fixture app.
pub(super) fn is_fixture(image: &str) -> bool {
    image.contains("archipelago-fixture")
}

fn scripted_end(behaviour: &Behaviour) -> Option<Ending> {
    let exit = behaviour.exits.map(|(code, after)| (after, code, false));
    let oom = behaviour.oom_after.map(|after| (after, 137, true));
    let (after, code, oom) = exit.into_iter().chain(oom).min()?;
    Some(Ending {
        after,
        code,
        oom,
        last_words: Vec::new(),
    })
}

fn out_of_memory(limit_mib: u64, memory: Option<u64>) -> Ending {
    let is_killed = memory.is_some_and(|memory| memory < limit_mib.saturating_mul(MIB));
    if is_killed {
        Ending {
            after: UNTIL_OOM,
            code: 137,
            oom: true,
            last_words: Vec::new(),
        }
    } else {
        Ending {
            after: UNTIL_OOM,
            code: 70,
            oom: false,
            last_words: vec![Line::err(format!(
                "used {limit_mib} MiB and was not killed: is there a memory limit?"
            ))],
        }
    }
}

/// `2`, `0.5`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}
