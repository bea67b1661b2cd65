//! Update: another version in place of the installed one, or the old one again and an error that says why.
//!
//! Images are pulled while the old version runs. Then the record is that of the new version, with the old one beside it
//! ([`Previous`]): whatever ends the update from there on, the old one is made again, by this daemon or by the next.

use super::image::Chosen;
use super::record::{PackageRecord, Phase, Previous};
use super::watch::Watch;
use super::{Made, Operation, PackageError, Packages, Running, chain, in_order, package_filter};
use crate::catalog::{Catalog, Manifest};

/// How to update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateOptions {
    /// Another version than the catalog's: it takes the place of the catalog's version in the tags of images.
    pub version: Option<String>,
    /// Another image, as [`InstallOptions::docker_image`](super::InstallOptions). Where none is given, the one that was
    /// chosen before stays.
    pub docker_image: Option<String>,
}

impl Packages {
    /// Updates `id` to what the catalog has now, or to another version or image. Volumes and secrets stay. What is so
    /// already is left as it is. A package that the user stopped is updated and stays stopped.
    ///
    /// # Errors
    /// [`PackageError`]; [`PackageError::UpdateFailed`] where the old version was stopped already: it says whether that
    /// runs again.
    pub async fn update(&self, id: &str, options: UpdateOptions) -> Result<(), PackageError> {
        let (running, chosen) = self.begin_update(id, options)?;
        let result = self.run_update(&running, chosen).await;
        running.end(result)
    }

    /// Chooses what it is updated to, and registers the operation.
    pub(super) fn begin_update(
        &self,
        id: &str,
        options: UpdateOptions,
    ) -> Result<(Running, Chosen), PackageError> {
        let record = self.known_record(id)?;
        // The choice that counts is that of the version which is or will be there before this update.
        let docker_image = match record.previous {
            Some(previous) => previous.docker_image,
            None => record.docker_image,
        };
        let manifest = Catalog::load(&self.config.apps_dir).get(id)?.clone();
        let docker_image = options.docker_image.or(docker_image);
        let chosen = Chosen::new(manifest, docker_image)?;
        let chosen = match &options.version {
            Some(version) => chosen.at_version(version)?,
            None => chosen,
        };
        chosen.installable()?;
        Ok((self.begin(id, Operation::Update)?, chosen))
    }

    pub(super) async fn run_update(
        &self,
        running: &Running,
        chosen: Chosen,
    ) -> Result<(), PackageError> {
        let new = &chosen.manifest;
        let id = new.id.as_str();
        let _turn = self.turn(id).await;
        let old = self.whole_record(id).await?;
        if old.manifest == *new {
            self.step(id, "is up to date");
            return Ok(());
        }
        self.step(id, "checking what it needs");
        self.check_exclusive(new)?;
        self.check_secrets(&old.manifest).await?;
        let stopped = self.book().stopped.is_stopped(id);
        if !stopped {
            self.check_dependencies(new).await?;
        }
        let containers = in_order(&new.containers);
        running
            .cancellable(self.provide_images(id, &containers))
            .await?;
        self.put_record(PackageRecord {
            manifest: new.clone(),
            docker_image: chosen.docker_image.clone(),
            phase: Phase::Updating,
            since: self.clock.now(),
            previous: Some(Box::new(Previous {
                manifest: old.manifest.clone(),
                docker_image: old.docker_image.clone(),
                made: old.made.clone(),
            })),
            ..old.clone()
        })?;
        let result = match self.replace(new, stopped).await {
            Ok(()) => self.settle(id),
            Err(error) => Err(self.back_to_old(id, error).await),
        };
        self.refresh_snapshot().await;
        result
    }

    /// Takes the old containers away and makes the new ones; starts them unless the user stopped the package.
    async fn replace(&self, new: &Manifest, stopped: bool) -> Result<(), PackageError> {
        let id = new.id.as_str();
        self.take_all_away(id).await?;
        self.make_all(new).await?;
        if stopped {
            return Ok(());
        }
        self.start_made(new).await?;
        self.run_hooks(new).await
    }

    /// The record of the update becomes that of an installed package.
    fn settle(&self, id: &str) -> Result<(), PackageError> {
        let now = self.clock.now();
        self.change_record(id, |record| {
            record.phase = Phase::Installed;
            record.previous = None;
            record.since = now;
        })?;
        tracing::info!(package = id, "updated");
        Ok(())
    }

    /// Rolls back, starts the old version, and says how all of that went.
    async fn back_to_old(&self, id: &str, error: PackageError) -> PackageError {
        tracing::warn!(
            package = id,
            error = chain(&error),
            "update failed, going back"
        );
        let stopped = self.book().stopped.is_stopped(id);
        let previous = self.record(id).and_then(|record| record.previous);
        let version = previous.map_or_else(String::new, |previous| previous.manifest.version);
        let old = match self.roll_back(id).await {
            Err(error) => format!(
                "could not be made again, the next start, stop or update tries it once more: {}",
                chain(&error)
            ),
            Ok(_) if stopped => "is back, stopped as it was".to_owned(),
            Ok(old) => match self.start_made(&old).await {
                Ok(()) => "runs again".to_owned(),
                Err(error) => format!(
                    "is back and does not run, the health monitor goes on trying: {}",
                    chain(&error)
                ),
            },
        };
        PackageError::UpdateFailed {
            package: id.to_owned(),
            version,
            old,
            source: Box::new(error),
        }
    }

    /// Makes the old version again out of a half-done update. It is not started. Cut short, it can be done again.
    pub(crate) async fn roll_back(&self, id: &str) -> Result<Manifest, PackageError> {
        self.step(id, "going back to the old version");
        let Some((record, previous)) = self
            .record(id)
            .and_then(|record| Some((record.previous.clone()?, record)))
            .map(|(previous, record)| (record, *previous))
        else {
            return Err(PackageError::NotInstalled {
                package: id.to_owned(),
            });
        };
        self.take_all_away(id).await?;
        let mut left = Vec::new();
        for made in record.made.iter().rev() {
            // Containers and their podman secrets are made again below; data of the old version stays.
            let is_data = match made {
                Made::Volume(_) | Made::SecretFile(_) => true,
                Made::Container(_) | Made::Secret(_) => false,
            };
            if is_data
                && !previous.made.contains(made)
                && let Err(why) = self.undo_one(id, made, &record.manifest.containers).await
            {
                left.push(why);
            }
        }
        self.make_all(&previous.manifest).await?;
        let now = self.clock.now();
        self.change_record(id, |record| {
            record.manifest = previous.manifest.clone();
            record.docker_image = previous.docker_image.clone();
            record.made = previous.made.clone();
            record.phase = Phase::Installed;
            record.previous = None;
            record.since = now;
        })?;
        if !left.is_empty() {
            tracing::error!(package = id, left = left.join(", "), "left by an update");
        }
        Ok(previous.manifest)
    }

    /// Takes away every container of the package, dependents first, of whatever version.
    async fn take_all_away(&self, id: &str) -> Result<(), PackageError> {
        let Some(record) = self.record(id) else {
            return Ok(());
        };
        let mut containers = record.manifest.containers.clone();
        let previous = record.previous.into_iter();
        containers.extend(previous.flat_map(|previous| previous.manifest.containers));
        let there = self.podman.list(&package_filter(id)).await;
        let there = there.map_err(PackageError::podman(id))?;
        for container in in_order(&containers).into_iter().rev() {
            if there.iter().any(|status| status.name == container.name) {
                self.take_away(id, &container.name, container.stop_grace())
                    .await
                    .map_err(PackageError::podman(id))?;
            }
        }
        self.change_tracker(|tracker| {
            for container in &containers {
                tracker.forget(&container.name);
            }
        });
        Ok(())
    }

    /// Makes what is missing of network, secrets and volumes, and all containers.
    async fn make_all(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let id = manifest.id.as_str();
        self.step(id, "making secrets, network and volumes");
        self.make_secret_files(manifest)?;
        self.provide_network(id).await?;
        let containers = in_order(&manifest.containers);
        for volume in containers.iter().flat_map(|container| &container.volumes) {
            self.provide_volume(id, &volume.name).await?;
        }
        for container in containers {
            self.create(id, container).await?;
        }
        Ok(())
    }

    /// Starts all containers in order, and watches that they stay up.
    pub(super) async fn start_made(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let mut watch = Watch::new(self, &manifest.id);
        for container in in_order(&manifest.containers) {
            watch.until_dependencies_serve(container).await?;
            watch.start(container).await?;
        }
        watch.until_good().await
    }
}
