//! Start, stop and restart at the user's wish. The intent is kept first: what follows may be cut short.

use super::watch::Watch;
use super::{Operation, PackageError, PackageRecord, Packages, Phase, in_order};
use crate::container::status::ContainerState;

impl Packages {
    /// Starts all containers of `id`, in order; each must stay up. From now on it is meant to run.
    ///
    /// # Errors
    /// [`PackageError`]. The intent stays: the health monitor goes on trying.
    pub async fn start(&self, id: &str) -> Result<(), PackageError> {
        let running = self.begin(id, Operation::Start)?;
        let result = self.run_start(id).await;
        running.end(result)
    }

    pub(super) async fn run_start(&self, id: &str) -> Result<(), PackageError> {
        let _turn = self.turn(id).await;
        let record = self.whole_record(id).await?;
        self.set_stopped(id, false)?;
        self.forgive(&record);
        let result = self.start_all(&record).await;
        self.refresh_snapshot().await;
        result
    }

    /// Stops all containers of `id`, in reverse order, each with its grace. It stays stopped until it is started.
    ///
    /// # Errors
    /// [`PackageError`]. The intent stays: the health monitor leaves it alone.
    pub async fn stop(&self, id: &str) -> Result<(), PackageError> {
        let running = self.begin(id, Operation::Stop)?;
        let result = self.run_stop(id).await;
        running.end(result)
    }

    pub(super) async fn run_stop(&self, id: &str) -> Result<(), PackageError> {
        // Before the turn: the monitor, which may have it, sees at its next step that it is not wanted.
        self.known_record(id)?;
        self.set_stopped(id, true)?;
        let _turn = self.turn(id).await;
        let record = self.whole_record(id).await?;
        let result = self.stop_all(&record).await;
        self.refresh_snapshot().await;
        result
    }

    /// Stops and starts all containers of `id`. From now on it is meant to run.
    ///
    /// # Errors
    /// As [`Packages::start`] and [`Packages::stop`].
    pub async fn restart(&self, id: &str) -> Result<(), PackageError> {
        let running = self.begin(id, Operation::Restart)?;
        let result = self.run_restart(id).await;
        running.end(result)
    }

    pub(super) async fn run_restart(&self, id: &str) -> Result<(), PackageError> {
        let _turn = self.turn(id).await;
        let record = self.whole_record(id).await?;
        self.set_stopped(id, false)?;
        self.forgive(&record);
        let result = match self.stop_all(&record).await {
            Ok(()) => self.start_all(&record).await,
            Err(error) => Err(error),
        };
        self.refresh_snapshot().await;
        result
    }

    /// Finishes stops that were cut short: containers that run although the user stopped their package.
    pub(crate) async fn finish_stops(&self) {
        let records: Vec<PackageRecord> = {
            let book = self.book();
            let stopped = |record: &&PackageRecord| {
                record.phase == Phase::Installed && book.stopped.is_stopped(&record.manifest.id)
            };
            book.records.values().filter(stopped).cloned().collect()
        };
        for record in records {
            let id = &record.manifest.id;
            let Ok(running) = self.begin(id, Operation::Stop) else {
                // The user is at it.
                continue;
            };
            let _turn = self.turn(id).await;
            let outcome = if self.book().stopped.is_stopped(id) {
                self.stop_all(&record).await
            } else {
                Ok(())
            };
            if let Err(error) = running.end(outcome) {
                tracing::error!(
                    package = id,
                    error = super::chain(&error),
                    "cannot finish a stop"
                );
            }
        }
    }

    pub(super) fn installed_record(&self, id: &str) -> Result<PackageRecord, PackageError> {
        self.record(id)
            .filter(|record| record.phase == Phase::Installed)
            .ok_or_else(|| PackageError::NotInstalled {
                package: id.chars().take(80).collect(),
            })
    }

    /// The record of a package that is installed, or between two versions.
    pub(super) fn known_record(&self, id: &str) -> Result<PackageRecord, PackageError> {
        match self.record(id) {
            Some(record) if record.phase == Phase::Updating => Ok(record),
            Some(_) | None => self.installed_record(id),
        }
    }

    /// The record of an installed package. One that an update has left between two versions, because the old one could not
    /// be made again, is first brought back to the old one. The caller has its turn.
    pub(super) async fn whole_record(&self, id: &str) -> Result<PackageRecord, PackageError> {
        let record = self.known_record(id)?;
        if record.phase == Phase::Updating {
            let back = self.roll_back(id).await;
            back.map_err(|source| PackageError::HalfUpdated {
                package: id.to_owned(),
                source: Box::new(source),
            })?;
        }
        self.installed_record(id)
    }

    fn forgive(&self, record: &PackageRecord) {
        self.change_tracker(|tracker| {
            for container in &record.manifest.containers {
                tracker.forgive(&container.name);
            }
        });
    }

    async fn start_all(&self, record: &PackageRecord) -> Result<(), PackageError> {
        let id = record.manifest.id.as_str();
        self.check_dependencies(&record.manifest).await?;
        let mut watch = Watch::new(self, id);
        for container in in_order(&record.manifest.containers) {
            watch.until_dependencies_serve(container).await?;
            let status = self.podman.inspect(&container.name).await;
            match status.map_err(PackageError::podman(id))? {
                Some(status) if status.state == ContainerState::Running => {
                    watch.adopt(container, &status);
                }
                Some(_) => watch.start(container).await?,
                None => {
                    self.provide_network(id).await?;
                    self.create(id, container).await?;
                    watch.start(container).await?;
                }
            }
        }
        watch.until_good().await
    }

    /// Stops every container, also after one that would not stop; the first failure is returned.
    async fn stop_all(&self, record: &PackageRecord) -> Result<(), PackageError> {
        let id = record.manifest.id.as_str();
        let mut result = Ok(());
        for container in in_order(&record.manifest.containers).into_iter().rev() {
            self.step(
                id,
                format!(
                    "stopping `{}`, which may take {} s",
                    container.name,
                    container.stop_grace().as_secs()
                ),
            );
            let outcome = match self.podman.inspect(&container.name).await {
                Ok(None) => Ok(()),
                Ok(Some(status)) if at_rest(&status.state) => Ok(()),
                Ok(Some(_)) => {
                    self.podman
                        .stop(&container.name, container.stop_grace())
                        .await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::error!(
                    container = container.name,
                    error = super::chain(&error),
                    "stop failed"
                );
                result = result.and(Err(PackageError::podman(id)(error)));
            }
        }
        result
    }
}

/// Whether there is nothing to stop. `stopped` is not at rest: podman may be about to restart it.
fn at_rest(state: &ContainerState) -> bool {
    matches!(state, ContainerState::Created | ContainerState::Exited)
}
