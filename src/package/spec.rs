//! From a manifest to what podman is asked for. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::catalog::ContainerManifest;
use crate::container::podman::{ContainerSpec, HealthSpec, PortSpec, SecretEnv, VolumeMount};

/// Label on every container, volume and secret of a package: its id.
pub const PACKAGE_LABEL: &str = "io.archipelago.package";
/// Label on containers: [`spec_hash`] of the manifest they were made from.
pub const SPEC_LABEL: &str = "io.archipelago.spec";
/// Label on the network that all packages share.
pub const SHARED_LABEL: &str = "io.archipelago.shared";

/// The one network of all packages.
///
/// One network, and not one a package: packages need each other by name (lnd reaches `bitcoind`), container names
/// are unique over the catalog, and a network of bitcoin's own could not be removed by an uninstall while lnd is
/// attached to it, nor be joined again by lnd when bitcoin comes back. So no network belongs to a package; this
/// one is made with the first package and removed with the last.
pub const NETWORK: &str = "archipelago";

/// `io.archipelago.package=ID`, for filters.
#[must_use]
pub fn package_filter(package: &str) -> String {
    format!("{PACKAGE_LABEL}={package}")
}

/// The labels of everything that a package owns.
#[must_use]
pub(super) fn package_labels(package: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(PACKAGE_LABEL.to_owned(), package.to_owned())])
}

/// The labels of the shared network.
#[must_use]
pub(super) fn network_labels() -> BTreeMap<String, String> {
    BTreeMap::from([(SHARED_LABEL.to_owned(), "true".to_owned())])
}

/// A hash of all that a container is made from: another hash, another container. 64 hex digits.
#[must_use]
pub fn spec_hash(manifest: &ContainerManifest) -> String {
    let json = serde_json::to_vec(manifest).expect(
        "a manifest holds only texts, numbers and maps with text keys, which JSON can hold",
    );
    let digest = Sha256::digest(json);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What podman is asked for.
#[must_use]
pub fn container_spec(package: &str, manifest: &ContainerManifest) -> ContainerSpec {
    let mut labels = package_labels(package);
    labels.insert(SPEC_LABEL.to_owned(), spec_hash(manifest));
    ContainerSpec {
        name: manifest.name.clone(),
        image: manifest.image.clone(),
        command: manifest.command.clone(),
        labels,
        env: manifest.env.clone(),
        ports: manifest
            .ports
            .iter()
            .map(|port| PortSpec {
                host_ip: port.bind.host_ip().to_owned(),
                host: port.host,
                container: port.container,
                protocol: port.protocol.word().to_owned(),
            })
            .collect(),
        volumes: manifest
            .volumes
            .iter()
            .map(|volume| VolumeMount {
                volume: volume.name.clone(),
                path: volume.path.clone(),
                read_only: volume.read_only,
            })
            .collect(),
        secrets: manifest
            .secrets
            .iter()
            .map(|secret| SecretEnv {
                secret: secret.name.clone(),
                env: secret.env.clone(),
            })
            .collect(),
        network: Some(NETWORK.to_owned()),
        memory: manifest.memory.clone(),
        user: manifest.user.clone(),
        restart: manifest.restart.clone(),
        stop_timeout: manifest.stop_grace(),
        init: manifest.init,
        health: manifest.health.as_ref().map(|health| HealthSpec {
            command: health.command.clone(),
            interval: Duration::from_secs(health.interval_secs),
            timeout: Duration::from_secs(health.timeout_secs),
            retries: health.retries,
            start_period: Duration::from_secs(health.start_period_secs),
        }),
    }
}
