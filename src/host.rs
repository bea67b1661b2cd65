//! What archipelago asks the kernel: the boot id and which processes live. A trait, so that tests can reboot.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};

/// A process, told from a later one with the same pid by its start time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process id.
    pub pid: u32,
    /// Start time: clock ticks since boot, field 22 of `/proc/PID/stat` (proc_pid_stat(5)).
    pub start_ticks: u64,
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

/// This process, as long as the value is held.
#[derive(Debug)]
pub struct OwnProcess {
    /// Its identity.
    pub identity: ProcessIdentity,
    /// What [`MockHost`] knows a living "process" by.
    _alive: Arc<()>,
}

/// The machine, apart from podman.
pub trait Host: Send + Sync {
    /// The id of this boot; another one after each reboot. Empty where the kernel does not tell.
    fn boot_id(&self) -> String;
    /// This process.
    fn own_process(&self) -> OwnProcess;
    /// Whether exactly that process still lives.
    fn is_alive(&self, process: &ProcessIdentity) -> bool;
    /// Whether any process has this pid: the check for containers that "run" with a dead process.
    fn pid_exists(&self, pid: u32) -> bool;
}

/// The real kernel, by way of `/proc`.
#[derive(Debug, Clone, Copy)]
pub struct RealHost;

impl Host for RealHost {
    fn boot_id(&self) -> String {
        match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(id) => id.trim().to_owned(),
            Err(error) => {
                tracing::warn!(%error, "no boot id; a reboot is told from a restart by process start times only");
                String::new()
            }
        }
    }

    fn own_process(&self) -> OwnProcess {
        let pid = std::process::id();
        OwnProcess {
            identity: ProcessIdentity {
                pid,
                start_ticks: start_ticks(pid).unwrap_or(0),
            },
            _alive: Arc::new(()),
        }
    }

    fn is_alive(&self, process: &ProcessIdentity) -> bool {
        match fs::read_to_string(format!("/proc/{}/stat", process.pid)) {
            Ok(stat) => !has_ended(&stat) && start_ticks_of(&stat) == Some(process.start_ticks),
            Err(_) => false,
        }
    }

    fn pid_exists(&self, pid: u32) -> bool {
        match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => !has_ended(&stat),
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    }
}

fn start_ticks(pid: u32) -> Option<u64> {
    start_ticks_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22; the command name (field 2) may hold spaces and parentheses, so count from its last `)`.
fn start_ticks_of(stat: &str) -> Option<u64> {
    after_name(stat)?.split_whitespace().nth(19)?.parse().ok()
}

/// A zombie has ended: only its parent has not asked how.
fn has_ended(stat: &str) -> bool {
    let letter = after_name(stat).and_then(|rest| rest.trim_start().chars().next());
    matches!(letter, Some('Z' | 'X'))
}

fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest)
}

/// A machine in memory, for tests: processes live as long as their [`OwnProcess`] is held, boots are counted.
#[derive(Clone, Default)]
pub struct MockHost {
    state: Arc<Mutex<MockHostState>>,
}

#[derive(Default)]
struct MockHostState {
    boot: u32,
    next_pid: u32,
    processes: Vec<(ProcessIdentity, Weak<()>)>,
    dead_pids: BTreeSet<u32>,
}

impl MockHost {
    /// A machine in its first boot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another boot: every process of before is gone.
    pub fn reboot(&self) {
        let mut state = self.lock();
        state.boot += 1;
        state.processes.clear();
    }

    /// Makes [`Host::pid_exists`] deny `pid`, as for a container whose process and conmon were killed.
    pub fn bury(&self, pid: u32) {
        self.lock().dead_pids.insert(pid);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, MockHostState> {
        // The state is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for MockHost {
    fn boot_id(&self) -> String {
        format!("mock-boot-{}", self.lock().boot)
    }

    fn own_process(&self) -> OwnProcess {
        let mut state = self.lock();
        state.next_pid += 1;
        let identity = ProcessIdentity {
            pid: 1000 + state.next_pid,
            start_ticks: u64::from(state.next_pid),
        };
        let alive = Arc::new(());
        state
            .processes
            .push((identity.clone(), Arc::downgrade(&alive)));
        OwnProcess {
            identity,
            _alive: alive,
        }
    }

    fn is_alive(&self, process: &ProcessIdentity) -> bool {
        self.lock()
            .processes
            .iter()
            .any(|(identity, alive)| identity == process && alive.strong_count() > 0)
    }

    fn pid_exists(&self, pid: u32) -> bool {
        !self.lock().dead_pids.contains(&pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_spaces_and_parentheses_in_the_name() {
        let stat = "7 (a) Z (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert!(!has_ended(stat));
        assert_eq!(start_ticks_of(stat), Some(4242));
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = std::process::Command::new("/bin/true")
            .spawn()
            .expect("a child");
        let identity = ProcessIdentity {
            pid: child.id(),
            start_ticks: start_ticks(child.id()).expect("not reaped yet, so it is listed"),
        };
        // It ends, and stays listed until it is waited for.
        while RealHost.is_alive(&identity) {
            std::thread::yield_now();
        }
        assert!(start_ticks(child.id()).is_some());
        assert!(!RealHost.pid_exists(child.id()));
        child.wait().expect("reaped");
    }

    #[test]
    fn this_process_lives_and_one_with_another_start_time_does_not() {
        let own = RealHost.own_process();
        assert!(RealHost.is_alive(&own.identity));
        assert!(RealHost.pid_exists(own.identity.pid));
        let other = ProcessIdentity {
            start_ticks: own.identity.start_ticks + 1,
            ..own.identity
        };
        assert!(!RealHost.is_alive(&other));
    }
}
