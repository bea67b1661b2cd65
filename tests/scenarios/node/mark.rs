//! What a run has done to a node, noted down there before it is done: so that the next run can undo what a dead one left.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::NodeError;
use super::inventory::Inventory;
use super::ssh::Session;

/// On a disk, unlike the lock: it outlives a reboot of the node.
pub(crate) const PATH: &str = "/var/lib/archipelago-node-test.json";
/// `$2` bytes, whole or not at all, and on the disk before anything else is done. Where the connection ends, so does the input.
const WRITE: &str = r#"umask 077; cat >"$1.new"; test "$(wc -c <"$1.new")" -eq "$2"; sync "$1.new"; mv "$1.new" "$1""#;

/// What a package makes on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) package: String,
    pub(crate) containers: Vec<String>,
    pub(crate) volumes: Vec<String>,
    pub(crate) images: Vec<String>,
    /// Its manifest, where the tests bring it.
    pub(crate) file: Option<String>,
}

impl Claim {
    /// Podman's secrets are named after the container that uses them.
    pub(crate) fn has_secret(&self, name: &str) -> bool {
        let mut containers = self.containers.iter();
        containers.any(|container| {
            name.strip_prefix(container.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// What one process does to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) run: String,
    pub(crate) holder: String,
    /// What was there before it did anything.
    pub(crate) before: Inventory,
    pub(crate) claims: Vec<Claim>,
}

impl Mark {
    /// What another process has left there.
    pub(crate) async fn read(session: &Session) -> Result<Option<Self>, NodeError> {
        let doing = "read what an earlier run has left";
        let argv = [
            "sh",
            "-c",
            "if test -e \"$1\"; then cat \"$1\"; fi",
            "sh",
            PATH,
        ];
        let text = session.succeed(doing, &argv, b"").await?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let mark = serde_json::from_str(&text);
        mark.map(Some).map_err(|error| NodeError::Failed {
            doing: doing.to_owned(),
            code: 0,
            said: format!(
                "`{PATH}` holds {text:?}: {error}; look at the node and remove that file"
            ),
        })
    }

    /// Notes it down.
    pub(crate) async fn write(&self, session: &Session) -> Result<(), NodeError> {
        let text = serde_json::to_vec(self).map_err(|error| NodeError::Here {
            doing: "write down what is to be done to the node",
            source: error.into(),
        })?;
        let bytes = text.len().to_string();
        let argv = ["sh", "-ec", WRITE, "sh", PATH, &bytes];
        let doing = "note down what is to be done";
        session.succeed(doing, &argv, &text).await?;
        Ok(())
    }

    /// All is undone.
    pub(crate) async fn remove(session: &Session) -> Result<(), NodeError> {
        let new = format!("{PATH}.new");
        let argv = ["rm", "-f", PATH, &new];
        session
            .succeed("remove the note of what was done", &argv, b"")
            .await?;
        Ok(())
    }

    /// Whether something is this process's, by kind and name.
    pub(crate) fn owns(&self, kind: &str, name: &str) -> bool {
        let is = |names: &[String]| names.iter().any(|own| own == name);
        self.claims.iter().any(|claim| match kind {
            "container" => is(&claim.containers),
            "volume" => is(&claim.volumes),
            "image" => is(&claim.images),
            "secret" => claim.has_secret(name),
            "file" => claim.file.as_deref() == Some(name),
            "package" => claim.package == name,
            _ => false,
        })
    }

    pub(crate) fn packages(&self) -> BTreeSet<&str> {
        self.claims
            .iter()
            .map(|claim| claim.package.as_str())
            .collect()
    }
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    crate::node::checks![a_note_that_is_cut_off_is_none];

    fn a_note_that_is_cut_off_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("note");
        let write = |text: &str, bytes: &str| {
            let mut child = Command::new("sh")
                .args(["-ec", WRITE, "sh"])
                .arg(&path)
                .arg(bytes)
                .stdin(Stdio::piped())
                .spawn()
                .expect("sh");
            let mut input = child.stdin.take().expect("its input");
            input.write_all(text.as_bytes()).expect("written");
            drop(input);
            child.wait().expect("its end").success()
        };
        assert!(write("first", "5"));
        assert!(!write("sec", "6"), "half of it was taken for all");
        let kept = std::fs::read_to_string(&path).expect("a note");
        assert_eq!(kept, "first");
        assert!(write("second", "6"));
    }
}
