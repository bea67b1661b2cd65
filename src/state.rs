//! What a UI shows of each package. Pure: from what podman says, what the user wants, what is remembered and what is
//! under way, to words.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::catalog::ContainerManifest;
use crate::container::exit_reason::{Evidence, ExitReason};
use crate::container::status::{ContainerState, ContainerStatus, Health};
use crate::package::{Operation, PackageRecord, Phase, UserStopped};
use crate::restart_tracker::{RestartHistory, RestartTracker};

/// How a package or a container is. The order is meaning: a package is as its worst container, and a later one is
/// worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum PackageState {
    /// Ran once, and is done.
    #[serde(rename = "done")]
    Done,
    /// As it should be.
    #[serde(rename = "running")]
    Running,
    /// The user stopped it, or it ended by itself with 0.
    #[serde(rename = "stopped")]
    Stopped,
    /// Made, and not started yet; or waits for another container.
    #[serde(rename = "waiting")]
    Waiting,
    /// On its way up.
    #[serde(rename = "starting")]
    Starting,
    /// On its way down.
    #[serde(rename = "stopping")]
    Stopping,
    /// Frozen by somebody.
    #[serde(rename = "paused")]
    Paused,
    /// Was up when power was lost.
    #[serde(rename = "interrupted")]
    Interrupted,
    /// Runs, and its health check fails.
    #[serde(rename = "unhealthy")]
    Unhealthy,
    /// Somebody sent SIGKILL.
    #[serde(rename = "killed")]
    Killed,
    /// The kernel killed it for want of memory.
    #[serde(rename = "killed (OOM)")]
    KilledOom,
    /// Ended by itself with another code than 0, did not start, or is gone.
    #[serde(rename = "crashed")]
    Crashed,
    /// archipelago gave up on it, or an operation is half done and could not be finished.
    #[serde(rename = "needs attention")]
    NeedsAttention,
    /// Being installed.
    #[serde(rename = "installing")]
    Installing,
    /// Being stopped and started at the user's wish.
    #[serde(rename = "restarting")]
    Restarting,
    /// Being uninstalled.
    #[serde(rename = "uninstalling")]
    Uninstalling,
}

/// One package, as a UI shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageDataEntry {
    /// The package.
    pub id: String,
    /// For people.
    pub title: String,
    /// The app's version.
    pub version: String,
    /// That of its worst container, or of the operation under way.
    pub state: PackageState,
    /// Exit code of its worst container, where that ended.
    pub exit_code: Option<i32>,
    /// Why it is in that state.
    pub why: String,
    /// Its containers, in the order of the manifest.
    pub containers: Vec<ContainerEntry>,
}

/// One container, as a UI shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerEntry {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: PackageState,
    /// podman's own word; `missing` where podman has no such container.
    pub podman_state: String,
    /// Exit code, where it ended.
    pub exit_code: Option<i32>,
    /// Why it is in that state.
    pub reason: String,
    /// `starting`, `healthy` or `unhealthy`, where it has a check.
    pub health: Option<&'static str>,
    /// Attempts of the health monitor since it was last stable.
    pub restarts: u32,
    /// How it last ended when nobody asked it to; kept after it was healed.
    pub last_exit: Option<LastExit>,
}

/// How a container last ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastExit {
    /// The word that was shown, as `killed (OOM)`.
    pub reason: String,
    /// Exit code, where it is known.
    pub code: Option<i32>,
    /// When.
    pub at: DateTime<Utc>,
}

/// All that the states depend on.
#[derive(Debug, Clone, Copy)]
pub struct StateInput<'a> {
    /// Packages, by id.
    pub records: &'a BTreeMap<String, PackageRecord>,
    /// What podman says, by container name.
    pub statuses: &'a BTreeMap<String, ContainerStatus>,
    /// What is remembered.
    pub tracker: &'a RestartTracker,
    /// What the user stopped.
    pub stopped: &'a UserStopped,
    /// What is under way.
    pub operations: &'a BTreeMap<String, Operation>,
    /// After so many attempts the monitor gives up.
    pub max_attempts: u32,
}

/// Every package, by id.
#[must_use]
pub fn entries(input: &StateInput<'_>) -> Vec<PackageDataEntry> {
    input
        .records
        .values()
        .map(|record| entry(input, record))
        .collect()
}

fn entry(input: &StateInput<'_>, record: &PackageRecord) -> PackageDataEntry {
    let manifest = &record.manifest;
    let user_stopped = input.stopped.is_stopped(&manifest.id);
    let containers: Vec<ContainerEntry> = manifest
        .containers
        .iter()
        .map(|container| container_entry(input, container, user_stopped))
        .collect();
    let worst = containers.iter().max_by_key(|container| container.state);
    let of_operation = match (input.operations.get(&manifest.id), record.phase) {
        (Some(Operation::Install), _) => Some((PackageState::Installing, "it is being installed")),
        (Some(Operation::Uninstall | Operation::Undo), _) => {
            Some((PackageState::Uninstalling, "it is being removed"))
        }
        (Some(Operation::Start), _) => Some((PackageState::Starting, "the user is starting it")),
        (Some(Operation::Stop), _) => Some((PackageState::Stopping, "the user is stopping it")),
        (Some(Operation::Restart), _) => {
            Some((PackageState::Restarting, "the user is restarting it"))
        }
        (None, Phase::Installed) => None,
        (None, Phase::Installing) => Some((
            PackageState::NeedsAttention,
            "an install was cut short and is not undone yet; uninstall it, or install it again",
        )),
        (None, Phase::Uninstalling { .. }) => Some((
            PackageState::NeedsAttention,
            "not everything could be removed; uninstall it again",
        )),
    };
    let (state, why) = match (of_operation, worst) {
        (Some((state, why)), _) => (state, why.to_owned()),
        (None, Some(worst)) => (worst.state, why(worst, containers.len())),
        (None, None) => (
            PackageState::NeedsAttention,
            "it has no containers".to_owned(),
        ),
    };
    PackageDataEntry {
        id: manifest.id.clone(),
        title: manifest.title.clone(),
        version: manifest.version.clone(),
        state,
        exit_code: worst.and_then(|worst| worst.exit_code),
        why,
        containers,
    }
}

fn why(worst: &ContainerEntry, containers: usize) -> String {
    if containers == 1 {
        worst.reason.clone()
    } else {
        format!("`{}`: {}", worst.name, worst.reason)
    }
}

fn container_entry(
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
