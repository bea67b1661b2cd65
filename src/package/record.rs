//! What is kept of an installed package: `packages/ID.json`. Also the journal of a half-done operation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::catalog::Manifest;

/// An installed package, or one on its way in or out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    /// What was installed: the catalog may have changed since.
    pub manifest: Manifest,
    /// The image that the user chose instead of the catalog's, where one was; `manifest` has it in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_image: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// What the install made, in that order; each entry is written before the thing is made.
    pub made: Vec<Made>,
    /// Last change of the phase.
    pub since: DateTime<Utc>,
    /// The version that an update replaces: as long as it is [`Phase::Updating`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Previous>>,
}

/// What an update goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// What was installed.
    pub manifest: Manifest,
    /// The image that the user had chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_image: Option<String>,
    /// What had been made.
    pub made: Vec<Made>,
}

/// How far a package is. Whatever is not `Installed` when the daemon starts was cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// On its way in: undone at the next start.
    Installing,
    /// Installed.
    Installed,
    /// On its way to another version: gone back to the old one at the next start.
    Updating,
    /// On its way out: finished at the next start.
    Uninstalling {
        /// Whether volumes and secret files stay.
        keep_data: bool,
    },
}

/// One thing that an install made and its undoing removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// A file in `secrets/`.
    SecretFile(String),
    /// A podman secret.
    Secret(String),
    /// A volume.
    Volume(String),
    /// A container.
    Container(String),
}
