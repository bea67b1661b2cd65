//! Install: all of a package, or nothing and an error that says why.

use super::image::Chosen;
use super::record::{PackageRecord, Phase};
use super::{Operation, PackageError, Packages, Running, in_order};
use crate::catalog::{Catalog, ContainerManifest, Manifest};
use crate::health_monitor::serves;

/// How to install.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstallOptions {
    /// Another image than the manifest's, for its one container or the one whose repository is the same. Fully
    /// qualified, with tag or digest.
    pub docker_image: Option<String>,
}

impl Packages {
    /// Installs `id` and starts it. The manifests are read anew each time.
    ///
    /// # Errors
    /// [`PackageError`]. Exactly what this install made is removed again; volumes and secret files that were there
    /// before are kept.
    pub async fn install(&self, id: &str, options: InstallOptions) -> Result<(), PackageError> {
        let (running, package) = self.begin_install(id, options)?;
        let result = self.run_install(&running, package).await;
        running.end(result)
    }

    /// Chooses what is installed, and registers the operation.
    pub(super) fn begin_install(
        &self,
        id: &str,
        options: InstallOptions,
    ) -> Result<(Running, Chosen), PackageError> {
        let manifest = Catalog::load(&self.config.apps_dir).get(id)?.clone();
        let chosen = Chosen::new(manifest, options.docker_image)?;
        chosen.installable()?;
        Ok((self.begin(id, Operation::Install)?, chosen))
    }

    pub(super) async fn run_install(
        &self,
        running: &Running,
        chosen: Chosen,
    ) -> Result<(), PackageError> {
        let manifest = &chosen.manifest;
        let id = manifest.id.as_str();
        let _turn = self.turn(id).await;
        match self.record(id).map(|record| record.phase) {
            None => {}
            Some(Phase::Installed | Phase::Updating) => {
                return Err(PackageError::AlreadyInstalled {
                    package: id.to_owned(),
                });
            }
            Some(Phase::Installing) => {
                let left = self.undo(id).await?;
                if !left.is_empty() {
                    return Err(PackageError::Incomplete {
                        package: id.to_owned(),
                        left,
                    });
                }
            }
            Some(Phase::Uninstalling { keep_data }) => self.remove_all(id, keep_data).await?,
        }
        self.step(id, "checking what it needs");
        self.check_exclusive(manifest)?;
        self.check_dependencies(manifest).await?;
        self.check_secrets(manifest).await?;
        self.put_record(PackageRecord {
            manifest: manifest.clone(),
            docker_image: chosen.docker_image.clone(),
            phase: Phase::Installing,
            made: Vec::new(),
            previous: None,
            since: self.clock.now(),
        })?;
        if let Err(error) = self.bring_about(running, manifest).await {
            tracing::warn!(
                package = id,
                error = super::chain(&error),
                "install failed, undoing it"
            );
            let left = match self.undo(id).await {
                Ok(left) => left,
                Err(undo) => vec![super::chain(&undo)],
            };
            return Err(if left.is_empty() {
                error
            } else {
                PackageError::NotUndone {
                    left,
                    source: Box::new(error),
                }
            });
        }
        self.refresh_snapshot().await;
        tracing::info!(package = id, "installed");
        Ok(())
    }

    async fn bring_about(
        &self,
        running: &Running,
        manifest: &Manifest,
    ) -> Result<(), PackageError> {
        let id = manifest.id.as_str();
        let containers = in_order(&manifest.containers);
        running
            .cancellable(self.provide_images(id, &containers))
            .await?;
        self.step(id, "making secrets, network and volumes");
        self.make_secret_files(manifest)?;
        self.provide_network(id).await?;
        for volume in containers.iter().flat_map(|container| &container.volumes) {
            self.provide_volume(id, &volume.name).await?;
        }
        for container in &containers {
            self.create(id, container).await?;
        }
        self.change_tracker(|tracker| {
            for container in &containers {
                tracker.forget(&container.name);
            }
        });
        self.start_made(manifest).await?;
        self.run_hooks(manifest).await?;
        self.set_stopped(id, false)?;
        let now = self.clock.now();
        self.change_record(id, |record| {
            record.phase = Phase::Installed;
            record.since = now;
        })
    }

    /// No package that this one excludes, or that excludes it, may be there or on its way in.
    pub(super) fn check_exclusive(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let book = self.book();
        let on_their_way = book
            .operations
            .iter()
            .filter(|(_, operation)| **operation == Operation::Install)
            .map(|(id, _)| id);
        let excluded = book.records.keys().chain(on_their_way).find(|other| {
            let theirs = book.records.get(*other);
            **other != manifest.id
                && (manifest.excludes.contains(other)
                    || theirs.is_some_and(|theirs| theirs.manifest.excludes.contains(&manifest.id)))
        });
        match excluded {
            Some(other) => Err(PackageError::Excluded {
                package: manifest.id.clone(),
                other: other.clone(),
            }),
            None => Ok(()),
        }
    }

    /// What this package needs of others must be installed and serve.
    pub(crate) async fn check_dependencies(&self, manifest: &Manifest) -> Result<(), PackageError> {
        for container in &manifest.containers {
            for need in container.needs() {
                let own = |name: &String| manifest.containers.iter().any(|own| own.name == *name);
                if need.iter().any(own) {
                    continue;
                }
                if let Some(state) = self.lacks(manifest, need).await? {
                    return Err(PackageError::DependencyMissing {
                        package: manifest.id.clone(),
                        container: container.name.clone(),
                        dependency: need.join("` or `"),
                        state: state.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// What is the matter with all containers of a need; `None` where one serves.
    async fn lacks(
        &self,
        manifest: &Manifest,
        need: &[String],
    ) -> Result<Option<&'static str>, PackageError> {
        let installed: Vec<ContainerManifest> = self
            .book()
            .installed()
            .filter(|(_, other)| need.contains(&other.name))
            .map(|(_, other)| other.clone())
            .collect();
        if installed.is_empty() {
            return Ok(Some("is not installed; install its package first"));
        }
        for other in installed {
            let status = self.podman.inspect(&other.name).await;
            let status = status.map_err(PackageError::podman(&manifest.id))?;
            if serves(&other, status.as_ref(), false) {
                return Ok(None);
            }
        }
        Ok(Some(
            "does not run, or is not healthy; start its package first",
        ))
    }
}
