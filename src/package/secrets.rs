//! Secrets: `secrets/NAME` (mode 0600) is the truth; what a container gets of it is a podman secret of its own, made
//! with the container.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rand::TryRng;
use rand::rngs::SysRng;

use super::record::Made;
use super::render::{RenderError, render};
use super::spec::{package_labels, secret_name};
use super::uninstall::failed;
use super::{PackageError, PackageRecord, Packages, chain, package_filter};
use crate::catalog::{ContainerManifest, Manifest, SecretManifest, Template};
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

/// State file: secrets that belong to volumes which an uninstall left, by package.
const KEPT_FILE: &str = "kept-secrets.json";

/// Names of secrets by package.
type Kept = BTreeMap<String, BTreeSet<String>>;

impl Packages {
    /// Refuses to make a secret anew while the package's volumes hold data of an earlier install, and to go on without
    /// a secret of a package that this one depends on.
    ///
    /// A volume of that name without the package's label is not of an earlier install.
    pub(crate) async fn check_secrets(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let id = manifest.id.as_str();
        let is_missing = |name: &&str| !self.secret_file(name).exists();
        let mut shared = manifest.shared_secrets.iter().map(String::as_str);
        if let Some(missing) = shared.find(is_missing) {
            return Err(self.no_secret_file(id, missing));
        }
        let Some(missing) = manifest.own_secrets().into_iter().find(is_missing) else {
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
            secret: missing.to_owned(),
            file: self.secret_file(missing),
            volumes,
        })
    }

    pub(crate) fn secret_file(&self, name: &str) -> PathBuf {
        self.secrets.path(name)
    }

    /// Makes the package's own secrets where they are absent; one that is there is kept.
    pub(crate) fn make_secret_files(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let package = manifest.id.as_str();
        for name in manifest.own_secrets() {
            let file = self.secret_file(name);
            if file.exists() {
                continue;
            }
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
        Ok(())
    }

    /// Makes the podman secrets of one container from the files as they are now. Ones that an earlier container of
    /// `package` had are replaced.
    pub(crate) async fn provide_secrets(
        &self,
        package: &str,
        container: &ContainerManifest,
    ) -> Result<(), PackageError> {
        let podman = PackageError::podman;
        for secret in &container.secrets {
            let name = secret_name(&container.name, &secret.name);
            let there = self.podman.secret_exists(&name).await;
            if there.map_err(podman(package))? {
                let own = self.podman.secrets(&package_filter(package)).await;
                if !own.map_err(podman(package))?.contains(&name) {
                    return Err(PackageError::NameTaken {
                        package: package.to_owned(),
                        what: "podman secret",
                        name,
                    });
                }
                // Whether it has the content of today cannot be asked.
                let removed = self.podman.secret_remove(&name).await;
                removed.map_err(podman(package))?;
            }
            self.journal(package, Made::Secret(name.clone()))?;
            let text = self.secret_text(package, secret).await?;
            // podman reads it from a file: it is never an argument. The file is gone with this step.
            let file = self.secrets.temporary(text.as_bytes());
            let file = file.map_err(PackageError::store(package))?;
            let labels = package_labels(package);
            let made = self.podman.secret_create(&name, file.path(), &labels).await;
            made.map_err(podman(package))?;
        }
        Ok(())
    }

    /// What a container gets of a secret.
    async fn secret_text(
        &self,
        package: &str,
        secret: &SecretManifest,
    ) -> Result<String, PackageError> {
        let Some(text) = secret.template.clone() else {
            return self.read_secret(package, &secret.name);
        };
        let fail = |source| PackageError::Render {
            package: package.to_owned(),
            secret: secret.name.clone(),
            source,
        };
        let mut contents = BTreeMap::new();
        let template =
            Template::parse(&text).map_err(|what| fail(RenderError::BadTemplate { what }))?;
        for name in template.secrets() {
            contents.insert(name.to_owned(), self.read_secret(package, name)?);
        }
        // A bcrypt hash takes a while.
        let rendered = tokio::task::spawn_blocking(move || {
            let template =
                Template::parse(&text).map_err(|what| RenderError::BadTemplate { what })?;
            render(&template, &contents)
        });
        match rendered.await {
            Ok(rendered) => rendered.map_err(fail),
            // Also of a panic: the runtime goes, or what failed has been printed.
            Err(_) => Err(PackageError::Interrupted),
        }
    }

    fn read_secret(&self, package: &str, name: &str) -> Result<String, PackageError> {
        let file = self.secret_file(name);
        match std::fs::read_to_string(&file) {
            // An editor ends a file with a newline, which is no part of a password.
            Ok(text) if !text.trim_end_matches(['\n', '\r']).is_empty() => {
                Ok(text.trim_end_matches(['\n', '\r']).to_owned())
            }
            Ok(_) => Err(self.no_secret_file(package, name)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(self.no_secret_file(package, name))
            }
            Err(source) => Err(PackageError::store(package)(StoreError {
                doing: "read",
                path: file,
                source,
            })),
        }
    }

    fn no_secret_file(&self, package: &str, name: &str) -> PackageError {
        PackageError::NoSecretFile {
            package: package.to_owned(),
            secret: name.to_owned(),
            file: self.secret_file(name),
        }
    }

    /// Removes the podman secrets of a package, and, unless its data is kept, the secret files that nobody else needs:
    /// no other package that is here, and none whose data was kept.
    pub(crate) async fn remove_secrets(
        &self,
        record: &PackageRecord,
        keep_data: bool,
        left: &mut Vec<String>,
    ) {
        let id = record.manifest.id.as_str();
        match self.podman.secrets(&package_filter(id)).await {
            Ok(secrets) => {
                for secret in secrets {
                    if let Err(error) = self.podman.secret_remove(&secret).await {
                        left.push(failed("secret", &secret, &error));
                    }
                }
            }
            Err(error) => left.push(failed("secrets of", id, &error)),
        }
        if let Err(error) = self.remove_secret_files(record, keep_data) {
            left.push(chain(&error));
        }
    }

    fn remove_secret_files(
        &self,
        record: &PackageRecord,
        keep_data: bool,
    ) -> Result<(), StoreError> {
        let _writing = self.writing();
        let manifest = &record.manifest;
        let own = manifest.own_secrets();
        let before = self.root.load::<Kept>(KEPT_FILE)?.reported();
        let before = before.unwrap_or_default();
        let mut kept = before.clone();
        if keep_data && !own.is_empty() {
            let own = own.iter().map(|name| (*name).to_owned()).collect();
            kept.insert(manifest.id.clone(), own);
        } else {
            kept.remove(&manifest.id);
        }
        if kept != before {
            self.root.save(KEPT_FILE, &kept)?;
        }
        if keep_data {
            return Ok(());
        }
        let shared = manifest.shared_secrets.iter().map(String::as_str);
        for name in own.into_iter().chain(shared) {
            let is_kept = kept.values().any(|names| names.contains(name));
            if !is_kept && !self.is_secret_of_another(&manifest.id, name) {
                self.secrets.remove(name)?;
            }
        }
        Ok(())
    }

    /// Whether a package other than `id` that is here, or on its way in or out, uses the secret.
    pub(crate) fn is_secret_of_another(&self, id: &str, name: &str) -> bool {
        let book = self.book();
        let others = book.records.iter().filter(|(other, _)| *other != id);
        others.map(|(_, record)| &record.manifest).any(|manifest| {
            manifest.own_secrets().contains(name)
                || manifest.shared_secrets.iter().any(|shared| shared == name)
        })
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
