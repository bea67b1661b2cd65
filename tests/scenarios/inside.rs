//! What is asked in a node's own shell, the same way in a lab and on a live node.

/// Kills the main process of the container `$1`.
pub(crate) const KILL: &str = "kill -KILL \"$(podman inspect --format '{{.State.Pid}}' \"$1\")\"";
/// Prints the daemon's pid; 0 while there is none.
pub(crate) const DAEMON_PID: [&str; 5] = [
    "systemctl",
    "show",
    "--property=MainPID",
    "--value",
    "archipelago.service",
];
/// Makes the health monitor look.
pub(crate) const LOOK_NOW: [&str; 5] = [
    "systemctl",
    "kill",
    "--kill-who=main",
    "--signal=USR1",
    "archipelago.service",
];
/// Prints every file below archipelago's state folder but those below `$1` in it, for [`files`]. A temporary file may be gone
/// by the time it is read.
pub(crate) const STATE: &str = "cd /var/lib/archipelago && find . -path \"./$1\" -prune -o -type f -print | while read -r f; do content=$(cat \"$f\" 2>/dev/null) || continue; printf '%s\\0%s\\0' \"${f#./}\" \"$content\"; done";

/// Paths and contents, of what [`STATE`] prints.
pub(crate) fn files(text: &str) -> Vec<(String, String)> {
    let mut parts = text.split('\0');
    let mut files = Vec::new();
    while let (Some(path), Some(content)) = (parts.next(), parts.next()) {
        files.push((path.to_owned(), content.to_owned()));
    }
    files
}
