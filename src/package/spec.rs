//! From a manifest to what podman is asked for. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::catalog::{ContainerManifest, SecretManifest};
use crate::container::podman::{
    ContainerSpec, HealthSpec, PortSpec, SecretTarget, SecretUse, VolumeMount,
};

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

/// Permissions of a secret's file where the manifest does not say: its owner reads it.
const SECRET_MODE: u32 = 0o400;

/// The podman secret that `container` has of a secret of this name.
///
/// One for each container and not one for each secret: a rendered text is its container's alone, and a secret that
/// several packages use can then be removed with one of them.
#[must_use]
pub fn secret_name(container: &str, secret: &str) -> String {
    format!("{container}.{secret}")
}

/// What podman is asked for. `image` is the one to run.
#[must_use]
pub fn container_spec(package: &str, manifest: &ContainerManifest, image: &str) -> ContainerSpec {
    let mut labels = package_labels(package);
    labels.insert(SPEC_LABEL.to_owned(), spec_hash(manifest));
    ContainerSpec {
        name: manifest.name.clone(),
        image: image.to_owned(),
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
            .flat_map(|secret| secret_uses(manifest, secret))
            .collect(),
        network: Some(NETWORK.to_owned()),
        aliases: manifest.aliases.clone(),
        memory: manifest.memory.clone(),
        user: manifest.user.clone(),
        restart: manifest.restart.clone(),
        stop_timeout: manifest.stop_grace(),
        stop_signal: manifest.stop_signal.clone(),
        shm_size: manifest.shm_size.clone(),
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

/// As a variable, as a file, or as both.
fn secret_uses(
    container: &ContainerManifest,
    secret: &SecretManifest,
) -> impl Iterator<Item = SecretUse> {
    let (uid, gid) = numeric_user(container.user.as_deref());
    let env = secret.env.clone().map(SecretTarget::Env);
    let file = secret.file.clone().map(|path| SecretTarget::File {
        path,
        uid: secret.uid.unwrap_or(uid),
        gid: secret.gid.unwrap_or(gid),
        mode: secret.mode.unwrap_or(SECRET_MODE),
    });
    let name = secret_name(&container.name, &secret.name);
    env.into_iter().chain(file).map(move |target| SecretUse {
        secret: name.clone(),
        target,
    })
}

/// User and group of a container's `user`, 0 where they are no numbers.
fn numeric_user(user: Option<&str>) -> (u32, u32) {
    let mut parts = user.unwrap_or("").split(':').map(str::parse);
    let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
    (next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(more: &str) -> ContainerManifest {
        toml::from_str(&format!(
            "name = \"lnd\"\nimage = \"localhost/x:1\"\ntier = 1\n{more}"
        ))
        .expect("a manifest")
    }

    #[test]
    fn the_hash_of_a_manifest_that_uses_nothing_new_stays() {
        // Another hash has every container of every node made anew: as computed by the first release.
        let plain = manifest("secrets = [{ name = \"key\", env = \"KEY\" }]");
        assert_eq!(spec_hash(&plain), FIRST_HASH);
        assert_ne!(spec_hash(&manifest("stop_signal = \"SIGINT\"")), FIRST_HASH);
    }

    const FIRST_HASH: &str = "9f024947ace780651be07e9738745f1a4667e314ea3584f3c5491faf80fc7010";

    #[test]
    fn a_secrets_file_belongs_to_the_user_that_reads_it() {
        let of = |more: &str| {
            let text =
                format!("{more}\nsecrets = [{{ name = \"pw\", env = \"PW\", file = \"/pw\" }}]");
            container_spec("lnd", &manifest(&text), "localhost/x:1").secrets
        };
        let file = |uid, gid| SecretTarget::File {
            path: "/pw".to_owned(),
            uid,
            gid,
            mode: 0o400,
        };
        let uses = of("user = \"1000:101\"");
        assert_eq!(uses[0].target, SecretTarget::Env("PW".to_owned()));
        assert_eq!(uses[1].target, file(1000, 101));
        assert_eq!(uses[1].secret, "lnd.pw");
        assert_eq!(of("user = \"postgres\"")[1].target, file(0, 0));
    }
}
