//! What the daemon answers, as far as tables show it.
//!
//! Lenient where the daemon may be of another version: words are texts, and what may be absent is. `--json` prints the
//! answers themselves.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::catalog::NotInstallable;

/// Of `package.list`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) version: String,
    pub(super) state: String,
    pub(super) colour: Option<String>,
    pub(super) exit_code: Option<i32>,
    pub(super) why: String,
    #[serde(default)]
    pub(super) containers: Vec<Container>,
}

/// A container of a package.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) colour: Option<String>,
    pub(super) exit_code: Option<i32>,
    pub(super) reason: String,
    pub(super) health: Option<String>,
    #[serde(default)]
    pub(super) restarts: u32,
    pub(super) next: Option<NextStep>,
}

/// What happens next to a container.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NextStep {
    pub(super) text: String,
    pub(super) due: Option<DateTime<Utc>>,
}

/// Of `system.health`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Health {
    #[serde(default)]
    pub(super) recovering: bool,
    pub(super) podman_error: Option<String>,
}

/// Of `system.plan`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Decision {
    pub(super) container: String,
    pub(super) package: String,
    pub(super) action: String,
    pub(super) reason: String,
    pub(super) until: Option<DateTime<Utc>>,
}

/// Of `operation.get` and `operation.list`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Operation {
    pub(super) id: u64,
    pub(super) kind: String,
    pub(super) package: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) step: String,
    pub(super) progress: Option<Progress>,
    pub(super) error: Option<String>,
}

impl Operation {
    /// Whether it has ended, one way or the other.
    pub(super) fn has_ended(&self) -> bool {
        self.state != "running"
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Progress {
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    pub(super) unit: String,
}

/// Of `system.notifications`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Notification {
    pub(super) at: DateTime<Utc>,
    pub(super) severity: String,
    pub(super) package: Option<String>,
    pub(super) container: Option<String>,
    pub(super) text: String,
}

/// Of `catalog.list`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) not_installable: Option<NotInstallable>,
    #[serde(default)]
    pub(super) installed: bool,
    #[serde(default)]
    pub(super) problems: Vec<Problem>,
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Problem {
    pub(super) file: String,
    pub(super) key: String,
    pub(super) what: String,
}
