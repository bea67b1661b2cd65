//! Reconcile: podman is brought to what the records say; what is there besides is told and never touched.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::image::Chosen;
use super::record::{PackageRecord, Phase};
use super::watch::Watch;
use super::{
    News, Operation, PACKAGE_LABEL, PackageError, Packages, SPEC_LABEL, Severity, chain, in_order,
    package_filter, secret_name, spec_hash,
};
use crate::catalog::{Catalog, ContainerManifest, Manifest};
use crate::container::podman::PodmanError;
use crate::container::status::{ContainerState, ContainerStatus};

/// What a reconcile found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReconcileReport {
    /// Containers that were missing, or made from something else than their record, and are made anew.
    pub recreated: Vec<String>,
    /// Containers that were as they should be.
    pub unchanged: Vec<String>,
    /// What could not be brought about, and why, one text each.
    pub failed: Vec<String>,
    /// Installed packages of which the catalog has something else now. They stay as they are until they are updated.
    pub outdated: Vec<Outdated>,
    /// What is there and belongs to no installed package. It is left alone.
    pub strangers: Vec<Stranger>,
}

/// An installed package of which the catalog has something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outdated {
    /// The package.
    pub package: String,
    /// The version that is installed.
    pub installed: String,
    /// The catalog's version; it may be the same, made in another way.
    pub catalog: String,
}

/// Something that is there and belongs to no installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Stranger {
    /// `container`, `volume`, `network` or `secret`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why it is a stranger.
    pub why: String,
}

/// What a container of a record needs.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    /// It is missing, or made from something else.
    Recreate,
    /// Somebody else's container has its name.
    Taken,
}

/// Pure.
fn need(package: &str, manifest: &ContainerManifest, status: Option<&ContainerStatus>) -> Need {
    let Some(status) = status else {
        return Need::Recreate;
    };
    let label = |key: &str| status.labels.get(key).map(String::as_str);
    if label(PACKAGE_LABEL) != Some(package) {
        Need::Taken
    } else if label(SPEC_LABEL) == Some(spec_hash(manifest).as_str()) {
        Need::Nothing
    } else {
        Need::Recreate
    }
}

impl Packages {
    /// Brings podman to what the record of `id` says, or those of all installed packages. Versions are never changed.
    ///
    /// # Errors
    /// [`PackageError::NotInstalled`], [`PackageError::Busy`] for the one package that was asked for; podman cannot be
    /// asked for strangers. What fails of a package is in the report.
    pub async fn reconcile(&self, id: Option<&str>) -> Result<ReconcileReport, PackageError> {
        let ids: Vec<String> = match id {
            Some(id) => vec![self.known_record(id)?.manifest.id],
            None => {
                let book = self.book();
                let installed = |record: &&PackageRecord| {
                    matches!(record.phase, Phase::Installed | Phase::Updating)
                };
                let records = book.records.values().filter(installed);
                records.map(|record| record.manifest.id.clone()).collect()
            }
        };
        let mut report = ReconcileReport::default();
        for package in &ids {
            let running = match self.begin(package, Operation::Reconcile) {
                Ok(running) => running,
                Err(error) if id.is_some() => return Err(error),
                Err(error) => {
                    report.failed.push(chain(&error));
                    continue;
                }
            };
            let outcome = self.reconcile_one(package, &mut report).await;
            if let Err(error) = running.end(outcome) {
                report
                    .failed
                    .push(format!("`{package}`: {}", chain(&error)));
            }
        }
        report.outdated = self.outdated(&ids);
        let label = id.unwrap_or_default();
        let strangers = self.strangers().await;
        report
            .strangers
            .extend(strangers.map_err(PackageError::podman(label))?);
        report.strangers.sort();
        report.strangers.dedup();
        if !report.recreated.is_empty() {
            self.refresh_snapshot().await;
        }
        Ok(report)
    }

    async fn reconcile_one(
        &self,
        id: &str,
        report: &mut ReconcileReport,
    ) -> Result<(), PackageError> {
        let _turn = self.turn(id).await;
        let record = self.whole_record(id).await?;
        self.step(id, "comparing with podman");
        let stopped = self.book().stopped.is_stopped(id);
        let mut watch = Watch::new(self, id);
        for container in in_order(&record.manifest.containers) {
            let name = &container.name;
            let status = self.podman.inspect(name).await;
            let status = status.map_err(PackageError::podman(id))?;
            match need(id, container, status.as_ref()) {
                Need::Nothing => {
                    report.unchanged.push(name.clone());
                    if let Some(status) = status
                        && status.state == ContainerState::Running
                    {
                        watch.adopt(container, &status);
                    }
                }
                Need::Taken => {
                    let why = format!("has the name of a container of `{id}` and is not its");
                    report.failed.push(format!("`{name}` cannot be made anew"));
                    report.strangers.push(stranger("container", name, why));
                }
                Need::Recreate => {
                    self.take_away(id, name, container.stop_grace())
                        .await
                        .map_err(PackageError::podman(id))?;
                    self.provide_network(id).await?;
                    for volume in &container.volumes {
                        self.provide_volume(id, &volume.name).await?;
                    }
                    self.create(id, container).await?;
                    report.recreated.push(name.clone());
                    if !stopped {
                        watch.until_dependencies_serve(container).await?;
                        watch.start(container).await?;
                    }
                }
            }
        }
        watch.until_good().await
    }

    /// Those of these packages of which the catalog has something else now.
    fn outdated(&self, ids: &[String]) -> Vec<Outdated> {
        let catalog = Catalog::load(&self.config.apps_dir);
        let records = ids.iter().filter_map(|id| self.record(id));
        records
            .filter_map(|record| {
                let of_catalog = catalog.get(&record.manifest.id).ok()?.clone();
                let chosen = Chosen::new(of_catalog, record.docker_image).ok()?;
                (chosen.manifest != record.manifest).then(|| Outdated {
                    package: record.manifest.id.clone(),
                    installed: record.manifest.version,
                    catalog: chosen.manifest.version,
                })
            })
            .collect()
    }

    /// What carries our label and belongs to no package that is installed or on its way. Volumes that a package of the
    /// catalog names are data that an uninstall was asked to keep, and no strangers.
    pub(crate) async fn strangers(&self) -> Result<Vec<Stranger>, PodmanError> {
        let records: BTreeMap<String, PackageRecord> = self.book().records.clone();
        let mut strangers = Vec::new();
        for status in self.look().await?.into_values() {
            let owner = status.labels.get(PACKAGE_LABEL).cloned();
            let owner = owner.unwrap_or_default();
            let why = match records.get(&owner) {
                None => format!("is labelled as of `{owner}`, which is not installed"),
                Some(record) if names(record).contains(status.name.as_str()) => continue,
                Some(_) => format!("is labelled as of `{owner}`, which has no such container"),
            };
            strangers.push(stranger("container", &status.name, why));
        }
        let catalog = Catalog::load(&self.config.apps_dir);
        let installed = records.values().map(|record| &record.manifest);
        let (volumes, secrets) = named(installed.chain(catalog.manifests()));
        for (kind, there, known) in [
            ("volume", self.podman.volumes(PACKAGE_LABEL).await?, volumes),
            (
                "network",
                self.podman.networks(PACKAGE_LABEL).await?,
                BTreeSet::new(),
            ),
            ("secret", self.podman.secrets(PACKAGE_LABEL).await?, secrets),
        ] {
            let unknown: BTreeSet<String> = there
                .into_iter()
                .filter(|name| !known.contains(name))
                .collect();
            for name in self.without_owner(kind, unknown, records.keys()).await? {
                let why = "is labelled as of a package that is not installed".to_owned();
                strangers.push(stranger(kind, &name, why));
            }
        }
        strangers.sort();
        Ok(strangers)
    }

    /// Those that no installed package has labelled: an older version of it may have had another name for it.
    async fn without_owner(
        &self,
        kind: &str,
        mut unknown: BTreeSet<String>,
        ids: impl Iterator<Item = &String>,
    ) -> Result<BTreeSet<String>, PodmanError> {
        for id in ids {
            if unknown.is_empty() {
                break;
            }
            let filter = package_filter(id);
            let owned = match kind {
                "volume" => self.podman.volumes(&filter).await?,
                "secret" => self.podman.secrets(&filter).await?,
                _ => Vec::new(),
            };
            unknown.retain(|name| !owned.contains(name));
        }
        Ok(unknown)
    }

    /// Tells of strangers, once for the same ones.
    pub(crate) async fn tell_of_strangers(&self) {
        let strangers = match self.strangers().await {
            Ok(strangers) => strangers,
            Err(error) => {
                tracing::warn!(error = chain(&error), "cannot look for strangers");
                return;
            }
        };
        if strangers.is_empty() {
            return;
        }
        let listed: Vec<String> = strangers
            .iter()
            .map(|stranger| format!("{} `{}` {}", stranger.kind, stranger.name, stranger.why))
            .collect();
        let text = format!(
            "left alone, remove it by hand if nobody needs it: {}",
            listed.join("; ")
        );
        let ever = chrono::DateTime::<chrono::Utc>::MIN_UTC;
        self.notify_once_since(News::new(Severity::Warning, text), ever);
    }
}

/// Names of the volumes and of the podman secrets of these packages.
fn named<'a>(
    manifests: impl Iterator<Item = &'a Manifest>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut volumes, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for container in manifests.flat_map(|manifest| &manifest.containers) {
        volumes.extend(container.volumes.iter().map(|volume| volume.name.clone()));
        let of_container = container.secrets.iter();
        secrets.extend(of_container.map(|secret| secret_name(&container.name, &secret.name)));
    }
    (volumes, secrets)
}

/// Names of the record's containers; while it is updated, of both versions.
fn names(record: &PackageRecord) -> BTreeSet<&str> {
    let previous = record.previous.iter();
    let previous = previous.flat_map(|previous| &previous.manifest.containers);
    let containers = record.manifest.containers.iter().chain(previous);
    containers
        .map(|container| container.name.as_str())
        .collect()
}

fn stranger(kind: &'static str, name: &str, why: String) -> Stranger {
    Stranger {
        kind,
        name: name.to_owned(),
        why,
    }
}
