//! Why a container does not run. Exit codes lie: 0 also stands for power loss, 137 for four different ends.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::status::{ContainerState, ContainerStatus};

/// Why a container does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitReason {
    /// Made, never started, and no start of it failed.
    NeverStarted,
    /// Its last start failed.
    StartFailed {
        /// What podman said.
        error: String,
    },
    /// It was to stop, and did; by which code does not matter.
    UserStopped,
    /// It ended by itself, with 0.
    CleanExit,
    /// The kernel killed it for lack of memory; before podman 5 also every other SIGKILL from outside.
    OutOfMemory,
    /// Somebody or something sent SIGKILL, and it was not for lack of memory.
    Killed,
    /// It ended by itself, with another code than 0.
    Crashed {
        /// The code.
        code: i32,
    },
    /// It was up when the machine went down without warning.
    PowerLost,
    /// podman has lost track of it: no exit code, or "running" without a process.
    Lost,
}

/// What is known beside podman's own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// It was stopped on purpose: the user's intent, or a stop of our own.
    pub user_stopped: bool,
    /// The last start of ours failed with this, and nothing has started it since.
    pub start_failed: Option<&'a str>,
    /// What is known of the last boot.
    pub boot: BootEvidence,
    /// Whether the process that podman names as its main one is there; `None` when nobody looked.
    pub process_alive: Option<bool>,
}

/// What is known of the last boot of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BootEvidence {
    /// When the machine came up; `None` when not known.
    pub booted_at: Option<DateTime<Utc>>,
    /// The snapshot that an unclean shutdown left says that this container was running.
    pub ran_before: bool,
}

/// Up to this much earlier than its start, an end is that of the same run: of a program that lived for
/// milliseconds podman notes the end before the start.
const SAME_RUN: TimeDelta = TimeDelta::seconds(1);

const SIGKILLED: i32 = 137;
const CODE_LOST: i32 = -1;

impl ExitReason {
    /// Why the container does not run; `None` while it does, or is on its way from one to the other.
    pub fn of(container: &ContainerStatus, evidence: &Evidence<'_>) -> Option<Self> {
        match container.state {
            ContainerState::Running | ContainerState::Paused => {
                (evidence.process_alive == Some(false)).then_some(Self::Lost)
            }
            ContainerState::Created => Some(Self::of_created(container, evidence)),
            ContainerState::Stopped | ContainerState::Exited => {
                Some(Self::of_ended(container, evidence))
            }
            // On the way: the next look tells.
            ContainerState::Initialized | ContainerState::Stopping | ContainerState::Removing => {
                None
            }
            // A state this version does not know is no reason to meddle.
            ContainerState::Unknown(_) => None,
        }
    }

    fn of_created(container: &ContainerStatus, evidence: &Evidence<'_>) -> Self {
        if evidence.user_stopped {
            return Self::UserStopped;
        }
        if let Some(error) = evidence.start_failed {
            return Self::StartFailed {
                error: error.to_owned(),
            };
        }
        match (&container.started_at, &container.error) {
            // podman 4.3 says `created` of everything that was up at a power loss; the start time stays.
            (Some(_), _) => Self::PowerLost,
            (None, Some(error)) => Self::StartFailed {
                error: error.clone(),
            },
            (None, None) => Self::NeverStarted,
        }
    }

    fn of_ended(container: &ContainerStatus, evidence: &Evidence<'_>) -> Self {
        if evidence.user_stopped {
            return Self::UserStopped;
        }
        if let Some(error) = evidence.start_failed {
            return Self::StartFailed {
                error: error.to_owned(),
            };
        }
        match container.exit_code {
            CODE_LOST => Self::Lost,
            // Before a look at `oom_killed`: that flag is set, with code 0, also when only a child was killed.
            0 if was_up_at_power_loss(container, evidence.boot) => Self::PowerLost,
            0 => Self::CleanExit,
            SIGKILLED => match container.oom_killed {
                Some(true) | None => Self::OutOfMemory,
                Some(false) => Self::Killed,
            },
            code => Self::Crashed { code },
        }
    }

    /// One or two words for a person.
    pub fn shown_as(&self) -> &'static str {
        match self {
            Self::NeverStarted => "waiting",
            Self::UserStopped | Self::CleanExit => "stopped",
            Self::OutOfMemory => "killed (OOM)",
            Self::Killed => "killed",
            Self::PowerLost => "interrupted",
            Self::StartFailed { .. } | Self::Crashed { .. } | Self::Lost => "crashed",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown_as())
    }
}

/// Whether a container that "exited with 0" was up when power was lost. podman 5 notes no end for it: the time is
/// zero, or that of an earlier run and so before the start.
///
/// An end before the start alone does not prove it, as a program that lives for milliseconds has that as well. So:
/// an end more than [`SAME_RUN`] before the start is that of an earlier run. Within that span it is taken for the
/// same run, unless the snapshot says that the container ran: podman's own restarts follow the end at once. And
/// what started after the boot has not been through a power loss.
fn was_up_at_power_loss(container: &ContainerStatus, boot: BootEvidence) -> bool {
    let (Some(started), finished) = (container.started_at, container.finished_at) else {
        return false;
    };
    let Some(finished) = finished else {
        return true;
    };
    if finished >= started || boot.booted_at.is_some_and(|booted| started >= booted) {
        return false;
    }
    started - finished > SAME_RUN || boot.ran_before
}

#[cfg(test)]
mod tests;
