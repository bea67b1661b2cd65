//! A run that is cut off at each command that it sends to the node, one after the other. Whichever it is, the run says so and
//! the node is whole afterwards: as it was, or, from the moment on at which a script accepts it, with the new archipelago.
//!
//! Nobody lists the commands: a first run is let through, and what the stand-in's gate saw of it are the steps. They are of one
//! kind where they differ in numbers and identities only. Each kind is struck where it comes first, and each command that comes
//! from the moment on at which it is decided what is to be on the node; where [`ALL`] says so, every command.

mod ci;
mod scripts;
mod smoke;
mod target;

use std::time::{Duration, Instant};

use archipelago_lab::StandIn;
use archipelago_lab::standin::{GateCommand, GateSeen, Strike};

use crate::deployed::Deployed;
use crate::trial::{Outcome, StageTrial};

/// All trials.
pub(crate) const TRIALS: [&[StageTrial]; 4] =
    [scripts::TRIALS, smoke::TRIALS, ci::TRIALS, target::TRIALS];

/// Set to `all`, each command is struck each time that it comes.
const ALL: &str = "ARCHIPELAGO_TEST_STEPS";
/// How long a node may take to become whole; what the run has begun may have to end first.
const WHOLE: Duration = Duration::from_secs(30);

/// A node where an install watches for no longer than it has to: it is run dozens of times.
const QUICK: &str = "mkdir -p /etc/archipelago/apps
printf '[install]\\nstay_up_secs = 0\\n' >/etc/archipelago/archipelago.toml
systemctl restart archipelago.service
archipelago status";

/// How a run is cut off at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    LostBefore,
    LostAfter,
    CtrlC,
}

impl Cut {
    fn strike(self) -> Strike {
        match self {
            Self::LostBefore => Strike::LostBefore,
            Self::LostAfter => Strike::LostAfter,
            // Pressed when the command has come, before it runs.
            Self::CtrlC => Strike::Hold,
        }
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LostBefore => "the connection lost before",
            Self::LostAfter => "the connection lost after",
            Self::CtrlC => "Ctrl-C at",
        })
    }
}

/// Where a run is cut off.
#[derive(Debug, Clone)]
struct Step {
    /// Its number among all commands of the first run, from 1.
    number: usize,
    command: GateCommand,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, command } = self;
        write!(
            f,
            "step {number}, `{}` for the {}. time",
            command.kind.trim_end(),
            command.time
        )
    }
}

/// Where a step lies, by the command that decides what is to be on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    At,
    After,
}

/// The steps of a run.
struct Steps {
    all: Vec<Step>,
    /// The number of the command that decides what is to be on the node.
    decides: usize,
}

impl Steps {
    /// Those of a run that has just been let through. This command, when it comes for the so manieth time, decides what is to
    /// be on the node.
    async fn of(node: &StandIn, decides: &str, time: usize) -> Result<Self, String> {
        let commands = seen(node).await?.commands;
        let decides = number_of(&commands, decides, time)?;
        let steps = commands.iter().cloned().enumerate();
        let all: Vec<_> = steps
            .map(|(index, command)| Step {
                number: index + 1,
                command,
            })
            .filter(|step| is_all() || step.command.time == 1 || step.number >= decides)
            .collect();
        println!("{} steps of {} commands", all.len(), commands.len());
        Ok(Self { all, decides })
    }

    fn place(&self, step: &Step) -> Place {
        match step.number.cmp(&self.decides) {
            std::cmp::Ordering::Less => Place::Before,
            std::cmp::Ordering::Equal => Place::At,
            std::cmp::Ordering::Greater => Place::After,
        }
    }

    /// Without the script's renewals of its lease: they come when it is time, before the decision or after it.
    fn without_renewals(mut self) -> Self {
        self.all
            .retain(|step| !step.command.kind.starts_with("sudo -n sh -s -- renew "));
        self
    }

    /// Without those before a command.
    fn from(&mut self, kind: &str) -> Outcome {
        let first = self
            .all
            .iter()
            .position(|step| step.command.kind.contains(kind))
            .ok_or_else(|| format!("no step is `{kind}`"))?;
        self.all.drain(..first);
        Ok(())
    }

    /// Cuts a run off at each. `run` begins and judges it; what it learns is whether the step came. Where that fails, all
    /// others follow all the same if `put_right` succeeds.
    async fn each(
        &self,
        cut: Cut,
        mut run: impl AsyncFnMut(&Step) -> Result<bool, String>,
        put_right: impl AsyncFn() -> Outcome,
    ) -> Outcome {
        let mut errors = Vec::new();
        for step in &self.all {
            let begun = Instant::now();
            let came = run(step).await;
            println!("{:>5.1} s: {cut} {step}", begun.elapsed().as_secs_f32());
            match came {
                Ok(true) => {}
                // A lease is renewed in those runs alone that take their time, and what is waited for is looked at more or less
                // often.
                Ok(false) if step.command.time > 1 || step.command.kind.contains(" renew ") => {
                    println!("         it did not come");
                }
                Ok(false) => errors.push(format!("{cut} {step}: it did not come")),
                Err(error) => {
                    errors.push(format!("{cut} {step}: {error}"));
                    if let Err(error) = put_right().await {
                        errors.push(format!("the others are not tried: {error}"));
                        break;
                    }
                }
            }
        }
        match errors.len() {
            0 => Ok(()),
            count => Err(format!("{count} failed:\n\n{}", errors.join("\n\n"))),
        }
    }
}

/// Whether each command is struck each time.
fn is_all() -> bool {
    std::env::var(ALL).is_ok_and(|wanted| wanted == "all")
}

fn number_of(commands: &[GateCommand], kind: &str, time: usize) -> Result<usize, String> {
    commands
        .iter()
        .position(|command| command.kind.contains(kind) && command.time == time)
        .map(|index| index + 1)
        .ok_or_else(|| format!("`{kind}` did not come {time} times: {commands:#?}"))
}

/// Before anything else is done to it.
async fn make_quick(node: &StandIn) -> Outcome {
    crate::node::sh(node, QUICK).await.map(drop)
}

/// Waits until the node is whole; which of these it is.
async fn whole(node: &StandIn, wholes: &[&Deployed]) -> Result<usize, String> {
    crate::program::until("the node is whole", WHOLE, async || {
        let now = Deployed::on(node).await?;
        let found = wholes.iter().position(|whole| **whole == now);
        found.ok_or_else(|| {
            let wholes: Vec<_> = wholes.iter().map(|whole| format!("{whole:#?}")).collect();
            format!("now: {now:#?}\nit was to be: {}", wholes.join("\nor: "))
        })
    })
    .await
}

async fn arm(node: &StandIn, cut: Cut, step: &Step) -> Outcome {
    let GateCommand { kind, time, .. } = &step.command;
    node.arm_gate(cut.strike(), kind, *time)
        .await
        .map_err(|error| archipelago_lab::chain(&error))
}

async fn seen(node: &StandIn) -> Result<GateSeen, String> {
    node.gate_seen()
        .await
        .map_err(|error| archipelago_lab::chain(&error))
}
