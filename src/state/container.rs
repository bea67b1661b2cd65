//! From what podman says of one container, and what is remembered of it, to a word and a reason. Pure.

use super::{ContainerEntry, LastExit, PackageState, StateInput};
use crate::catalog::ContainerManifest;
use crate::container::exit_reason::{Evidence, ExitReason};
use crate::container::status::{ContainerState, ContainerStatus, Health};
use crate::restart_tracker::RestartHistory;

/// One container: how it is, and why.
pub(super) fn container_entry(
    input: &StateInput<'_>,
    manifest: &ContainerManifest,
    user_stopped: bool,
) -> ContainerEntry {
    let status = input.statuses.get(&manifest.name);
    let none = RestartHistory::default();
    let history = input.tracker.history(&manifest.name).unwrap_or(&none);
    let (mut state, mut reason) = match status {
        None if user_stopped => (PackageState::Stopped, "the user stopped it".to_owned()),
        None => (
            PackageState::Crashed,
            "podman has no such container".to_owned(),
        ),
        Some(status) => shown(manifest, status, user_stopped, history),
    };
    if history.gave_up.is_some()
        && !matches!(
            state,
            PackageState::Running | PackageState::Stopped | PackageState::Done
        )
    {
        reason = format!(
            "{reason}; gave up after {} attempts, and tries again only now and then",
            history.attempts
        );
        // The word that says how it ended stays; without one, the word says that somebody must look.
        if !matches!(
            state,
            PackageState::Crashed | PackageState::Killed | PackageState::KilledOom
        ) {
            state = PackageState::NeedsAttention;
        }
    } else if history.attempts > 0 && !user_stopped {
        reason = format!(
            "{reason}; restart {} of {}",
            history.attempts, input.max_attempts
        );
    }
    let ended = |status: &&ContainerStatus| {
        matches!(
            status.state,
            ContainerState::Exited | ContainerState::Stopped
        )
    };
    ContainerEntry {
        name: manifest.name.clone(),
        state,
        podman_state: status
            .map_or("missing", |status| status.state.as_str())
            .to_owned(),
        exit_code: status.filter(ended).map(|status| status.exit_code),
        reason,
        health: status.and_then(|status| status.health).map(Health::as_str),
        restarts: history.attempts,
        last_exit: history.exits.last().map(|exit| LastExit {
            reason: exit.reason.clone(),
            code: exit.code,
            at: exit.at,
        }),
    }
}

fn shown(
    manifest: &ContainerManifest,
    status: &ContainerStatus,
    user_stopped: bool,
    history: &RestartHistory,
) -> (PackageState, String) {
    let evidence = Evidence {
        user_stopped,
        start_failed: history.start_error.as_deref(),
        ..Evidence::default()
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
        Some(ExitReason::Lost) => (PackageState::Crashed, "podman lost track of it".to_owned()),
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
