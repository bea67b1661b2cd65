//! From what podman says of one container, and what is remembered of it, to a word and a reason. Pure.

use super::next::next_step;
use super::{Colour, ContainerEntry, Exit, PackageState, StateInput};
use crate::catalog::ContainerManifest;
use crate::container::exit_reason::{BootEvidence, Evidence, ExitReason};
use crate::container::status::{ContainerState, ContainerStatus, Health};
use crate::health_monitor::Decision;
use crate::restart_tracker::{ExitRecord, RestartHistory};

/// What holds for all containers of a package.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// The user stopped it.
    pub(super) user_stopped: bool,
    /// The health monitor is at work on it.
    pub(super) is_healing: bool,
}

/// One container: how it is, why, and what comes next.
pub(super) fn container_entry(
    input: &StateInput<'_>,
    manifest: &ContainerManifest,
    about: About,
    decision: Option<&Decision>,
) -> ContainerEntry {
    let status = input.statuses.get(&manifest.name);
    let none = RestartHistory::default();
    let history = input.tracker.history(&manifest.name).unwrap_or(&none);
    let (mut state, reason) = match status {
        None if about.user_stopped => (PackageState::Stopped, "the user stopped it".to_owned()),
        // The monitor removes a container before it makes it anew.
        None if about.is_healing => (PackageState::Restarting, "it is being made anew".to_owned()),
        None => (
            PackageState::Crashed,
            "podman has no such container".to_owned(),
        ),
        Some(status) if is_being_stopped_to_restart(status, history, about) => (
            PackageState::Restarting,
            "it was stopped to be started again".to_owned(),
        ),
        Some(status) => shown(input, manifest, status, about, history),
    };
    // A word that says how it ended stays; any other gives way to the one that says that somebody must look.
    if history.gave_up.is_some() {
        state = match state {
            PackageState::Interrupted
            | PackageState::Unhealthy
            | PackageState::Waiting
            | PackageState::Starting => PackageState::NeedsAttention,
            PackageState::Done
            | PackageState::Running
            | PackageState::Stopped
            | PackageState::Stopping
            | PackageState::Restarting
            | PackageState::Paused
            | PackageState::Killed
            | PackageState::KilledOom
            | PackageState::Crashed
            | PackageState::NeedsAttention
            | PackageState::Installing
            | PackageState::Updating
            | PackageState::Uninstalling => state,
        };
    }
    let is_well = matches!(
        state,
        PackageState::Done | PackageState::Running | PackageState::Starting
    );
    let next = decision
        // While a package is healed its other containers are as they are.
        .filter(|_| !(about.is_healing && is_well))
        .and_then(|decision| {
            next_step(
                decision,
                history,
                about.is_healing,
                input.max_attempts,
                input.now,
            )
        });
    let exits: Vec<Exit> = history.exits.iter().map(exit).collect();
    ContainerEntry {
        name: manifest.name.clone(),
        state,
        colour: state.colour(),
        podman_state: status
            .map_or("missing", |status| status.state.as_str())
            .to_owned(),
        exit_code: status
            .filter(|status| has_ended(status))
            .map(|status| status.exit_code),
        reason,
        next,
        health: status.and_then(|status| status.health).map(Health::as_str),
        running_since: status
            .filter(|status| runs(status) && !input.dead.contains(&manifest.name))
            .and_then(|status| status.started_at),
        restarts: history.attempts,
        last_exit: exits.last().cloned(),
        exits,
    }
}

fn exit(record: &ExitRecord) -> Exit {
    Exit {
        reason: record.reason.clone(),
        colour: Colour::of_exit(&record.reason),
        code: record.code,
        at: record.at,
    }
}

fn has_ended(status: &ContainerStatus) -> bool {
    matches!(
        status.state,
        ContainerState::Exited | ContainerState::Stopped
    )
}

fn runs(status: &ContainerStatus) -> bool {
    matches!(
        status.state,
        ContainerState::Running | ContainerState::Paused
    )
}

/// The monitor stops one that runs badly before it starts it again. What ended so has a code of ours: it ran at the
/// look before, and the healing has not been looked at yet.
fn is_being_stopped_to_restart(
    status: &ContainerStatus,
    history: &RestartHistory,
    about: About,
) -> bool {
    about.is_healing && has_ended(status) && history.running_since.is_some()
}

fn shown(
    input: &StateInput<'_>,
    manifest: &ContainerManifest,
    status: &ContainerStatus,
    about: About,
    history: &RestartHistory,
) -> (PackageState, String) {
    let evidence = Evidence {
        user_stopped: about.user_stopped,
        start_failed: history.start_error.as_deref(),
        boot: BootEvidence {
            booted_at: None,
            ran_before: input.ran_before.contains(&manifest.name),
        },
        process_alive: input.dead.contains(&manifest.name).then_some(false),
    };
    let code = status.exit_code;
    match ExitReason::of(status, &evidence) {
        None => not_ended(status),
        Some(ExitReason::CleanExit) if manifest.one_shot => {
            (PackageState::Done, "it ran once and is done".to_owned())
        }
        Some(ExitReason::NeverStarted) => {
            (PackageState::Waiting, "it was not started yet".to_owned())
        }
        Some(ExitReason::StartFailed { error }) => {
            (PackageState::Crashed, format!("it did not start: {error}"))
        }
        Some(ExitReason::UserStopped) => (PackageState::Stopped, "the user stopped it".to_owned()),
        Some(ExitReason::CleanExit) => (
            PackageState::Stopped,
            "it ended by itself, with exit code 0".to_owned(),
        ),
        Some(ExitReason::OutOfMemory) => (
            PackageState::KilledOom,
            format!("it was killed for want of memory, exit code {code}"),
        ),
        Some(ExitReason::Killed) => (
            PackageState::Killed,
            format!("it was killed from outside, exit code {code}"),
        ),
        Some(ExitReason::Crashed { code }) => (
            PackageState::Crashed,
            format!("it ended with exit code {code}"),
        ),
        Some(ExitReason::PowerLost) => (
            PackageState::Interrupted,
            "it was up when power was lost".to_owned(),
        ),
        Some(ExitReason::Lost) if runs(status) => (
            PackageState::Crashed,
            "podman says that it runs, and its process is gone".to_owned(),
        ),
        Some(ExitReason::Lost) => (
            PackageState::Crashed,
            "podman lost track of how it ended".to_owned(),
        ),
    }
}

fn not_ended(status: &ContainerStatus) -> (PackageState, String) {
    match (&status.state, status.health) {
        (ContainerState::Running, Some(Health::Unhealthy)) => {
            (PackageState::Unhealthy, "its health check fails".to_owned())
        }
        (ContainerState::Running, Some(Health::Starting)) => (
            PackageState::Starting,
            "its health check has not passed yet".to_owned(),
        ),
        (ContainerState::Running, Some(Health::Healthy) | None) => {
            (PackageState::Running, "it runs".to_owned())
        }
        (ContainerState::Paused, _) => (PackageState::Paused, "somebody paused it".to_owned()),
        (ContainerState::Stopping | ContainerState::Removing, _) => (
            PackageState::Stopping,
            format!("podman says `{}`", status.state),
        ),
        (ContainerState::Unknown(word), _) => (
            PackageState::NeedsAttention,
            format!("podman says `{word}`, a state not known here"),
        ),
        (
            ContainerState::Initialized
            | ContainerState::Created
            | ContainerState::Stopped
            | ContainerState::Exited,
            _,
        ) => (
            PackageState::Starting,
            format!("podman says `{}`", status.state),
        ),
    }
}
