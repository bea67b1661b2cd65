//! Secrets: `secrets/NAME` (mode 0600) is the truth, the podman secret NAME a copy made at install.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rand::TryRng;
use rand::rngs::SysRng;

use super::record::Made;
use super::{PackageError, Packages, package_filter};
use crate::catalog::Manifest;
use crate::package::spec::package_labels;
use crate::store::{StoreError, write_private};

/// Characters of a generated secret: 62^32 is more than 190 bits.
pub const SECRET_LENGTH: usize = 32;

/// Letters and digits only: apps splice secrets into URLs, sed scripts and connection strings.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A new secret of [`SECRET_LENGTH`] letters and digits, from the system's generator.
///
/// # Errors
/// The system has no random bytes.
pub(crate) fn generate() -> std::io::Result<String> {
    let mut text = String::with_capacity(SECRET_LENGTH);
    while text.len() < SECRET_LENGTH {
        let mut bytes = [0; SECRET_LENGTH];
        SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(std::io::Error::other)?;
        // Bytes from 248 on are thrown away: with them, the first letters would come up more often.
        let even = bytes
            .iter()
            .filter(|byte| usize::from(**byte) < LETTERS.len() * 4);
        text.extend(
            even.take(SECRET_LENGTH - text.len())
                .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])),
        );
    }
    Ok(text)
}

impl Packages {
    /// Refuses to make a secret anew while the package's volumes hold data of an earlier install.
    ///
    /// A volume of that name without the package's label is not of an earlier install.
    pub(crate) async fn check_secrets(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let id = manifest.id.as_str();
        let mut secrets = manifest.containers.iter().flat_map(|c| &c.secrets);
        let Some(missing) = secrets.find(|secret| !self.secret_file(&secret.name).exists()) else {
            return Ok(());
        };
        let there = self.podman.volumes(&package_filter(id)).await;
        let mut volumes = there.map_err(PackageError::podman(id))?;
        let used: BTreeSet<&str> = manifest
            .containers
            .iter()
            .flat_map(|container| &container.volumes)
            .map(|volume| volume.name.as_str())
            .collect();
        volumes.retain(|name| used.contains(name.as_str()));
        if volumes.is_empty() {
            return Ok(());
        }
        Err(PackageError::SecretMissing {
            package: id.to_owned(),
            secret: missing.name.clone(),
            file: self.secret_file(&missing.name),
            volumes,
        })
    }

    pub(crate) fn secret_file(&self, name: &str) -> PathBuf {
        self.secrets.path(name)
    }

    /// Provides one secret of `package`: its file, which is kept where it exists, and its podman secret.
    pub(crate) async fn provide_secret(
        &self,
        package: &str,
        name: &str,
    ) -> Result<(), PackageError> {
        let file = self.secret_file(name);
        let had_file = file.exists();
        if !had_file {
            self.journal(package, Made::SecretFile(name.to_owned()))?;
            let secret = generate().map_err(|source| StoreError {
                doing: "get random bytes for",
                path: file.clone(),
                source,
            });
            secret
                .and_then(|secret| write_private(&file, secret.as_bytes()))
                .map_err(PackageError::store(package))?;
        }
        let podman = PackageError::podman;
        if self
            .podman
            .secret_exists(name)
            .await
            .map_err(podman(package))?
        {
            let own = self
                .podman
                .secrets(&package_filter(package))
                .await
                .map_err(podman(package))?;
            if own.iter().any(|own| own == name) {
                // Left by an earlier install; whether it has the content of the file cannot be asked.
                self.podman
                    .secret_remove(name)
                    .await
                    .map_err(podman(package))?;
            } else if had_file {
                // Another package's, of the same file: shared.
                return Ok(());
            } else {
                return Err(PackageError::NameTaken {
                    package: package.to_owned(),
                    what: "podman secret",
                    name: name.to_owned(),
                });
            }
        }
        self.journal(package, Made::Secret(name.to_owned()))?;
        self.podman
            .secret_create(name, &file, &package_labels(package))
            .await
            .map_err(podman(package))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_are_long_alphanumeric_and_new_each_time() {
        let one = generate().expect("random bytes");
        assert_eq!(one.len(), SECRET_LENGTH);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, generate().expect("random bytes"));
    }
}
