//! What podman says of one container, as a value. Parsing is pure: bytes in, [`ContainerStatus`] out.

mod parse;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use parse::{merge, parse_inspect, parse_ps};

/// Whether labels satisfy a filter's `key` or `key=value`.
#[must_use]
pub fn has_label(labels: &BTreeMap<String, String>, filter: &str) -> bool {
    match filter.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
        None => labels.contains_key(filter),
    }
}

/// The state word of podman's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// Made, and not running: never started, a start that failed, or (podman 4.3) up when power was lost.
    Created,
    /// Its OCI runtime container exists, its process does not run yet.
    Initialized,
    /// Running, as far as podman knows.
    Running,
    /// Frozen.
    Paused,
    /// Between SIGTERM and its end; stays so for ever when the `podman stop` client was killed.
    Stopping,
    /// Just ended; podman has not tidied up yet.
    Stopped,
    /// Ended.
    Exited,
    /// Being removed.
    Removing,
    /// A word this version of archipelago does not know.
    Unknown(String),
}

impl ContainerState {
    /// Reads podman's word; one that is not known is kept.
    pub fn from_word(word: &str) -> Self {
        match word {
            // `configured` is what podman's own code calls it, and old versions print it.
            "created" | "configured" => Self::Created,
            "initialized" => Self::Initialized,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "stopping" => Self::Stopping,
            "stopped" => Self::Stopped,
            "exited" => Self::Exited,
            "removing" => Self::Removing,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// podman's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Initialized => "initialized",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Unknown(word) => word,
        }
    }
}

impl fmt::Display for ContainerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Result of podman's health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No check has counted yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// As many checks in a row failed as the container allows.
    Unhealthy,
}

impl Health {
    /// Reads podman's word. The empty one is none: podman 4.3 prints it without a check, 5.x after a reboot.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "starting" => Some(Self::Starting),
            "healthy" => Some(Self::Healthy),
            "unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }

    /// podman's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What podman says of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatus {
    /// 64 hex digits.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// The image reference it was made from.
    pub image: String,
    /// The state word.
    pub state: ContainerState,
    /// The main process, 0 where there is none.
    pub pid: u32,
    /// Exit code as podman has it; 0 before the first end, -1 when podman lost it.
    pub exit_code: i32,
    /// Whether an OOM kill happened in its cgroup; `None` where podman cannot tell (before 5.0).
    pub oom_killed: Option<bool>,
    /// `State.Error` (podman 5). Also set by refused commands on healthy containers.
    pub error: Option<String>,
    /// Creation time.
    pub created_at: DateTime<Utc>,
    /// Last start; `None` when never started.
    pub started_at: Option<DateTime<Utc>>,
    /// Last end; `None` when it never ended. May lie before `started_at`.
    pub finished_at: Option<DateTime<Utc>>,
    /// Health, where the container has a check that podman has run.
    pub health: Option<Health>,
    /// podman's own restarts since the last start by hand.
    pub restart_count: u32,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}
