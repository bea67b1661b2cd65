//! What ran and is meant to, and from that what to bring back. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Past;
use crate::catalog::{ContainerManifest, start_order};
use crate::container::status::{ContainerState, ContainerStatus};
use crate::package::UserStopped;
use crate::restart_tracker::RestartTracker;

/// Which containers ran and are meant to, in start order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The boot in which that was seen.
    pub boot_id: String,
    /// Names, in start order.
    pub containers: Vec<String>,
}

/// All that a snapshot depends on.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotInput<'a> {
    pub(crate) installed: &'a [(&'a str, &'a ContainerManifest)],
    pub(crate) statuses: &'a BTreeMap<String, ContainerStatus>,
    pub(crate) stopped: &'a UserStopped,
    pub(crate) tracker: &'a RestartTracker,
    pub(crate) before: Option<&'a Snapshot>,
    pub(crate) boot_id: String,
}

/// What is to be brought back after a crash from now on. Pure.
///
/// A container that just ended stays in: the monitor is about to start it again, and a machine on its way down ends
/// containers before it ends the daemon. One that was given up on, or that the user stopped, goes out.
pub(crate) fn next_snapshot(input: &SnapshotInput<'_>) -> Snapshot {
    let before: BTreeSet<&str> = input
        .before
        .iter()
        .flat_map(|snapshot| snapshot.containers.iter().map(String::as_str))
        .collect();
    let wanted = |package: &str, container: &ContainerManifest| {
        let name = container.name.as_str();
        let runs = input.statuses.get(name).is_some_and(|status| {
            matches!(
                status.state,
                ContainerState::Running | ContainerState::Paused
            )
        });
        let gave_up = input
            .tracker
            .history(name)
            .is_some_and(|history| history.gave_up.is_some());
        !input.stopped.is_stopped(package)
            && (runs || (before.contains(name) && !gave_up && !container.one_shot))
    };
    let wanted = input
        .installed
        .iter()
        .filter(|(package, container)| wanted(package, container))
        .map(|(_, container)| *container);
    Snapshot {
        containers: start_order(wanted).into_iter().map(str::to_owned).collect(),
        boot_id: input.boot_id.clone(),
    }
}

/// Which containers to start, in order. Pure.
///
/// Those of the snapshot that are installed, not user-stopped, known to podman and not running. Without a readable
/// snapshot, every installed container that is not one-shot: rather one too many than one too few.
#[must_use]
pub fn recovery_plan(
    past: &Past,
    snapshot: Option<&Snapshot>,
    installed: &[(&str, &ContainerManifest)],
    stopped: &UserStopped,
    statuses: &BTreeMap<String, ContainerStatus>,
) -> Vec<String> {
    if !past.needs_recovery() {
        return Vec::new();
    }
    let listed = |container: &ContainerManifest| match snapshot {
        Some(snapshot) => snapshot.containers.contains(&container.name),
        None => !container.one_shot,
    };
    let down = |container: &ContainerManifest| {
        statuses
            .get(&container.name)
            .is_some_and(|status| status.state != ContainerState::Running)
    };
    let wanted = installed
        .iter()
        .filter(|(package, container)| {
            !stopped.is_stopped(package) && listed(container) && down(container)
        })
        .map(|(_, container)| *container);
    start_order(wanted).into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn snapshot(boot_id: &str, containers: &[&str]) -> Snapshot {
        Snapshot {
            boot_id: boot_id.to_owned(),
            containers: containers.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn down(name: &str) -> ContainerStatus {
        ContainerStatus {
            id: String::new(),
            name: name.to_owned(),
            image: String::new(),
            state: ContainerState::Exited,
            pid: 0,
            exit_code: 0,
            oom_killed: None,
            error: None,
            created_at: DateTime::UNIX_EPOCH,
            started_at: Some(DateTime::UNIX_EPOCH),
            finished_at: None,
            health: None,
            restart_count: 0,
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn the_plan_is_the_snapshot_without_what_the_user_stopped() {
        let manifest = |name: &str, more: &str| -> ContainerManifest {
            toml::from_str(&format!(
                "name = \"{name}\"\nimage = \"localhost/x:1\"\ntier = 2\n{more}"
            ))
            .expect("a manifest")
        };
        let containers = [
            manifest("a", "depends_on = [\"b\"]"),
            manifest("b", ""),
            manifest("not-listed", ""),
            manifest("once", "one_shot = true"),
            manifest("runs", ""),
            manifest("stopped", ""),
            manifest("unknown-to-podman", ""),
        ];
        let installed: Vec<(&str, &ContainerManifest)> = containers
            .iter()
            .map(|container| (container.name.as_str(), container))
            .collect();
        let mut statuses: BTreeMap<String, ContainerStatus> =
            ["a", "b", "not-listed", "once", "runs", "stopped"]
                .map(|name| (name.to_owned(), down(name)))
                .into();
        if let Some(status) = statuses.get_mut("runs") {
            status.state = ContainerState::Running;
        }
        let mut stopped = UserStopped::default();
        stopped.stop("stopped", DateTime::UNIX_EPOCH);
        // The stop was kept and the snapshot not yet: the stop counts.
        let listed = snapshot("x", &["a", "b", "runs", "stopped", "unknown-to-podman"]);
        let plan =
            |past: &Past, snapshot| recovery_plan(past, snapshot, &installed, &stopped, &statuses);
        assert_eq!(plan(&Past::PowerLost, Some(&listed)), ["b", "a"]);
        assert_eq!(plan(&Past::PowerLost, None), ["b", "a", "not-listed"]);
        assert!(plan(&Past::Clean, Some(&listed)).is_empty());
    }
}
