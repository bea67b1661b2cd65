//! What is kept: first in its file, then in memory.

use std::collections::BTreeMap;

use super::ledger::Change;
use super::{PackageError, PackageRecord, Packages, TRACKER_FILE, chain, intent};
use crate::container::status::ContainerStatus;
use crate::crash_recovery;
use crate::restart_tracker::RestartTracker;

impl Packages {
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
        self.ledger.tell(Change::Packages);
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
        self.ledger.tell(Change::Packages);
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
            self.ledger.tell(Change::Packages);
        }
        Ok(())
    }

    /// Replaces all intents. Where that cannot be saved, they hold until the daemon ends, and it is logged.
    pub(crate) fn replace_stopped(&self, stopped: super::UserStopped) {
        let _writing = self.writing();
        if let Err(error) = self.root.save(super::intent::FILE, &stopped) {
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
        if let Some(tracker) = changed {
            if let Err(error) = self.root.save(TRACKER_FILE, &tracker) {
                tracing::error!(error = chain(&error), "restart attempts are not saved");
            }
            self.ledger.tell(Change::Packages);
        }
        result
    }

    /// Saves which containers run and are meant to: what a crash recovery brings back.
    pub(crate) fn save_snapshot(&self, statuses: &BTreeMap<String, ContainerStatus>) {
        let _writing = self.writing();
        if self.book().seen != *statuses {
            self.book().seen = statuses.clone();
            self.ledger.tell(Change::Packages);
        }
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

pub(super) fn file_name(package: &str) -> String {
    format!("{package}.json")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::Config;
    use crate::container::mock_podman::MockPodman;
    use crate::container::podman::Podman;
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
