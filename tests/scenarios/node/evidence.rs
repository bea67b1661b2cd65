//! What can be learned of a failure on a node, kept on this machine before the node is cleaned up.

use std::path::PathBuf;

use super::error::NodeError;
use super::ssh::Session;
use crate::stage::Stage;

const UNIT: &str = "archipelago.service";
/// How many of the journal's lines are shown with the error; all are kept.
const SHOWN: usize = 5;

/// Where the daemon's journal ends; none where it is empty.
pub(super) async fn cursor(session: &Session) -> Result<Option<String>, NodeError> {
    let argv = [
        "journalctl",
        "--quiet",
        "--no-pager",
        "--lines=1",
        "--show-cursor",
        "--output=cat",
        "--unit",
        UNIT,
    ];
    let text = session
        .succeed("find the end of the journal", &argv, b"")
        .await?;
    let mut lines = text.lines();
    Ok(lines.find_map(|line| line.strip_prefix("-- cursor: ").map(str::to_owned)))
}

/// Keeps the timeline, podman's containers and the daemon's journal since a cursor; says where they lie.
pub(super) async fn keep(
    name: &str,
    session: &Session,
    stage: &Stage,
    cursor: Option<&str>,
) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("target/node")
        .join(name.replace("::", "-"));
    let mut journal = vec![
        "journalctl",
        "--no-pager",
        "--quiet",
        "--output=short-precise",
        "--unit",
        UNIT,
    ];
    let after = cursor.map(|cursor| format!("--after-cursor={cursor}"));
    journal.extend(after.as_deref());
    let containers = ["podman", "ps", "--all"];
    let mut said = Vec::new();
    for argv in [&journal[..], &containers] {
        // What cannot be had is no reason to lose the rest.
        said.push(match session.succeed("tell what it did", argv, b"").await {
            Ok(text) => text,
            Err(error) => format!("{}\n", archipelago_lab::chain(&error)),
        });
    }
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| {
            std::fs::write(
                folder.join("timeline.txt"),
                stage.timeline.join("\n") + "\n",
            )
        })
        .and_then(|()| std::fs::write(folder.join("journal.txt"), &said[0]))
        .and_then(|()| std::fs::write(folder.join("containers.txt"), &said[1]));
    if let Err(error) = written {
        return format!("no evidence: {error}");
    }
    let lines: Vec<&str> = said[0].lines().collect();
    format!(
        "the daemon's last words:\n  {}\nevidence: {}",
        lines[lines.len().saturating_sub(SHOWN)..].join("\n  "),
        folder.display()
    )
}
