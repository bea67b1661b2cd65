//! Install, uninstall, start, stop and restart of packages, and what is kept of them.
//!
//! [`Packages`] is what the API and the health monitor work on. One operation a package at a time: a second one is
//! refused. The monitor takes turns with operations, and gives way to them.

mod book;
mod error;
mod install;
mod intent;
mod lifecycle;
mod make;
mod record;
mod render;
mod secrets;
mod spec;
mod uninstall;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as TurnMutex, Notify, OwnedMutexGuard};

use crate::catalog::{ContainerManifest, start_order};
use crate::clock::Clock;
use crate::config::Config;
use crate::container::podman::Podman;
use crate::container::status::ContainerStatus;
use crate::crash_recovery;
use crate::host::Host;
use crate::restart_tracker::RestartTracker;
use crate::state::{self, PackageDataEntry};
use crate::store::{Store, StoreError};

pub(crate) use book::Book;
pub use book::Operation;
pub use error::{PackageError, chain};
pub use install::{PULL_ATTEMPTS, PULL_WAITS};
pub use intent::UserStopped;
pub use record::{Made, PackageRecord, Phase};
pub use render::RenderError;
pub use secrets::SECRET_LENGTH;
pub(crate) use secrets::generate as generate_secret;
pub use spec::{
    NETWORK, PACKAGE_LABEL, SHARED_LABEL, SPEC_LABEL, container_spec, package_filter, secret_name,
    spec_hash,
};
pub use uninstall::UninstallOptions;
pub use watch::LOG_LINES;

/// State file of the [`RestartTracker`].
pub const TRACKER_FILE: &str = "restart-tracker.json";

/// The packages of this machine.
pub struct Packages {
    pub(crate) podman: Podman,
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) root: Store,
    records: Store,
    pub(crate) secrets: Store,
    book: Mutex<Book>,
    /// Held from a change of what several packages share until its file is written: files are never older than memory.
    writing: Mutex<()>,
    turns: Mutex<BTreeMap<String, Arc<TurnMutex<()>>>>,
    /// Held from looking whether the shared network is needed until it is made or removed.
    network: TurnMutex<()>,
    /// Wakes the monitor.
    pub(crate) wake: Notify,
}

impl Packages {
    /// Reads all state files below `config.state_dir`. Corrupt ones are moved aside and reported.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be made, read or written.
    pub fn open(
        config: Config,
        podman: Podman,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
    ) -> Result<Self, StoreError> {
        let root = Store::open(&config.state_dir, Arc::clone(&clock))?;
        let records_store = root.sub("packages")?;
        let secrets = root.sub("secrets")?;
        let mut records = BTreeMap::new();
        for id in records_store.json_names()? {
            if let Some(record) = records_store.load(&file_name(&id))?.reported() {
                records.insert(id, record);
            }
        }
        let lost_records = records_store.lost()?.into_iter();
        let book = Book {
            records,
            stopped: root.load(intent::FILE)?.reported().unwrap_or_default(),
            tracker: root.load(TRACKER_FILE)?.reported().unwrap_or_default(),
            snapshot: root.load(crash_recovery::SNAPSHOT_FILE)?.reported(),
            lost_records: lost_records
                .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
                .collect(),
            lost_intents: root.lost()?.iter().any(|name| name == intent::FILE),
            ..Book::default()
        };
        Ok(Self {
            podman,
            config,
            clock,
            host,
            root,
            records: records_store,
            secrets,
            book: Mutex::new(book),
            writing: Mutex::new(()),
            turns: Mutex::new(BTreeMap::new()),
            network: TurnMutex::new(()),
            wake: Notify::new(),
        })
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // Every change is a single assignment or insertion, so a panic elsewhere leaves it whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an operation; a second one on the same package is refused.
    pub(crate) fn begin(
        &self,
        package: &str,
        operation: Operation,
    ) -> Result<Running<'_>, PackageError> {
        let mut book = self.book();
        if let Some(running) = book.operations.get(package) {
            return Err(PackageError::Busy {
                package: package.to_owned(),
                running: running.name(),
            });
        }
        book.operations.insert(package.to_owned(), operation);
        Ok(Running {
            packages: self,
            package: package.to_owned(),
        })
    }

    fn turn_of(&self, package: &str) -> Arc<TurnMutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(package.to_owned()).or_default())
    }

    /// Waits until the monitor is done with the package.
    pub(crate) async fn turn(&self, package: &str) -> OwnedMutexGuard<()> {
        self.turn_of(package).lock_owned().await
    }

    /// The package's turn, if nobody has it.
    pub(crate) fn try_turn(&self, package: &str) -> Option<OwnedMutexGuard<()>> {
        self.turn_of(package).try_lock_owned().ok()
    }

    /// The record of `package`.
    pub(crate) fn record(&self, package: &str) -> Option<PackageRecord> {
        self.book().records.get(package).cloned()
    }

    /// Keeps a record: first in its file, then in memory. One that is as before is not written.
    pub(crate) fn put_record(&self, record: PackageRecord) -> Result<(), PackageError> {
        let id = record.manifest.id.clone();
        if self.book().records.get(&id) == Some(&record) {
            return Ok(());
        }
        self.records
            .save(&file_name(&id), &record)
            .map_err(PackageError::store(&id))?;
        self.book().records.insert(id, record);
        Ok(())
    }

    /// Changes the record of `package`, if there is one.
    pub(crate) fn change_record(
        &self,
        package: &str,
        change: impl FnOnce(&mut PackageRecord),
    ) -> Result<(), PackageError> {
        match self.record(package) {
            Some(mut record) => {
                change(&mut record);
                self.put_record(record)
            }
            None => Ok(()),
        }
    }

    /// Forgets a package: intent and attempts, then its record.
    pub(crate) fn drop_record(&self, package: &str) -> Result<(), PackageError> {
        let Some(record) = self.record(package) else {
            return Ok(());
        };
        self.set_stopped(package, false)?;
        self.change_tracker(|tracker| {
            for container in &record.manifest.containers {
                tracker.forget(&container.name);
            }
        });
        self.records
            .remove(&file_name(package))
            .map_err(PackageError::store(package))?;
        self.book().records.remove(package);
        Ok(())
    }

    /// Keeps the user's intent: first in its file, then in memory.
    pub(crate) fn set_stopped(&self, package: &str, stopped: bool) -> Result<(), PackageError> {
        let _writing = self.writing();
        let mut intents = self.book().stopped.clone();
        if stopped {
            intents.stop(package, self.clock.now());
        } else {
            intents.clear(package);
        }
        if intents != self.book().stopped {
            self.root
                .save(intent::FILE, &intents)
                .map_err(PackageError::store(package))?;
            self.book().stopped = intents;
        }
        Ok(())
    }

    /// Replaces all intents. Where that cannot be saved, they hold until the daemon ends, and it is logged.
    pub(crate) fn replace_stopped(&self, stopped: UserStopped) {
        let _writing = self.writing();
        if let Err(error) = self.root.save(intent::FILE, &stopped) {
            tracing::error!(error = chain(&error), "what the user stopped is not saved");
        }
        self.book().stopped = stopped;
    }

    /// Changes the tracker. Where that cannot be saved, the change holds until the daemon ends, and is logged.
    pub(crate) fn change_tracker<R>(&self, change: impl FnOnce(&mut RestartTracker) -> R) -> R {
        let _writing = self.writing();
        let (result, changed) = {
            let mut book = self.book();
            let result = change(&mut book.tracker);
            let changed = book.tracker.take_changed();
            (result, changed.then(|| book.tracker.clone()))
        };
        if let Some(tracker) = changed
            && let Err(error) = self.root.save(TRACKER_FILE, &tracker)
        {
            tracing::error!(error = chain(&error), "restart attempts are not saved");
        }
        result
    }

    /// What podman says of every container with a package label, by name.
    ///
    /// # Errors
    /// [`PodmanError`](crate::container::podman::PodmanError); `system.health` shows it too.
    pub(crate) async fn look(
        &self,
    ) -> Result<BTreeMap<String, ContainerStatus>, crate::container::podman::PodmanError> {
        let result = self.podman.list(PACKAGE_LABEL).await;
        self.book().podman_error = result.as_ref().err().map(|error| chain(error));
        Ok(result?
            .into_iter()
            .map(|status| (status.name.clone(), status))
            .collect())
    }

    /// Every installed package, and those on their way in or out, as a UI shows them.
    ///
    /// # Errors
    /// [`PodmanError`](crate::container::podman::PodmanError) when podman cannot be asked.
    pub async fn entries(
        &self,
    ) -> Result<Vec<PackageDataEntry>, crate::container::podman::PodmanError> {
        let statuses = self.look().await?;
        let (healing, mut dead) = {
            let book = self.book();
            (book.healing.clone(), book.dead.clone())
        };
        // Somebody may have made it anew since the monitor looked.
        dead.retain(|name| {
            statuses
                .get(name)
                .is_some_and(|status| self.is_dead(status))
        });
        let plan = self.plan(&statuses, &dead, &healing);
        let boot_id = self.host.boot_id();
        let book = self.book();
        let ran_before = book
            .snapshot
            .iter()
            .filter(|snapshot| book.recovering && snapshot.boot_id != boot_id)
            .flat_map(|snapshot| snapshot.containers.iter().cloned())
            .collect();
        Ok(state::entries(&state::StateInput {
            records: &book.records,
            statuses: &statuses,
            tracker: &book.tracker,
            stopped: &book.stopped,
            operations: &book.operations,
            healing: &healing,
            dead: &dead,
            ran_before: &ran_before,
            plan: &plan,
            max_attempts: self.config.health.max_restart_attempts,
            now: self.clock.now(),
        }))
    }

    /// Saves which containers run and are meant to: what a crash recovery brings back.
    pub(crate) fn save_snapshot(&self, statuses: &BTreeMap<String, ContainerStatus>) {
        let _writing = self.writing();
        let next = {
            let book = self.book();
            crash_recovery::next_snapshot(&crash_recovery::SnapshotInput {
                installed: &book.installed().collect::<Vec<_>>(),
                statuses,
                stopped: &book.stopped,
                tracker: &book.tracker,
                before: book.snapshot.as_ref(),
                boot_id: self.host.boot_id(),
            })
        };
        if self.book().snapshot.as_ref() == Some(&next) {
            return;
        }
        match self.root.save(crash_recovery::SNAPSHOT_FILE, &next) {
            Ok(()) => self.book().snapshot = Some(next),
            Err(error) => tracing::error!(error = chain(&error), "the snapshot is not saved"),
        }
    }

    /// Looks, and saves the snapshot: after an operation, which has done its work whether this succeeds or not.
    pub(crate) async fn refresh_snapshot(&self) {
        match self.look().await {
            Ok(statuses) => self.save_snapshot(&statuses),
            Err(error) => tracing::warn!(error = chain(&error), "the snapshot is not refreshed"),
        }
    }
}

/// Containers of one package, in start order.
pub(crate) fn in_order(containers: &[ContainerManifest]) -> Vec<&ContainerManifest> {
    start_order(containers)
        .into_iter()
        .filter_map(|name| containers.iter().find(|container| container.name == name))
        .collect()
}

fn file_name(package: &str) -> String {
    format!("{package}.json")
}

/// An operation under way; dropping it ends it.
pub(crate) struct Running<'a> {
    packages: &'a Packages,
    package: String,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.packages.book().operations.remove(&self.package);
        self.packages.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::container::mock_podman::MockPodman;
    use crate::host::MockHost;

    #[tokio::test]
    async fn intents_and_attempts_that_change_at_once_are_all_kept() {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.expect("a temporary folder");
        let config = Config {
            state_dir: dir.path().to_owned(),
            ..Config::default()
        };
        let open = || {
            let podman = Podman::new(Arc::new(MockPodman::new()));
            Packages::open(
                config.clone(),
                podman,
                Arc::new(SystemClock),
                Arc::new(MockHost::new()),
            )
            .expect("a state folder")
        };
        let packages = open();
        let names: Vec<String> = (0..8).map(|number| format!("app-{number}")).collect();
        std::thread::scope(|scope| {
            for name in &names {
                let packages = &packages;
                scope.spawn(move || {
                    packages.set_stopped(name, true).expect("kept");
                    for _ in 0..50 {
                        packages.change_tracker(|t| t.attempt(name, packages.clock.now()));
                    }
                });
            }
        });
        let again = open();
        let book = again.book();
        for name in &names {
            assert!(book.stopped.is_stopped(name), "{name}");
            let attempts = book.tracker.history(name).map(|history| history.attempts);
            assert_eq!(attempts, Some(50), "{name}");
        }
    }
}
