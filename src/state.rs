//! What a UI shows of each package. Pure: from what podman says, what the user wants, what is remembered and what is
//! under way, to words.

mod container;
mod next;
#[cfg(test)]
mod tests;
mod word;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::container::status::ContainerStatus;
use crate::health_monitor::Decision;
use crate::package::{Operation, PackageRecord, Phase, UserStopped};
use crate::restart_tracker::RestartTracker;

pub use next::NextStep;
pub use word::{Colour, PackageState};

use container::{About, container_entry};

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
    /// The colour of that state.
    pub colour: Colour,
    /// Exit code of its worst container, where that ended.
    pub exit_code: Option<i32>,
    /// Why it is in that state.
    pub why: String,
    /// What archipelago will do about its worst container; nothing while an operation is under way.
    pub next: Option<NextStep>,
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
    /// The colour of that state.
    pub colour: Colour,
    /// podman's own word; `missing` where podman has no such container.
    pub podman_state: String,
    /// Exit code, where it ended.
    pub exit_code: Option<i32>,
    /// Why it is in that state.
    pub reason: String,
    /// What archipelago will do about it; nothing where nothing needs to be done.
    pub next: Option<NextStep>,
    /// `starting`, `healthy` or `unhealthy`, where it has a check.
    pub health: Option<&'static str>,
    /// Since when it runs; nothing while it does not.
    pub running_since: Option<DateTime<Utc>>,
    /// Attempts of the health monitor since it was last stable.
    pub restarts: u32,
    /// How it last ended when nobody asked it to; kept after it was healed.
    pub last_exit: Option<Exit>,
    /// The last such ends, at most [`MAX_EXITS`](crate::restart_tracker::MAX_EXITS), the newest last.
    pub exits: Vec<Exit>,
}

/// How a container once ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exit {
    /// The word that was shown, as `killed (OOM)`, or `restarted by podman`.
    pub reason: String,
    /// The colour of that word.
    pub colour: Colour,
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
    /// Packages that the monitor is healing.
    pub healing: &'a BTreeSet<String>,
    /// Containers that podman says run, and whose process is gone.
    pub dead: &'a BTreeSet<String>,
    /// Containers that ran when the machine last went down, until recovery is done.
    pub ran_before: &'a BTreeSet<String>,
    /// What [`plan`](crate::health_monitor::plan) says of the same look.
    pub plan: &'a [Decision],
    /// After so many attempts the monitor gives up.
    pub max_attempts: u32,
    /// The time.
    pub now: DateTime<Utc>,
}

/// Every package, by id.
#[must_use]
pub fn entries(input: &StateInput<'_>) -> Vec<PackageDataEntry> {
    let plan: BTreeMap<&str, &Decision> = input
        .plan
        .iter()
        .map(|decision| (decision.container.as_str(), decision))
        .collect();
    input
        .records
        .values()
        .map(|record| entry(input, &plan, record))
        .collect()
}

fn entry(
    input: &StateInput<'_>,
    plan: &BTreeMap<&str, &Decision>,
    record: &PackageRecord,
) -> PackageDataEntry {
    let manifest = &record.manifest;
    let about = About {
        user_stopped: input.stopped.is_stopped(&manifest.id),
        is_healing: input.healing.contains(&manifest.id),
    };
    let containers: Vec<ContainerEntry> = manifest
        .containers
        .iter()
        .map(|container| {
            let decision = plan.get(container.name.as_str()).copied();
            container_entry(input, container, about, decision)
        })
        .collect();
    // Of several that are equally bad the first: the others may only follow it.
    let worst = containers.iter().rev().max_by_key(|entry| entry.state);
    let of_operation = match (input.operations.get(&manifest.id), record.phase) {
        (Some(Operation::Install), _) => Some((PackageState::Installing, "it is being installed")),
        (Some(Operation::Update), _) => Some((PackageState::Installing, "it is being updated")),
        (Some(Operation::Reconcile), _) => {
            Some((PackageState::Restarting, "it is being made as it should be"))
        }
        (Some(Operation::Undo), Phase::Updating) => Some((
            PackageState::Installing,
            "its old version is being brought back",
        )),
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
        (None, Phase::Updating) => Some((
            PackageState::NeedsAttention,
            "an update was cut short and the old version is not back yet; start, stop or update it to try that again, or uninstall it and keep its data",
        )),
        (None, Phase::Uninstalling { .. }) => Some((
            PackageState::NeedsAttention,
            "not everything could be removed; uninstall it again",
        )),
    };
    let (state, why, next) = match (of_operation, worst) {
        (Some((state, why)), _) => (state, why.to_owned(), None),
        (None, Some(worst)) => {
            let of_one = |text: &str| of_one_of(&containers, worst, text);
            let next = worst.next.as_ref().map(|next| next.with_text(&of_one));
            (worst.state, of_one(&worst.reason), next)
        }
        (None, None) => (
            PackageState::NeedsAttention,
            "it has no containers".to_owned(),
            None,
        ),
    };
    PackageDataEntry {
        id: manifest.id.clone(),
        title: manifest.title.clone(),
        version: manifest.version.clone(),
        state,
        colour: state.colour(),
        exit_code: worst.and_then(|worst| worst.exit_code),
        why,
        next,
        containers,
    }
}

/// What is said of one container, said of its package: with the container's name where there are others.
fn of_one_of(containers: &[ContainerEntry], one: &ContainerEntry, text: &str) -> String {
    if containers.len() == 1 {
        text.to_owned()
    } else {
        format!("`{}`: {text}", one.name)
    }
}
