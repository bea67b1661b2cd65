//! What can be seen of an operation: a value, for the API, the status page and the command line.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// `package.install`.
    Install,
    /// `package.update`.
    Update,
    /// `package.uninstall`.
    Uninstall,
    /// `package.start`.
    Start,
    /// `package.stop`.
    Stop,
    /// `package.restart`.
    Restart,
    /// `package.reconcile`, of this package.
    Reconcile,
    /// Undoing an install or an update that was cut short.
    Undo,
}

impl Operation {
    /// Its name, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Update => "update",
            Self::Uninstall => "uninstall",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reconcile => "reconcile",
            Self::Undo => "undo",
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationState {
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// It failed; `error` says why.
    Failed,
    /// Cancelled, and undone.
    Cancelled,
}

/// What [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProgressUnit {
    /// Bytes of an image.
    Bytes,
    /// Layers of an image, where podman does not tell bytes.
    Layers,
    /// Containers of the package.
    Containers,
}

/// How much of a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Of so much, where that is known.
    pub total: Option<u64>,
    /// Of what.
    pub unit: ProgressUnit,
}

/// One operation, under way or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OperationView {
    /// Its number; none is given twice, also not by later daemons.
    pub id: u64,
    /// What it does.
    pub kind: Operation,
    /// The package it works on.
    pub package: String,
    /// How far it is.
    pub state: OperationState,
    /// What it is doing, or last did, in words: `pulling docker.io/library/nginx:1 (2 of 3)`.
    pub step: String,
    /// How much of that step is done, where it can be counted.
    pub progress: Option<Progress>,
    /// Whether `operation.cancel` would be obeyed now.
    pub cancellable: bool,
    /// When it began, UTC.
    pub started_at: DateTime<Utc>,
    /// When it ended, UTC.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed, with all causes, on one line.
    pub error: Option<String>,
}
