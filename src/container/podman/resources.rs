//! Volumes and networks.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Call, Podman, PodmanError, Refusal, Removed};

impl Podman {
    /// Whether there is a volume of that name.
    ///
    /// # Errors
    /// As every command.
    pub async fn volume_exists(&self, name: &str) -> Result<bool, PodmanError> {
        self.exists(&Call::new(["volume", "exists"]).operands([name]))
            .await
    }

    /// Makes a volume.
    ///
    /// # Errors
    /// As every command; [`Refusal::NameInUse`] when there is one of that name.
    pub async fn volume_create(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), PodmanError> {
        let call = Call::new(["volume", "create"]).labels(labels);
        self.succeed(&call.operands([name])).await.map(drop)
    }

    /// Removes a volume and all that is in it.
    ///
    /// # Errors
    /// As every command; [`Refusal::InUse`] while any container has it, running or not.
    pub async fn volume_remove(&self, name: &str) -> Result<Removed, PodmanError> {
        self.remove_resource("volume", name, Refusal::NoSuchVolume)
            .await
    }

    /// Names of the volumes that carry `label` (`key` or `key=value`).
    ///
    /// # Errors
    /// As every command.
    pub async fn volumes(&self, label: &str) -> Result<Vec<String>, PodmanError> {
        self.names(&["volume", "ls"], label).await
    }

    /// Whether there is a network of that name.
    ///
    /// # Errors
    /// As every command.
    pub async fn network_exists(&self, name: &str) -> Result<bool, PodmanError> {
        self.exists(&Call::new(["network", "exists"]).operands([name]))
            .await
    }

    /// Makes a bridge network with name resolution.
    ///
    /// # Errors
    /// As every command; [`Refusal::NameInUse`] when there is one of that name.
    pub async fn network_create(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), PodmanError> {
        let call = Call::new(["network", "create"]).labels(labels);
        self.succeed(&call.operands([name])).await.map(drop)
    }

    /// Removes a network.
    ///
    /// # Errors
    /// As every command; [`Refusal::InUse`] while any container has it, running or not.
    pub async fn network_remove(&self, name: &str) -> Result<Removed, PodmanError> {
        self.remove_resource("network", name, Refusal::NoSuchNetwork)
            .await
    }

    /// Names of the networks that carry `label` (`key` or `key=value`).
    ///
    /// # Errors
    /// As every command.
    pub async fn networks(&self, label: &str) -> Result<Vec<String>, PodmanError> {
        self.names(&["network", "ls"], label).await
    }
}

/// `Name` (volumes) or `name` (networks).
#[derive(Deserialize)]
struct Named {
    #[serde(alias = "Name")]
    name: String,
}

impl Podman {
    pub(super) async fn remove_resource(
        &self,
        family: &str,
        name: &str,
        gone: Refusal,
    ) -> Result<Removed, PodmanError> {
        match self
            .succeed(&Call::new([family, "rm"]).operands([name]))
            .await
        {
            Ok(_) => Ok(Removed::Done),
            Err(error) => error.already_gone(gone),
        }
    }

    async fn names(&self, command: &[&str], label: &str) -> Result<Vec<String>, PodmanError> {
        let call = Call::new(command.iter().copied())
            .arg("--format=json")
            .arg(format!("--filter=label={label}"));
        let output = self.succeed(&call).await?;
        let named: Vec<Named> = serde_json::from_slice(&output.stdout)
            .map_err(|source| call.unreadable("list of names", source))?;
        Ok(named.into_iter().map(|named| named.name).collect())
    }
}
