//! After a crash, a kill or a power cut: what to bring back, and in which order.
//!
//! Three files: the PID file (there while a daemon runs), the snapshot (what ran and is meant to) and the user's
//! intents. Nothing else starts a container after a reboot; podman by itself does not (measured: 4.3.1, 5.4.2 and 5.8.6).

mod past;
mod plan;
mod rebuild;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::sleep;

use crate::catalog::Catalog;
use crate::container::status::ContainerStatus;
use crate::package::{News, Operation, PackageError, Packages, Phase, Severity, chain};

pub use past::{AlreadyRunning, Past, PidFile, what_happened};
pub use plan::{Snapshot, recovery_plan};
pub(crate) use plan::{SnapshotInput, next_snapshot};

/// The PID file.
pub const PID_FILE: &str = "archipelago.pid";
/// The snapshot.
pub const SNAPSHOT_FILE: &str = "running-containers.json";
/// The waits between attempts to start one container again; after the last the health monitor goes on.
pub const START_WAITS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];
/// Between two attempts to reach podman.
const PODMAN_WAIT: Duration = Duration::from_secs(5);

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
                    tokio::select! {
                        () = sleep(PODMAN_WAIT) => {}
                        // Whoever tells the daemon to look does not want to wait for it.
                        () = self.wake.notified() => {}
                    }
                }
            }
        };
        self.rebuild(&statuses);
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
        for name in &plan {
            self.bring_back(name, &mut failed).await;
        }
        if *past == Past::PowerLost {
            self.notify(back_after_power_loss(&plan, &failed));
        }
        self.book().recovering = false;
        self.tell_shown();
        self.refresh_snapshot().await;
    }

    /// Makes anew what stood in files that could not be read, as far as anything else tells.
    fn rebuild(&self, statuses: &BTreeMap<String, ContainerStatus>) {
        let now = self.clock.now();
        let (lost_records, lost_intents) = {
            let book = self.book();
            (book.lost_records.clone(), book.lost_intents)
        };
        if lost_records.is_empty() && !lost_intents {
            return;
        }
        let catalog = Catalog::load(&self.config.apps_dir);
        for id in &lost_records {
            let manifest = catalog.get(id);
            let record = manifest.map(|manifest| rebuild::rebuilt_record(manifest, statuses, now));
            match record {
                Ok(Some(record)) => match self.put_record(record) {
                    Ok(()) => {
                        tracing::warn!(package = id, "its record is rebuilt from the catalog");
                    }
                    Err(error) => {
                        tracing::error!(package = id, error = chain(&error), "not rebuilt");
                    }
                },
                Ok(None) => {}
                Err(error) => tracing::error!(
                    package = id,
                    error = chain(&error),
                    "its record is lost and cannot be rebuilt; its containers are left as they are"
                ),
            }
        }
        if lost_intents {
            let stopped = {
                let book = self.book();
                let installed: Vec<_> = book.installed().collect();
                let snapshot = book.snapshot.as_ref();
                rebuild::rebuilt_intents(&installed, statuses, snapshot, &book.tracker, now)
            };
            tracing::warn!(stopped = ?stopped.packages(), "what the user stopped is rebuilt from what ran");
            self.replace_stopped(stopped);
        }
        let mut book = self.book();
        book.lost_records.clear();
        book.lost_intents = false;
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
            let operation = match phase {
                Phase::Installed => continue,
                Phase::Installing | Phase::Updating => Operation::Undo,
                Phase::Uninstalling { .. } => Operation::Uninstall,
            };
            let Ok(running) = self.begin(&id, operation) else {
                // The user is at it.
                continue;
            };
            let outcome = {
                let _turn = self.turn(&id).await;
                // The user may have been at it meanwhile: what was cut short is over then.
                if self.record(&id).is_none_or(|record| record.phase != phase) {
                    running.end(Ok(())).ok();
                    continue;
                }
                match phase {
                    Phase::Installed => Ok(()),
                    Phase::Installing => self.finish_undo(&id).await,
                    Phase::Updating => self.finish_update(&id).await,
                    Phase::Uninstalling { keep_data } => self.remove_all(&id, keep_data).await,
                }
            };
            let outcome = running.end(outcome);
            match outcome {
                Ok(()) => tracing::info!(
                    package = id,
                    ?phase,
                    "cleared up after an operation that was cut short"
                ),
                Err(error) => tracing::error!(
                    package = id,
                    error = chain(&error),
                    "cannot clear up after an operation that was cut short"
                ),
            }
        }
    }

    /// Undoes an install that was cut short, and says so.
    async fn finish_undo(&self, id: &str) -> Result<(), PackageError> {
        let left = self.undo(id).await?;
        if !left.is_empty() {
            return Err(PackageError::Incomplete {
                package: id.to_owned(),
                left,
            });
        }
        let text = format!("an install of `{id}` was cut short and is undone; install it again");
        self.notify(News::new(Severity::Warning, text).of(id));
        Ok(())
    }

    /// Goes back to the old version of an update that was cut short, and says so. What is to run is started by the
    /// health monitor, once what it needs of others does.
    async fn finish_update(&self, id: &str) -> Result<(), PackageError> {
        let old = self.roll_back(id).await?;
        let version = old.version;
        let text = format!(
            "an update of `{id}` was cut short; version {version} is back, update it again"
        );
        self.notify(News::new(Severity::Warning, text).of(id));
        Ok(())
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
        let is_down = |name: &String| {
            failed.contains(name)
                || !self
                    .book()
                    .installed()
                    .any(|(_, other)| other.name == *name)
        };
        let blocked = |need: &&[String]| {
            need.iter().any(|name| failed.contains(name)) && need.iter().all(is_down)
        };
        if let Some(need) = manifest.needs().find(blocked) {
            tracing::warn!(
                container = name,
                dependency = need.join("|"),
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

/// What is said after a power loss.
fn back_after_power_loss(plan: &[String], failed: &BTreeSet<String>) -> News {
    let quoted = |names: Vec<&String>| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let (down, up): (Vec<_>, Vec<_>) = plan.iter().partition(|name| failed.contains(*name));
    let mut text = "the machine went down without a shutdown".to_owned();
    if plan.is_empty() {
        text.push_str("; nothing had to be brought back");
    }
    if !up.is_empty() {
        text.push_str(&format!("; brought back: {}", quoted(up)));
    }
    if down.is_empty() {
        return News::new(Severity::Info, text);
    }
    text.push_str(&format!(
        "; did not start, the health monitor goes on trying: {}",
        quoted(down)
    ));
    News::new(Severity::Warning, text)
}
