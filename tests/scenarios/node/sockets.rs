//! Folders for the sockets of ssh. A process that is killed leaves its own; the next one removes it.

use std::path::PathBuf;

use archipelago_lab::session::owner::Owner;

/// Such a folder's name: so, then pid and start time of whose it is.
const FOLDER: &str = "archipelago-node-";
/// A longer folder leaves no room for the names of sockets.
const LONGEST: usize = 60;

/// A folder for sockets. What killed processes have left of theirs goes.
pub(super) fn folder() -> std::io::Result<tempfile::TempDir> {
    let mut base = std::env::temp_dir();
    if base.as_os_str().len() > LONGEST {
        base = PathBuf::from("/tmp");
    }
    for entry in std::fs::read_dir(&base)?.flatten() {
        let name = entry.file_name();
        let whose = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        if whose.is_some_and(|whose| !is_alive(whose)) {
            // Somebody else's, where it cannot be removed.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let me = Owner::current().map_err(std::io::Error::other)?;
    tempfile::Builder::new()
        .prefix(&format!("{FOLDER}{}-{}-", me.pid, me.started))
        .tempdir_in(base)
}

/// Whether the process is there that a folder's name tells of, as `12-3456-random`.
fn is_alive(whose: &str) -> bool {
    let mut parts = whose.split('-');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (Some(pid), Some(started)) = (number(), number()) else {
        // Not one of ours.
        return true;
    };
    u32::try_from(pid)
        .ok()
        .and_then(|pid| Owner::of(pid).ok())
        .is_some_and(|owner| owner.started == started)
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;

    crate::node::checks![folders_of_dead_processes_only_are_removed];

    fn folders_of_dead_processes_only_are_removed() {
        let me = Owner::current().expect("this process");
        assert!(is_alive(&format!("{}-{}-abc", me.pid, me.started)));
        assert!(!is_alive(&format!("{}-{}-abc", me.pid, me.started + 1)));
        assert!(!is_alive("4194999-1-abc"));
        // Not ours to judge.
        assert!(is_alive("of-somebody"));
    }
}
