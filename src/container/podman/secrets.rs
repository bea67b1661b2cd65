//! podman secrets. Their content comes from a file, never from an argument.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Call, Podman, PodmanError, Refusal, Removed};

/// One entry of `podman secret inspect`, which knows no label filter in any version.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    #[serde(default)]
    driver: Driver,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Driver {
    #[serde(default)]
    options: Option<BTreeMap<String, String>>,
}

impl Spec {
    /// Whether `label` (`key` or `key=value`) is among the labels, or among the driver options that stand in for
    /// them on podman 4.
    fn carries(&self, label: &str) -> bool {
        let (key, value) = match label.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (label, None),
        };
        [&self.labels, &self.driver.options]
            .into_iter()
            .flatten()
            .any(|labels| {
                labels
                    .get(key)
                    .is_some_and(|found| value.is_none_or(|value| found == value))
            })
    }
}

impl Podman {
    /// Whether there is a secret of that name. (`secret exists` is not in podman 4.3; `secret inspect` is.)
    ///
    /// # Errors
    /// As every command.
    pub async fn secret_exists(&self, name: &str) -> Result<bool, PodmanError> {
        let call = Call::new(["secret", "inspect"]).operands([name]);
        match self.succeed(&call).await {
            Ok(output) => {
                let found: Vec<Secret> = serde_json::from_slice(&output.stdout)
                    .map_err(|source| call.unreadable("secret", source))?;
                // podman also takes the beginning of an id for a name.
                Ok(found.iter().any(|secret| secret.spec.name == name))
            }
            Err(error) if error.refusal() == Some(Refusal::NoSuchSecret) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a secret of the content of `file`.
    ///
    /// podman 4 keeps the labels as options of its `file` driver, which ignores those that it does not know:
    /// there, keys and values must be without commas.
    ///
    /// # Errors
    /// As every command; [`Refusal::NameInUse`] when there is one of that name.
    pub async fn secret_create(
        &self,
        name: &str,
        file: &Path,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), PodmanError> {
        let call = Call::new(["secret", "create"]);
        let call = if self.known_version().await?.labels_secrets() {
            call.labels(labels)
        } else {
            labels.iter().fold(call, |call, (key, value)| {
                call.arg(format!("--driver-opts={key}={value}"))
            })
        };
        let file = file.to_string_lossy();
        let call = call.operands([name, file.as_ref()]);
        self.succeed(&call).await.map(drop)
    }

    /// Removes a secret. Containers that were made with it keep what they have.
    ///
    /// # Errors
    /// As every command.
    pub async fn secret_remove(&self, name: &str) -> Result<Removed, PodmanError> {
        self.remove_resource("secret", name, Refusal::NoSuchSecret)
            .await
    }

    /// Names of the secrets that carry `label` (`key` or `key=value`).
    ///
    /// # Errors
    /// As every command.
    pub async fn secrets(&self, label: &str) -> Result<Vec<String>, PodmanError> {
        let call = Call::new(["secret", "ls", "--format={{.Name}}"]);
        let output = self.succeed(&call).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let names: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let call = Call::new(["secret", "inspect"]).operands(names);
        let output = self.run(&call).await?;
        if output.code != 0 {
            let error = call.refused(&output);
            // One that was removed in between: podman prints the others.
            if error.refusal() != Some(Refusal::NoSuchSecret) {
                return Err(error);
            }
        }
        let found: Vec<Secret> = serde_json::from_slice(&output.stdout)
            .map_err(|source| call.unreadable("list of secrets", source))?;
        Ok(found
            .into_iter()
            .filter(|secret| secret.spec.carries(label))
            .map(|secret| secret.spec.name)
            .collect())
    }
}
