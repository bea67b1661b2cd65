//! What the daemon has in memory of its packages.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{Notification, Operation, PackageRecord, Phase, UserStopped};
use crate::catalog::ContainerManifest;
use crate::container::status::ContainerStatus;
use crate::crash_recovery::Snapshot;
use crate::restart_tracker::RestartTracker;

/// All that is in memory. What the fields up to `notifications` hold has its file.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) records: BTreeMap<String, PackageRecord>,
    pub(crate) stopped: UserStopped,
    pub(crate) tracker: RestartTracker,
    pub(crate) snapshot: Option<Snapshot>,
    /// Packages whose record could not be read and is not there.
    pub(crate) lost_records: BTreeSet<String>,
    /// What the user stopped could not be read and is not there.
    pub(crate) lost_intents: bool,
    pub(crate) notifications: Vec<Notification>,
    /// What the last look at podman found, to tell of differences.
    pub(crate) seen: BTreeMap<String, ContainerStatus>,
    pub(crate) operations: BTreeMap<String, Operation>,
    pub(crate) podman_error: Option<String>,
    pub(crate) recovering: bool,
    /// Packages that the monitor is healing.
    pub(crate) healing: BTreeSet<String>,
    /// Containers that podman says run and whose process is gone, at the monitor's last look.
    pub(crate) dead: BTreeSet<String>,
    /// Completed passes of the health monitor, and the end of the last one.
    pub(crate) looks: u64,
    pub(crate) last_look: Option<DateTime<Utc>>,
}

impl Book {
    /// Containers of packages that are wholly installed, with their package.
    pub(crate) fn installed(&self) -> impl Iterator<Item = (&str, &ContainerManifest)> {
        self.records
            .iter()
            .filter(|(_, record)| record.phase == Phase::Installed)
            .flat_map(|(id, record)| {
                record
                    .manifest
                    .containers
                    .iter()
                    .map(move |c| (id.as_str(), c))
            })
    }

    pub(crate) fn busy(&self) -> BTreeMap<String, &'static str> {
        self.operations
            .iter()
            .map(|(id, operation)| (id.clone(), operation.name()))
            .collect()
    }
}
