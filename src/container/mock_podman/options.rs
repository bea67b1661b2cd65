//! What `create` was asked for, as `inspect` and `ps` show it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was asked for; what nobody asked for is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// The whole command line, from `podman` on.
    pub(super) create_command: Vec<String>,
    pub(super) user: String,
    pub(super) workdir: Option<String>,
    /// Its number.
    pub(super) stop_signal: Option<u8>,
    /// Bytes.
    pub(super) shm_size: Option<u64>,
    /// Names in its network besides its own.
    pub(super) aliases: Vec<String>,
    /// A fixed address.
    pub(super) ip: Option<String>,
    pub(super) cid_file: String,
    /// The health check as `inspect` has it.
    pub(super) health: Option<Value>,
    pub(super) health_on_failure: Option<String>,
    /// A restart policy was named, be it `no`.
    pub(super) names_policy: bool,
    /// Secrets that are files, as `inspect` has them.
    pub(super) secrets: Vec<Value>,
}

/// Signals that have a number of their own on all machines, by number.
const SIGNALS: [(u8, &str); 16] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (18, "CONT"),
    (28, "WINCH"),
];

/// The number of a signal that is named with or without `SIG`, in whichever case, or by its number.
pub(super) fn signal_number(text: &str) -> Option<u8> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let known = |number: u8| SIGNALS.iter().find(|(known, _)| *known == number);
    match name.parse::<u8>() {
        Ok(number) => known(number).map(|(number, _)| *number),
        Err(_) => SIGNALS
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(number, _)| *number),
    }
}

/// `SIGTERM` for 15.
pub(super) fn signal_name(number: u8) -> String {
    SIGNALS
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| number.to_string(), |(_, name)| format!("SIG{name}"))
}

/// Which no program survives.
pub(super) const SIGKILL: u8 = 9;
/// podman's stop signal where none is given: SIGTERM.
pub(super) const STOP_SIGNAL: u8 = 15;
