//! What containers use of the machine, asked now and then.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use super::Meter;
use crate::container::podman::ContainerStats;
use crate::package::{Change, Packages, chain};

/// What the containers of packages use of the machine, as it was when podman was last asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Usage {
    /// Seconds between two samples.
    pub(crate) interval_secs: u64,
    /// When podman was last asked, UTC; `null` before the first time.
    pub(crate) sampled_at: Option<DateTime<Utc>>,
    /// Why the last sample failed; what is here is of the one before then.
    pub(crate) error: Option<String>,
    /// Running containers, by name.
    pub(crate) containers: Vec<ContainerUsage>,
}

/// What one container uses.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ContainerUsage {
    /// Its package.
    pub(crate) package: String,
    /// Its name.
    pub(crate) name: String,
    /// Processor time since its start, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Share of one processor between the last two samples, in percent; `null` where it was not in both.
    pub(crate) cpu_percent: Option<f64>,
    /// Memory in use, in bytes.
    pub(crate) memory_bytes: u64,
    /// Its limit, or the memory of the machine, in bytes.
    pub(crate) memory_limit_bytes: u64,
    /// Processes and threads.
    pub(crate) pids: u64,
}

/// Samples what containers use, and counts operations.
pub(crate) struct Collector {
    packages: Arc<Packages>,
    meter: Meter,
    usage: Mutex<Usage>,
}

impl Collector {
    pub(crate) fn new(packages: Arc<Packages>, meter: Meter) -> Self {
        let usage = Usage {
            interval_secs: packages.config.metrics.interval.as_secs(),
            ..Usage::default()
        };
        Self {
            packages,
            meter,
            usage: Mutex::new(usage),
        }
    }

    /// The last sample.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// For ever.
    pub(crate) async fn run(&self) {
        tokio::join!(self.sample_always(), self.count_operations());
    }

    async fn sample_always(&self) {
        let mut ticks = interval(self.packages.config.metrics.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sample().await;
        }
    }

    async fn sample(&self) {
        let owners: Vec<(String, String)> = {
            let book = self.packages.book();
            let installed = book.installed();
            installed
                .map(|(package, manifest)| (manifest.name.clone(), package.to_owned()))
                .collect()
        };
        // podman need not be asked about nothing.
        let stats = if owners.is_empty() {
            Ok(Vec::new())
        } else {
            self.packages.podman.stats().await
        };
        let now = self.packages.clock.now();
        let before = self.usage();
        let mut usage = before.clone();
        match stats {
            Ok(stats) => {
                usage.containers = owners
                    .into_iter()
                    .filter_map(|(name, package)| {
                        let stats = stats.iter().find(|stats| stats.name == name)?;
                        Some(of(package, stats, &before, now))
                    })
                    .collect();
                usage
                    .containers
                    .sort_by(|left, right| left.name.cmp(&right.name));
                usage.sampled_at = Some(now);
                usage.error = None;
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "what containers use is not known");
                usage.error = Some(error);
            }
        }
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = usage;
    }

    /// Counts each operation when it has ended.
    async fn count_operations(&self) {
        let mut changes = self.packages.changes();
        let mut counted = BTreeSet::new();
        loop {
            let ended = match changes.recv().await {
                Ok(Change::Operation(operation)) => vec![operation],
                Ok(Change::Packages | Change::Notification(_)) => continue,
                // Some were missed: those that are still known are counted late.
                Err(RecvError::Lagged(_)) => self.packages.operations(),
                Err(RecvError::Closed) => return,
            };
            for operation in ended {
                if operation.ended_at.is_some() && counted.insert(operation.id) {
                    self.meter.ended(&operation);
                }
            }
            // Ids go up: what is no longer known does not come again.
            let known: BTreeSet<u64> = self
                .packages
                .operations()
                .iter()
                .map(|view| view.id)
                .collect();
            counted.retain(|id| known.contains(id));
        }
    }
}

fn of(
    package: String,
    stats: &ContainerStats,
    before: &Usage,
    now: DateTime<Utc>,
) -> ContainerUsage {
    let cpu = Duration::from_nanos(stats.cpu_nanos).as_secs_f64();
    let earlier = before
        .containers
        .iter()
        .find(|container| container.name == stats.name)
        .zip(before.sampled_at);
    ContainerUsage {
        package,
        name: stats.name.clone(),
        cpu_seconds: cpu,
        cpu_percent: earlier.and_then(|(earlier, at)| share(cpu - earlier.cpu_seconds, now - at)),
        memory_bytes: stats.memory_bytes,
        memory_limit_bytes: stats.memory_limit_bytes,
        pids: stats.pids,
    }
}

/// Percent of one processor. None where it was started anew in between, or the clock was set.
fn share(cpu_seconds: f64, over: TimeDelta) -> Option<f64> {
    let over = over.to_std().ok()?.as_secs_f64();
    (cpu_seconds >= 0.0 && over > 0.0).then(|| cpu_seconds / over * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_time_between_two_samples() {
        assert_eq!(share(3.0, TimeDelta::seconds(300)), Some(1.0));
        assert_eq!(share(-1.0, TimeDelta::seconds(300)), None, "started anew");
        assert_eq!(share(1.0, TimeDelta::zero()), None);
        assert_eq!(share(1.0, TimeDelta::seconds(-5)), None, "clock set back");
    }
}
