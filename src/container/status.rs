//! What podman says of one container, as a value. Parsing is pure: bytes in, [`ContainerStatus`] out.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// The state word of podman's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
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
