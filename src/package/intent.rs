//! What the user asked for. Outlives restarts of the daemon and of the machine.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The state file.
pub(super) const FILE: &str = "user-stopped.json";

/// The packages that the user stopped, and when. Every other installed package is meant to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStopped {
    packages: BTreeMap<String, DateTime<Utc>>,
}

impl UserStopped {
    /// The user stopped it.
    pub fn stop(&mut self, package: &str, now: DateTime<Utc>) {
        self.packages.entry(package.to_owned()).or_insert(now);
    }

    /// The user started, installed or removed it.
    pub fn clear(&mut self, package: &str) {
        self.packages.remove(package);
    }

    /// Whether the user stopped it.
    #[must_use]
    pub fn is_stopped(&self, package: &str) -> bool {
        self.packages.contains_key(package)
    }

    /// All that the user stopped.
    #[must_use]
    pub fn packages(&self) -> BTreeSet<String> {
        self.packages.keys().cloned().collect()
    }
}
