//! How the last daemon ended: PID file and snapshot against this boot. Pure.

use serde::{Deserialize, Serialize};

use super::Snapshot;
use crate::host::ProcessIdentity;

/// Which daemon runs, or ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidFile {
    /// The process.
    pub process: ProcessIdentity,
    /// The boot it belongs to.
    pub boot_id: String,
}

/// How the last daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// Properly, in this boot, or there was none: nothing to bring back.
    Clean,
    /// Properly, and the machine was restarted since.
    Rebooted,
    /// By a kill or a crash, in this boot. The pid, where its file was readable.
    Killed {
        /// The pid.
        pid: Option<u32>,
    },
    /// With the machine.
    PowerLost,
}

impl Past {
    /// Whether containers may have to be brought back.
    #[must_use]
    pub fn needs_recovery(&self) -> bool {
        *self != Self::Clean
    }

    /// Whether the last daemon ended without saying so.
    #[must_use]
    pub fn was_unclean(&self) -> bool {
        matches!(self, Self::Killed { .. } | Self::PowerLost)
    }
}

/// A daemon runs on this state folder already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another archipelago runs on this state folder{}; stop it first", pid.map_or_else(String::new, |pid| format!(", with pid {pid}")))]
pub struct AlreadyRunning {
    /// Its pid, where it has said so.
    pub pid: Option<u32>,
}

/// How the last daemon ended. Pure.
///
/// # Errors
/// [`AlreadyRunning`] when it has not.
pub fn what_happened(
    pid_file: Option<&PidFile>,
    snapshot: Option<&Snapshot>,
    boot_id: &str,
    is_alive: impl FnOnce(&ProcessIdentity) -> bool,
) -> Result<Past, AlreadyRunning> {
    match (pid_file, snapshot) {
        (Some(file), _) if file.boot_id != boot_id => Ok(Past::PowerLost),
        (Some(file), _) if is_alive(&file.process) => Err(AlreadyRunning {
            pid: Some(file.process.pid),
        }),
        (Some(file), _) => Ok(Past::Killed {
            pid: Some(file.process.pid),
        }),
        (None, Some(snapshot)) if snapshot.boot_id != boot_id => Ok(Past::Rebooted),
        (None, _) => Ok(Past::Clean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> ProcessIdentity {
        ProcessIdentity {
            pid,
            start_ticks: 1,
        }
    }

    fn snapshot(boot_id: &str, containers: &[&str]) -> Snapshot {
        Snapshot {
            boot_id: boot_id.to_owned(),
            containers: containers.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn how_the_last_daemon_ended() {
        let file = PidFile {
            process: process(7),
            boot_id: "now".to_owned(),
        };
        let old = snapshot("before", &[]);
        let alive = |_: &ProcessIdentity| true;
        let dead = |_: &ProcessIdentity| false;
        let killed = Past::Killed { pid: Some(7) };
        assert_eq!(what_happened(None, None, "now", dead), Ok(Past::Clean));
        assert_eq!(
            what_happened(None, Some(&snapshot("now", &[])), "now", dead),
            Ok(Past::Clean)
        );
        assert_eq!(
            what_happened(None, Some(&old), "now", dead),
            Ok(Past::Rebooted)
        );
        assert_eq!(
            what_happened(Some(&file), Some(&old), "now", dead),
            Ok(killed)
        );
        assert_eq!(
            what_happened(Some(&file), None, "now", alive),
            Err(AlreadyRunning { pid: Some(7) })
        );
        // A pid of another boot says nothing, also when some process has it now.
        assert_eq!(
            what_happened(Some(&file), None, "later", alive),
            Ok(Past::PowerLost)
        );
    }
}
