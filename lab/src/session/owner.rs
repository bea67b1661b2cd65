//! Who owns what the lab makes: one process, named so that no later process can be taken for it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The label that marks every container of ours; its value is the lab's id. Its volumes are anonymous and go with it.
pub const LABEL_LAB: &str = "io.archipelago.lab";
/// The label with the [`Owner`] as its value, or [`KEPT`].
pub const LABEL_OWNER: &str = "io.archipelago.lab.owner";
/// The label with the name people use (`lab shell NAME`).
pub const LABEL_NAME: &str = "io.archipelago.lab.name";
/// The label with the state directory of the session that made it: each keeper removes what is left in its own.
pub const LABEL_SESSION: &str = "io.archipelago.lab.session";
/// The label with the [`Owner`] that started a kept lab: until the lab is ready it is that process's.
pub const LABEL_STARTER: &str = "io.archipelago.lab.starter";
/// The owner of a lab that was started for a person (`lab up`): it stays until `lab down`.
pub const KEPT: &str = "kept";

/// A process, told apart from a later one with the same pid by its start time and the boot it lived in.
///
/// As text `PID:START:BOOT`, for instance `4711:88123:2b0c3d0e-…`; START is in clock ticks since boot
/// (field 22 of `/proc/PID/stat`, proc(5)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub started: u64,
    /// The kernel's boot id.
    pub boot_id: String,
}

/// A process could not be identified.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// A file below `/proc` was not readable.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file below `/proc` or a label did not have the expected form.
    #[error("`{text}` does not name a process as PID:START:BOOT")]
    Malformed {
        /// The text.
        text: String,
    },
}

impl Owner {
    /// This process.
    pub fn current() -> Result<Self, OwnerError> {
        Self::of(std::process::id())
    }

    /// The process that has this pid now.
    pub fn of(pid: u32) -> Result<Self, OwnerError> {
        let stat = read(format!("/proc/{pid}/stat").into())?;
        let started = start_time(&stat).ok_or(OwnerError::Malformed { text: stat })?;
        Ok(Self {
            pid,
            started,
            boot_id: boot_id()?,
        })
    }

    /// Whether that very process still runs. A zombie does not: it can own nothing any more.
    pub fn is_alive(&self) -> bool {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)) else {
            return false;
        };
        start_time(&stat) == Some(self.started)
            && !matches!(state(&stat), Some('Z' | 'X'))
            && boot_id().is_ok_and(|boot| boot == self.boot_id)
    }
}

/// The boot id of the running kernel.
fn boot_id() -> Result<String, OwnerError> {
    Ok(read("/proc/sys/kernel/random/boot_id".into())?
        .trim()
        .to_owned())
}

fn read(path: PathBuf) -> Result<String, OwnerError> {
    std::fs::read_to_string(&path).map_err(|source| OwnerError::Unreadable { path, source })
}

/// The fields after the command name, which may itself hold spaces and parentheses.
fn fields(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

/// Field 22 of `/proc/PID/stat`.
fn start_time(stat: &str) -> Option<u64> {
    fields(stat)?.nth(19)?.parse().ok()
}

/// Field 3 of `/proc/PID/stat`.
fn state(stat: &str) -> Option<char> {
    fields(stat)?.next()?.chars().next()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.pid, self.started, self.boot_id)
    }
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || OwnerError::Malformed {
            text: text.to_owned(),
        };
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (Some(pid), Some(started), Some(boot_id)) = (next(), next(), next()) else {
            return Err(malformed());
        };
        Ok(Self {
            pid: pid.parse().map_err(|_| malformed())?,
            started: started.parse().map_err(|_| malformed())?,
            boot_id: boot_id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 8812345 9 10";

    #[test]
    fn start_time_and_state_are_found_behind_a_hostile_command_name() {
        assert_eq!(start_time(STAT), Some(8_812_345));
        assert_eq!(state(STAT), Some('S'));
    }

    #[test]
    fn text_form_round_trips() {
        let owner = Owner {
            pid: 7,
            started: 99,
            boot_id: "2b0c-3d".into(),
        };
        assert_eq!(owner.to_string().parse::<Owner>().unwrap(), owner);
        for text in ["", "7", "7:", "7:99:", "x:99:b", "7:y:b"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }

    #[test]
    fn this_process_is_alive_and_a_later_one_with_its_pid_is_not() {
        let me = Owner::current().unwrap();
        assert!(me.is_alive());
        let other_start = Owner {
            started: me.started + 1,
            ..me.clone()
        };
        let other_boot = Owner {
            boot_id: "another".into(),
            ..me
        };
        assert!(!other_start.is_alive());
        assert!(!other_boot.is_alive());
    }

    #[test]
    fn an_ended_process_that_nobody_waited_for_is_not_alive() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let owner = Owner::of(child.id()).unwrap();
        assert!(owner.is_alive());
        child.kill().unwrap();
        // Not waited for yet: a zombie at the latest once it is reaped, so wait for the state itself.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while owner.is_alive() {
            assert!(
                std::time::Instant::now() < deadline,
                "the killed child still counts as alive"
            );
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
