//! `mock-podman mock VERB …`: what no podman command does.

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use super::events::Logged;
use super::folder::{FolderError, Log};
use super::program::print;
use super::store::Store;
use super::{
    Behaviour, FIXTURE_IMAGE, FaultEffect, FaultRule, MockContainer, MockPodman, RegistryAnswer,
};
use crate::container::runtime::OutputStream;

/// Command lines after `mock`.
#[derive(Debug, Parser)]
#[command(
    name = "mock-podman mock",
    bin_name = "mock-podman mock",
    about = "What happens to podman from outside",
    disable_help_subcommand = true
)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The machine loses power and comes up again
    Reboot {
        /// What is in `/run` survives, as where it is no tmpfs
        #[arg(long)]
        keep_run: bool,
    },
    /// SIGKILL to the container's main process
    KillProcess {
        /// Name, id, or the beginning of an id
        name: String,
    },
    /// SIGKILL to podman's monitor of the container
    KillMonitor {
        /// Name, id, or the beginning of an id
        name: String,
    },
    /// From now on a registry answers so: up, down, hangs, cut, or a status such as 401
    Registry {
        /// HOST:PORT
        host: String,
        /// What it answers
        answer: RegistryAnswer,
    },
    /// A process outside of podman listens on a host port
    TakePort {
        /// The port
        port: u16,
    },
    /// Nobody outside of podman listens on a host port any more
    FreePort {
        /// The port
        port: u16,
    },
    /// A registry has an image: the fixture under this name
    Publish {
        /// Its reference
        reference: String,
    },
    /// Puts an image into local storage
    AddImage {
        /// Its reference
        reference: String,
    },
    /// Takes an image out of local storage; containers made from it stay
    RemoveImage {
        /// Its reference
        reference: String,
    },
    /// Puts containers of the fixture image there that were never started: `bulk-1`, `bulk-2` …
    AddContainers {
        /// How many
        count: u32,
    },
    /// Health checks of the container pass from now on
    Heal {
        /// Name, id, or the beginning of an id
        name: String,
    },
    /// Health checks of the container fail from now on
    Ail {
        /// Name, id, or the beginning of an id
        name: String,
    },
    /// Something goes wrong with commands from now on
    Fault {
        /// The words that the commands begin with, as `start` or `volume create`; none for every command
        command: String,
        /// What: `fail CODE TEXT`, `disk full`, `name clash`, `hang`, `slow TIME`, `kill before`, `kill at TIME`, `kill after`,
        /// `garbage`, `truncate BYTES` or `warn TEXT`
        effect: FaultEffect,
        /// Only commands with this name among their operands, or by `--name`
        #[arg(long)]
        name: Option<String>,
        /// Only from the Nth of them on
        #[arg(long, value_name = "N")]
        from_call: Option<u32>,
        /// Only so often
        #[arg(long, value_name = "N")]
        times: Option<u32>,
    },
    /// Nothing goes wrong any more by `fault`
    ClearFaults,
    /// Programs behave so from now on, in a container or in all of an image
    Behave {
        /// The container's name, or the image's reference
        name: String,
        /// How: `exit CODE after TIME`, `oom after TIME`, `ignore term`, `stop in TIME`, `unhealthy after TIME`; several are
        /// separated by commas
        behaviour: Behaviour,
    },
    /// Puts the mock's clock forward
    Advance {
        /// By so many seconds
        seconds: f64,
    },
    /// Prints all that the mock remembers, as JSON
    State,
    /// Prints all command lines so far, a line of JSON each
    Calls,
}

/// Does what `args` say; returns the exit code.
pub(super) fn run(
    args: &[&str],
    open: &dyn Fn(Log) -> Result<MockPodman, FolderError>,
) -> Result<i32, FolderError> {
    let words = std::iter::once("mock-podman mock").chain(args.iter().copied());
    let line = match Line::try_parse_from(words) {
        Ok(line) => line,
        Err(error) => {
            let is_asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            let (stream, code) = if is_asked {
                (OutputStream::Stdout, 0)
            } else {
                (OutputStream::Stderr, 125)
            };
            print(stream, &error.to_string());
            return Ok(code);
        }
    };
    let log = match line.verb {
        Verb::State => Log::Read,
        _ => Log::Appended,
    };
    let mock = open(log)?;
    let done = act(&mock, line.verb)?;
    if let Store::Folder(folder) = &mock.shared.store
        && let Some(error) = folder.trouble()
    {
        return Err(error);
    }
    Ok(match done {
        Ok(text) => {
            print(OutputStream::Stdout, &text);
            0
        }
        Err(text) => {
            print(OutputStream::Stderr, &format!("Error: {text}\n"));
            1
        }
    })
}

/// What is to be printed, or why it cannot be done.
type Done = Result<String, String>;

fn act(mock: &MockPodman, verb: Verb) -> Result<Done, FolderError> {
    let nothing = || Ok(String::new());
    let running = |name: &str, is_done: bool| match is_done {
        true => Ok(String::new()),
        false => Err(format!("no container \"{name}\" runs")),
    };
    Ok(match verb {
        Verb::Reboot { keep_run: true } => {
            mock.power_loss_keeping_run();
            nothing()
        }
        Verb::Reboot { keep_run: false } => {
            mock.power_loss();
            nothing()
        }
        Verb::KillProcess { name } => running(&name, mock.kill_process(&name)),
        Verb::KillMonitor { name } => running(&name, mock.kill_monitor(&name)),
        Verb::Registry { host, answer } => {
            mock.set_registry(&host, answer);
            nothing()
        }
        Verb::TakePort { port } => {
            mock.take_port(port);
            nothing()
        }
        Verb::FreePort { port } => {
            mock.with(|state, _| state.faults.ports.remove(&port));
            nothing()
        }
        Verb::AddImage { reference } => {
            mock.add_image(&reference);
            nothing()
        }
        Verb::Publish { reference } => {
            mock.publish(&reference);
            nothing()
        }
        Verb::RemoveImage { reference } => {
            mock.remove_image(&reference);
            nothing()
        }
        Verb::AddContainers { count } => {
            let now = mock.now();
            let made = |number| {
                MockContainer::new(&format!("bulk-{number}"), FIXTURE_IMAGE)
                    .with_command("serve 80")
                    .with_created_at(now)
            };
            mock.add_containers((1..=count).map(made));
            nothing()
        }
        Verb::Heal { name } => running(&name, mock.set_healthy(&name, true)),
        Verb::Ail { name } => running(&name, mock.set_healthy(&name, false)),
        Verb::Fault {
            command,
            effect,
            name,
            from_call,
            times,
        } => {
            let mut rule = FaultRule::new(&command, effect);
            if let Some(name) = name {
                rule = rule.named(&name);
            }
            if let Some(number) = from_call {
                rule = rule.from_call(number);
            }
            if let Some(times) = times {
                rule = rule.times(times);
            }
            mock.add_fault(rule);
            nothing()
        }
        Verb::ClearFaults => {
            mock.clear_faults();
            nothing()
        }
        Verb::Behave { name, behaviour } => {
            mock.behave(&name, behaviour);
            nothing()
        }
        Verb::Advance { seconds } => match std::time::Duration::try_from_secs_f64(seconds) {
            Ok(time) => {
                mock.with(|state, _| state.ahead = state.ahead.saturating_add(time));
                // What has become due happens.
                mock.with(|_, _| ());
                nothing()
            }
            Err(error) => Err(format!("{seconds} seconds: {error}")),
        },
        Verb::State => Ok(state(mock)),
        Verb::Calls => match &mock.shared.store {
            Store::Folder(folder) => Ok(folder.calls()?),
            Store::Memory(_) => nothing(),
        },
    })
}

fn state(mock: &MockPodman) -> String {
    mock.with(|state, _| {
        let log: Vec<&Logged> = state.log.iter().collect();
        let document = serde_json::to_value(&*state).and_then(|mut all| {
            all["log"] = serde_json::to_value(log)?;
            serde_json::to_string_pretty(&all)
        });
        match document {
            Ok(text) => format!("{text}\n"),
            Err(error) => format!("mock_podman cannot print JSON: {error}\n"),
        }
    })
}
