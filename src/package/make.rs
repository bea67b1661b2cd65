//! The single steps that operations are made of: provide, create, take away, undo.

use std::time::Duration;

use super::record::Made;
use super::spec::{container_spec, network_labels, package_labels};
use super::{NETWORK, PACKAGE_LABEL, PackageError, Packages, Phase, chain, package_filter};
use crate::catalog::{ContainerManifest, NotInstallable};
use crate::container::podman::{PodmanError, Refusal};
use crate::container::status::ContainerStatus;

impl Packages {
    /// Writes down what is about to be made, so that a kill right after does not leave it behind.
    pub(crate) fn journal(&self, package: &str, made: Made) -> Result<(), PackageError> {
        self.change_record(package, |record| {
            if !record.made.contains(&made) {
                record.made.push(made);
            }
        })
    }

    /// Makes the shared network where it is missing. It is no package's, so it is not in any journal.
    pub(crate) async fn provide_network(&self, package: &str) -> Result<(), PackageError> {
        let _turn = self.network.lock().await;
        let there = self.podman.network_exists(NETWORK).await;
        if !there.map_err(PackageError::podman(package))? {
            self.podman
                .network_create(NETWORK, &network_labels())
                .await
                .map_err(PackageError::podman(package))?;
        }
        Ok(())
    }

    /// Removes the shared network, if `package` is the last one there is.
    pub(crate) async fn release_network(&self, package: &str) -> Result<(), PodmanError> {
        let _turn = self.network.lock().await;
        if self.book().records.keys().any(|other| other != package) {
            return Ok(());
        }
        match self.podman.network_remove(NETWORK).await {
            Ok(_) => Ok(()),
            // Somebody else's container is on it: then it is no longer only ours.
            Err(error) if error.refusal() == Some(Refusal::InUse) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes a volume where it is missing.
    pub(crate) async fn provide_volume(
        &self,
        package: &str,
        name: &str,
    ) -> Result<(), PackageError> {
        let there = self.podman.volume_exists(name).await;
        if !there.map_err(PackageError::podman(package))? {
            self.journal(package, Made::Volume(name.to_owned()))?;
            self.podman
                .volume_create(name, &package_labels(package))
                .await
                .map_err(PackageError::podman(package))?;
        }
        Ok(())
    }

    /// Makes a container and its podman secrets; a container of that name that is there already is not touched, and an
    /// error.
    pub(crate) async fn create(
        &self,
        package: &str,
        manifest: &ContainerManifest,
    ) -> Result<(), PackageError> {
        let name = &manifest.name;
        self.step(package, format!("making `{name}`"));
        let taken = || PackageError::NameTaken {
            package: package.to_owned(),
            what: "container",
            name: name.clone(),
        };
        let there = self.podman.inspect(name).await;
        if there.map_err(PackageError::podman(package))?.is_some() {
            return Err(taken());
        }
        let image = manifest.image.as_deref();
        let image = image.ok_or_else(|| PackageError::NotInstallable {
            package: package.to_owned(),
            reason: NotInstallable::NoImage {
                containers: vec![name.clone()],
            },
        })?;
        self.provide_secrets(package, manifest).await?;
        self.journal(package, Made::Container(name.clone()))?;
        let spec = container_spec(package, manifest, image);
        match self.podman.create(&spec).await {
            Ok(_) => Ok(()),
            Err(error) if error.refusal() == Some(Refusal::NameInUse) => Err(taken()),
            Err(error) => Err(PackageError::podman(package)(error)),
        }
    }

    /// Removes a container of `package` by force, without any grace; one of that name that is somebody else's is not
    /// touched, and an error.
    pub(crate) async fn remove_own(&self, package: &str, name: &str) -> Result<(), PackageError> {
        let there = self.podman.inspect(name).await;
        let there = there.map_err(PackageError::podman(package))?;
        let is_own = |status: &ContainerStatus| {
            let owner = status.labels.get(PACKAGE_LABEL);
            owner.is_some_and(|owner| owner == package)
        };
        match there {
            None => Ok(()),
            Some(status) if is_own(&status) => {
                let removed = self.podman.remove(name, true).await;
                removed.map(drop).map_err(PackageError::podman(package))
            }
            Some(_) => Err(PackageError::NameTaken {
                package: package.to_owned(),
                what: "container",
                name: name.to_owned(),
            }),
        }
    }

    /// Takes a container away: stop with its grace, remove, and only then by force. One that is gone, or is not
    /// `package`'s, is left as it is.
    pub(crate) async fn take_away(
        &self,
        package: &str,
        name: &str,
        grace: Duration,
    ) -> Result<(), PodmanError> {
        let Some(status) = self.podman.inspect(name).await? else {
            return Ok(());
        };
        if status
            .labels
            .get(PACKAGE_LABEL)
            .is_none_or(|owner| owner != package)
        {
            return Ok(());
        }
        let secs = grace.as_secs();
        self.step(
            package,
            format!("stopping `{name}`, which may take {secs} s"),
        );
        if let Err(error) = self.podman.stop(name, grace).await {
            tracing::warn!(
                container = name,
                error = chain(&error),
                "stop failed, removing it all the same"
            );
        }
        self.step(package, format!("removing `{name}`"));
        match self.podman.remove(name, false).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(
                    container = name,
                    error = chain(&error),
                    "removal failed, trying by force"
                );
                self.podman.remove(name, true).await.map(drop)
            }
        }
    }

    /// Undoes what the journal of `package` says was made, the last first, and forgets the package. Returns what
    /// could not be undone; the record then stays, with just that.
    pub(crate) async fn undo(&self, package: &str) -> Result<Vec<String>, PackageError> {
        let Some(record) = self.record(package) else {
            return Ok(Vec::new());
        };
        self.step(package, "undoing what was made");
        let mut left = Vec::new();
        let mut left_made = Vec::new();
        for made in record.made.iter().rev() {
            if let Err(why) = self
                .undo_one(package, made, &record.manifest.containers)
                .await
            {
                left.push(why);
                left_made.insert(0, made.clone());
            }
        }
        if let Err(error) = self.release_network(package).await {
            left.push(format!("network `{NETWORK}`: {}", chain(&error)));
        }
        if left.is_empty() {
            self.drop_record(package)?;
        } else {
            self.change_record(package, |record| {
                record.phase = Phase::Installing;
                record.made = left_made;
            })?;
        }
        Ok(left)
    }

    pub(super) async fn undo_one(
        &self,
        package: &str,
        made: &Made,
        containers: &[ContainerManifest],
    ) -> Result<(), String> {
        let filter = package_filter(package);
        match made {
            Made::Container(name) => {
                let grace = containers
                    .iter()
                    .find(|container| container.name == *name)
                    .map_or(Duration::from_secs(30), ContainerManifest::stop_grace);
                self.take_away(package, name, grace)
                    .await
                    .map_err(|error| format!("container `{name}`: {}", chain(&error)))
            }
            Made::Volume(name) => {
                let fail = |error: PodmanError| format!("volume `{name}`: {}", chain(&error));
                // Only with our label: the journal is written before the volume is made, and another may have
                // made one of that name in between.
                if self
                    .podman
                    .volumes(&filter)
                    .await
                    .map_err(fail)?
                    .contains(name)
                {
                    self.podman.volume_remove(name).await.map_err(fail)?;
                }
                Ok(())
            }
            Made::Secret(name) => {
                let fail = |error: PodmanError| format!("secret `{name}`: {}", chain(&error));
                if self
                    .podman
                    .secrets(&filter)
                    .await
                    .map_err(fail)?
                    .contains(name)
                {
                    self.podman.secret_remove(name).await.map_err(fail)?;
                }
                Ok(())
            }
            Made::SecretFile(name) if self.is_secret_of_another(package, name) => Ok(()),
            Made::SecretFile(name) => self.secrets.remove(name).map_err(|error| chain(&error)),
        }
    }
}
