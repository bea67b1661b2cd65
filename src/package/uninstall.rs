//! Uninstall: nothing of the package is left, and nobody else's is touched.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{
    Operation, PackageError, PackageRecord, Packages, Phase, chain, in_order, package_filter,
};
use crate::container::podman::PodmanError;

/// How to uninstall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UninstallOptions {
    /// Keep volumes and secret files, for a later install.
    pub keep_data: bool,
    /// Also while other installed packages need it.
    pub force: bool,
}

impl Packages {
    /// Uninstalls `id`: containers (graceful stop, then removal), its volumes, podman secrets, secret files, and
    /// the shared network with the last package.
    ///
    /// # Errors
    /// [`PackageError::HasDependents`]; [`PackageError::Incomplete`] with all that is left, after which the same
    /// call goes on.
    pub async fn uninstall(&self, id: &str, options: UninstallOptions) -> Result<(), PackageError> {
        let running = self.begin(id, Operation::Uninstall)?;
        let result = self.run_uninstall(id, options).await;
        running.end(result)
    }

    pub(super) async fn run_uninstall(
        &self,
        id: &str,
        options: UninstallOptions,
    ) -> Result<(), PackageError> {
        let _turn = self.turn(id).await;
        let record = self.record(id).ok_or_else(|| PackageError::NotInstalled {
            package: id.chars().take(80).collect(),
        })?;
        let dependents = self.dependents(&record);
        if !dependents.is_empty() && !options.force {
            return Err(PackageError::HasDependents {
                package: id.to_owned(),
                dependents,
            });
        }
        self.remove_all(id, options.keep_data).await?;
        self.refresh_snapshot().await;
        tracing::info!(package = id, "uninstalled");
        Ok(())
    }

    /// Removes all of an installed or half-removed package. The caller has its turn.
    pub(crate) async fn remove_all(&self, id: &str, keep_data: bool) -> Result<(), PackageError> {
        let now = self.clock.now();
        self.change_record(id, |record| {
            record.phase = Phase::Uninstalling { keep_data };
            record.since = now;
        })?;
        let Some(record) = self.record(id) else {
            return Ok(());
        };
        let mut left = Vec::new();
        self.remove_containers(&record, &mut left).await;
        self.step(id, "removing volumes, secrets and network");
        if !keep_data {
            self.remove_volumes(id, &mut left).await;
        }
        self.remove_secrets(&record, keep_data, &mut left).await;
        if let Err(error) = self.release_network(id).await {
            left.push(failed("network", super::NETWORK, &error));
        }
        self.verify_gone(id, keep_data, &mut left).await;
        if left.is_empty() {
            self.drop_record(id)
        } else {
            Err(PackageError::Incomplete {
                package: id.to_owned(),
                left,
            })
        }
    }

    /// Installed packages with a container that needs one of this package's.
    fn dependents(&self, record: &PackageRecord) -> Vec<String> {
        let own: BTreeSet<&str> = record
            .manifest
            .containers
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        let book = self.book();
        let others = || {
            book.installed()
                .filter(|(package, _)| *package != record.manifest.id)
        };
        // Of several that would do, another one may be here.
        let lost = |need: &[String]| {
            need.iter().any(|name| own.contains(name.as_str()))
                && !others().any(|(_, other)| need.contains(&other.name))
        };
        let dependents: BTreeSet<&str> = others()
            .filter(|(_, container)| container.needs().any(lost))
            .map(|(package, _)| package)
            .collect();
        dependents.into_iter().map(str::to_owned).collect()
    }

    /// Those of the manifest in reverse start order, then any other with the package's label.
    async fn remove_containers(&self, record: &PackageRecord, left: &mut Vec<String>) {
        let id = record.manifest.id.as_str();
        for container in in_order(&record.manifest.containers).into_iter().rev() {
            if let Err(error) = self
                .take_away(id, &container.name, container.stop_grace())
                .await
            {
                left.push(failed("container", &container.name, &error));
            }
        }
        let known = |name: &str| record.manifest.containers.iter().any(|c| c.name == name);
        match self.podman.list(&package_filter(id)).await {
            Ok(others) => {
                for other in others.iter().filter(|other| !known(&other.name)) {
                    let grace = Duration::from_secs(crate::catalog::stop_timeout_secs(&other.name));
                    if let Err(error) = self.take_away(id, &other.name, grace).await {
                        left.push(failed("container", &other.name, &error));
                    }
                }
            }
            Err(error) => left.push(failed("containers of", id, &error)),
        }
    }

    async fn remove_volumes(&self, id: &str, left: &mut Vec<String>) {
        match self.podman.volumes(&package_filter(id)).await {
            Ok(volumes) => {
                for volume in volumes {
                    if let Err(error) = self.podman.volume_remove(&volume).await {
                        left.push(failed("volume", &volume, &error));
                    }
                }
            }
            Err(error) => left.push(failed("volumes of", id, &error)),
        }
    }

    /// Asks podman once more: only what it does not have is gone.
    async fn verify_gone(&self, id: &str, keep_data: bool, left: &mut Vec<String>) {
        let filter = package_filter(id);
        let containers = self.podman.list(&filter).await;
        let containers =
            containers.map(|list| list.into_iter().map(|status| status.name).collect());
        let mut found = vec![
            ("container", containers),
            ("secret", self.podman.secrets(&filter).await),
            ("network", self.podman.networks(&filter).await),
        ];
        if !keep_data {
            found.push(("volume", self.podman.volumes(&filter).await));
        }
        for (what, names) in found {
            match names {
                Ok(names) => {
                    for name in names {
                        let object = format!("{what} `{name}`");
                        if !left.iter().any(|text| text.starts_with(&object)) {
                            left.push(object);
                        }
                    }
                }
                Err(error) => left.push(failed(&format!("{what}s of"), id, &error)),
            }
        }
    }
}

pub(super) fn failed(what: &str, name: &str, error: &PodmanError) -> String {
    format!("{what} `{name}`: {}", chain(error))
}
