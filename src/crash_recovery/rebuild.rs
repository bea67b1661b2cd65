//! What state files that could not be read held, as far as other files, podman and the catalog tell. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Snapshot;
use crate::catalog::{ContainerManifest, Manifest};
use crate::container::status::{ContainerState, ContainerStatus};
use crate::package::{PACKAGE_LABEL, PackageRecord, Phase, UserStopped};
use crate::restart_tracker::RestartTracker;

/// The record of a package whose own is lost: it is installed when podman has a container of it, and is meant to be like
/// the catalog has it, with the images that are in use. What an install or uninstall that was cut short had come to is lost with the record.
pub(super) fn rebuilt_record(
    manifest: &Manifest,
    statuses: &BTreeMap<String, ContainerStatus>,
    now: DateTime<Utc>,
) -> Option<PackageRecord> {
    let is_of_it = |status: &ContainerStatus| {
        status.labels.get(PACKAGE_LABEL) == Some(&manifest.id)
            && manifest
                .containers
                .iter()
                .any(|container| container.name == status.name)
    };
    if !statuses.values().any(is_of_it) {
        return None;
    }
    // The catalog may have gone on since: what it was installed with is what its containers have.
    let mut manifest = manifest.clone();
    for container in &mut manifest.containers {
        let status = statuses.get(&container.name);
        if let Some(status) = status.filter(|status| !status.image.is_empty()) {
            container.image = Some(status.image.clone());
        }
    }
    Some(PackageRecord {
        manifest,
        docker_image: None,
        phase: Phase::Installed,
        made: Vec::new(),
        previous: None,
        since: now,
    })
}

/// What the user had stopped, when that is lost: packages of which nothing runs and nothing was to be brought back, and
/// that were not given up on. Without a snapshot nothing tells; then everything is meant to run.
pub(super) fn rebuilt_intents(
    installed: &[(&str, &ContainerManifest)],
    statuses: &BTreeMap<String, ContainerStatus>,
    snapshot: Option<&Snapshot>,
    tracker: &RestartTracker,
    now: DateTime<Utc>,
) -> UserStopped {
    let mut stopped = UserStopped::default();
    let Some(snapshot) = snapshot else {
        return stopped;
    };
    let is_meant_to_run = |container: &ContainerManifest| {
        let name = &container.name;
        let runs = statuses.get(name).is_some_and(|status| {
            matches!(
                status.state,
                ContainerState::Running | ContainerState::Paused
            )
        });
        let gave_up = tracker
            .history(name)
            .is_some_and(|history| history.gave_up.is_some());
        runs || gave_up || snapshot.containers.contains(name)
    };
    for (package, _) in installed {
        let mut own = installed.iter().filter(|(other, _)| other == package);
        if !own.any(|(_, container)| is_meant_to_run(container)) {
            stopped.stop(package, now);
        }
    }
    stopped
}
