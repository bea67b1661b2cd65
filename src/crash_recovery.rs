//! After a crash, a kill or a power cut: what to bring back, and in which order.
//!
//! Three files: the PID file (there while a daemon runs), the snapshot (what ran and is meant to) and the user's
//! intents. Nothing else starts a container after a reboot; podman by itself does not (PODMAN-FACTS 12).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::catalog::{ContainerManifest, start_order};
use crate::container::status::{ContainerState, ContainerStatus};
use crate::host::ProcessIdentity;
use crate::package::{Operation, Packages, Phase, UserStopped, chain};
use crate::restart_tracker::RestartTracker;

/// The PID file.
pub const PID_FILE: &str = "archipelago.pid";
/// The snapshot.
pub const SNAPSHOT_FILE: &str = "running-containers.json";
/// The waits between attempts to start one container again; after the last the health monitor goes on.
pub const START_WAITS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];
/// Between two attempts to reach podman.
const PODMAN_WAIT: Duration = Duration::from_secs(5);

/// Which daemon runs, or ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidFile {
    /// The process.
    pub process: ProcessIdentity,
    /// The boot it belongs to.
    pub boot_id: String,
}

/// Which containers ran and are meant to, in start order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The boot in which that was seen.
    pub boot_id: String,
    /// Names, in start order.
    pub containers: Vec<String>,
}

/// How the last daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// Properly, in this boot, or there was none: nothing to bring back.
    Clean,
    /// Properly, and the machine was restarted since.
    Rebooted,
    /// By a kill or a crash, in this boot. The pid, where its file was readable.
    Killed {
        /// The pid.
        pid: Option<u32>,
    },
    /// With the machine.
    PowerLost,
}

impl Past {
    /// Whether containers may have to be brought back.
    #[must_use]
    pub fn needs_recovery(&self) -> bool {
        *self != Self::Clean
    }

    /// Whether the last daemon ended without saying so.
    #[must_use]
    pub fn was_unclean(&self) -> bool {
        matches!(self, Self::Killed { .. } | Self::PowerLost)
    }
}

/// A daemon runs on this state folder already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another archipelago runs on this state folder, with pid {pid}; stop it first")]
pub struct AlreadyRunning {
    /// Its pid.
    pub pid: u32,
}

/// How the last daemon ended. Pure.
///
/// # Errors
/// [`AlreadyRunning`] when it has not.
pub fn what_happened(
    pid_file: Option<&PidFile>,
    snapshot: Option<&Snapshot>,
    boot_id: &str,
    is_alive: impl FnOnce(&ProcessIdentity) -> bool,
) -> Result<Past, AlreadyRunning> {
    match (pid_file, snapshot) {
        (Some(file), _) if file.boot_id != boot_id => Ok(Past::PowerLost),
        (Some(file), _) if is_alive(&file.process) => Err(AlreadyRunning {
            pid: file.process.pid,
        }),
        (Some(file), _) => Ok(Past::Killed {
            pid: Some(file.process.pid),
        }),
        (None, Some(snapshot)) if snapshot.boot_id != boot_id => Ok(Past::Rebooted),
        (None, _) => Ok(Past::Clean),
    }
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

impl Packages {
    /// Finishes what was cut short and brings back what ran. Waits for podman as long as it takes.
    pub(crate) async fn recover(&self, past: &Past) {
        let statuses = loop {
            match self.look().await {
                Ok(statuses) => break statuses,
                Err(error) => {
                    tracing::error!(
                        error = chain(&error),
                        "podman cannot be asked, recovery waits for it"
                    );
                    sleep(PODMAN_WAIT).await;
                }
            }
        };
        self.observe_all(&statuses, &BTreeSet::new(), &BTreeSet::new());
        self.finish_cut_short().await;
        self.finish_stops().await;
        let plan = {
            let book = self.book();
            let installed: Vec<_> = book.installed().collect();
            recovery_plan(
                past,
                book.snapshot.as_ref(),
                &installed,
                &book.stopped,
                &statuses,
            )
        };
        if past.needs_recovery() {
            tracing::info!(?past, ?plan, "bringing back what ran");
        }
        let mut failed = BTreeSet::new();
        for name in plan {
            self.bring_back(&name, &mut failed).await;
        }
        self.book().recovering = false;
        self.refresh_snapshot().await;
    }

    /// Undoes installs and finishes uninstalls that a kill has cut short.
    async fn finish_cut_short(&self) {
        let cut_short: Vec<(String, Phase)> = {
            let book = self.book();
            book.records
                .iter()
                .map(|(id, record)| (id.clone(), record.phase))
                .collect()
        };
        for (id, phase) in cut_short {
            let outcome = match phase {
                Phase::Installed => continue,
                Phase::Installing => {
                    let Ok(_running) = self.begin(&id, Operation::Undo) else {
                        continue;
                    };
                    let _turn = self.turn(&id).await;
                    self.undo(&id).await.map(|left| left.join(", "))
                }
                Phase::Uninstalling { keep_data } => {
                    let Ok(_running) = self.begin(&id, Operation::Uninstall) else {
                        continue;
                    };
                    let _turn = self.turn(&id).await;
                    self.remove_all(&id, keep_data)
                        .await
                        .map(|()| String::new())
                }
            };
            match outcome {
                Ok(left) if left.is_empty() => tracing::info!(
                    package = id,
                    ?phase,
                    "cleared up after an operation that was cut short"
                ),
                Ok(left) => tracing::error!(
                    package = id,
                    left,
                    "cannot clear up after an install that was cut short"
                ),
                Err(error) => tracing::error!(
                    package = id,
                    error = chain(&error),
                    "cannot clear up after an operation that was cut short"
                ),
            }
        }
    }

    /// Starts one container, in up to three attempts. A failure is left to the health monitor.
    async fn bring_back(&self, name: &str, failed: &mut BTreeSet<String>) {
        let wanted = |packages: &Self| {
            let book = packages.book();
            book.installed()
                .find(|(package, container)| {
                    container.name == name && !book.stopped.is_stopped(package)
                })
                .map(|(package, container)| (package.to_owned(), container.clone()))
        };
        let Some((package, manifest)) = wanted(self) else {
            return;
        };
        if let Some(dependency) = manifest
            .depends_on
            .iter()
            .find(|name| failed.contains(*name))
        {
            tracing::warn!(
                container = name,
                dependency,
                "not brought back, its dependency is not up"
            );
            failed.insert(name.to_owned());
            return;
        }
        let mut waits = START_WAITS.iter();
        loop {
            {
                let _turn = self.turn(&package).await;
                // The user may have stopped or removed it meanwhile.
                if wanted(self).is_none() {
                    return;
                }
                let Err(error) = self.podman.start(name).await else {
                    tracing::info!(container = name, "brought back");
                    return;
                };
                tracing::warn!(
                    container = name,
                    error = chain(&error),
                    "cannot bring it back"
                );
                self.change_tracker(|tracker| tracker.start_outcome(name, Some(chain(&error))));
            }
            match waits.next() {
                Some(wait) => sleep(*wait).await,
                None => {
                    failed.insert(name.to_owned());
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn process(pid: u32) -> ProcessIdentity {
        ProcessIdentity {
            pid,
            start_ticks: 1,
        }
    }

    fn snapshot(boot_id: &str, containers: &[&str]) -> Snapshot {
        Snapshot {
            boot_id: boot_id.to_owned(),
            containers: containers.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn how_the_last_daemon_ended() {
        let file = PidFile {
            process: process(7),
            boot_id: "now".to_owned(),
        };
        let old = snapshot("before", &[]);
        let alive = |_: &ProcessIdentity| true;
        let dead = |_: &ProcessIdentity| false;
        let killed = Past::Killed { pid: Some(7) };
        assert_eq!(what_happened(None, None, "now", dead), Ok(Past::Clean));
        assert_eq!(
            what_happened(None, Some(&snapshot("now", &[])), "now", dead),
            Ok(Past::Clean)
        );
        assert_eq!(
            what_happened(None, Some(&old), "now", dead),
            Ok(Past::Rebooted)
        );
        assert_eq!(
            what_happened(Some(&file), Some(&old), "now", dead),
            Ok(killed)
        );
        assert_eq!(
            what_happened(Some(&file), None, "now", alive),
            Err(AlreadyRunning { pid: 7 })
        );
        // A pid of another boot says nothing, also when some process has it now.
        assert_eq!(
            what_happened(Some(&file), None, "later", alive),
            Ok(Past::PowerLost)
        );
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
