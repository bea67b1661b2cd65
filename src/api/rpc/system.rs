//! `system.*`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, Nothing, RpcError};
use crate::health_monitor::Decision;
use crate::metrics::Usage;
use crate::package::{Notification, Packages};

/// How the daemon itself is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::api) struct Health {
    status: HealthStatus,
    /// Crash recovery is under way.
    recovering: bool,
    /// Why podman could not be asked at the last look.
    podman_error: Option<String>,
    /// Operations under way, by package.
    operations: BTreeMap<String, &'static str>,
    /// Packages that the monitor is at work on.
    healing: BTreeSet<String>,
    /// Passes of the health monitor since the daemon started in which podman could be asked.
    looks: u64,
    /// The end of the last one.
    last_look: Option<DateTime<Utc>>,
}

/// How the daemon itself is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) enum HealthStatus {
    /// As it should be.
    #[serde(rename = "ok")]
    Ok,
    /// It brings back what ran before a crash.
    #[serde(rename = "recovering")]
    Recovering,
    /// podman could not be asked.
    #[serde(rename = "podman failed")]
    PodmanFailed,
}

impl Health {
    /// Asks nobody.
    pub(in crate::api) fn of(packages: &Packages) -> Self {
        let book = packages.book();
        let status = if book.recovering {
            HealthStatus::Recovering
        } else if book.podman_error.is_some() {
            HealthStatus::PodmanFailed
        } else {
            HealthStatus::Ok
        };
        Self {
            status,
            recovering: book.recovering,
            podman_error: book.podman_error.clone(),
            operations: book.busy(),
            healing: book.healing.clone(),
            looks: book.looks,
            last_look: book.last_look,
        }
    }

    /// Whether both are the same to a user, for whom counters and what is under way are told otherwise.
    pub(in crate::api) fn shows_as(&self, other: &Self) -> bool {
        (self.status, &self.podman_error) == (other.status, &other.podman_error)
    }
}

/// Versions.
#[derive(Serialize, JsonSchema)]
pub(super) struct Version {
    archipelago: &'static str,
    podman: String,
}

/// How the daemon itself is. It answers also while podman hangs.
pub(super) async fn health(context: Context, _: Nothing) -> Result<Health, RpcError> {
    Ok(Health::of(&context.packages))
}

/// What containers use of the machine.
pub(super) async fn metrics(context: Context, _: Nothing) -> Result<Usage, RpcError> {
    Ok(context.collector.usage())
}

/// What the user should know.
pub(super) async fn notifications(
    context: Context,
    _: Nothing,
) -> Result<Vec<Notification>, RpcError> {
    Ok(context.packages.notifications())
}

/// What the monitor would do now.
pub(super) async fn plan(context: Context, _: Nothing) -> Result<Vec<Decision>, RpcError> {
    Ok(context.monitor.plan_now().await?)
}

/// Versions of archipelago and podman.
pub(super) async fn version(context: Context, _: Nothing) -> Result<Version, RpcError> {
    let podman = context.packages.podman.version().await?;
    Ok(Version {
        archipelago: env!("CARGO_PKG_VERSION"),
        podman: podman.to_string(),
    })
}
