//! What a UI shows of each package. Pure: from what podman says, what the user wants, what is remembered and what is
//! under way, to words.

mod container;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::container::status::ContainerStatus;
use crate::package::{Operation, PackageRecord, Phase, UserStopped};
use crate::restart_tracker::RestartTracker;

use container::container_entry;

/// How a package or a container is. The order is meaning: a package is as its worst container, and a later one is
/// worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
