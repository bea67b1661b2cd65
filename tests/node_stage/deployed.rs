//! What archipelago there is on a stand-in, and that nothing of a run is left there.

use std::path::PathBuf;
use std::time::Duration;

use archipelago_lab::StandIn;

use crate::program::until;
use crate::trial::Outcome;

/// All that a run could change, but archipelago's own journal and state. The process must be the program that lies there.
const LOOK: &str = r#"
ls -1 /usr/local/bin
sha256sum /usr/local/bin/archipelago
systemctl is-active archipelago.service
pid=$(systemctl show --property=MainPID --value archipelago.service)
[ "/proc/$pid/exe" -ef /usr/local/bin/archipelago ] && echo 'it is what runs'
ls -d /run/archipelago-node-test /run/lock/archipelago-node-test.lock /var/lib/archipelago-node-test.json 2>/dev/null
systemctl list-units --plain --no-legend 'archipelago-deploy-guard*'
ps -o args= -u archipelago | grep -E '^(cargo|rustc|rsync|sh|sudo|cat)( |$)'
podman ps --all --format 'container {{.Names}}'
podman volume ls --format 'volume {{.Name}}'
:
"#;

/// What is on the node, in words to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deployed(String);

impl Deployed {
    /// As it is now.
    pub(crate) async fn on(node: &StandIn) -> Result<Self, String> {
        shell(node, LOOK).await.map(Self)
    }

    /// Waits until the node is as it was; what a run has begun may take a moment to end.
    pub(crate) async fn is_back_on(&self, node: &StandIn) -> Outcome {
        self.is_back_within(node, Duration::from_secs(20)).await
    }

    /// The same with more patience.
    pub(crate) async fn is_back_within(&self, node: &StandIn, within: Duration) -> Outcome {
        until("the node is as it was", within, async || {
            let now = Self::on(node).await?;
            if now == *self {
                Ok(())
            } else {
                Err(format!("before:\n{}\nnow:\n{}", self.0, now.0))
            }
        })
        .await
    }
}

/// Runs a shell script as root there, past ssh; what it prints.
pub(crate) async fn shell(node: &StandIn, script: &str) -> Result<String, String> {
    node.lab()
        .succeed(&["sh", "-uc", script])
        .await
        .map_err(|error| archipelago_lab::chain(&error))
}

/// A new archipelago that is as good as the one on the node, and another file.
pub(crate) fn good(folder: &tempfile::TempDir) -> Result<String, String> {
    let path = folder.path().join("good");
    let mut program =
        std::fs::read(env!("CARGO_BIN_EXE_archipelago")).map_err(|error| error.to_string())?;
    // Whatever follows the last section is of no interest to the kernel.
    program.extend_from_slice(b"another build\n");
    write_program(path, &program)
}

/// A new archipelago that can be built and knows its version, and does not come up.
pub(crate) fn broken(folder: &tempfile::TempDir) -> Result<String, String> {
    let script = "#!/bin/sh\n[ \"$1\" = version ] && { echo 'archipelago 0'; exit; }\necho 'cannot serve: broken on purpose' >&2\nexit 1\n";
    write_program(folder.path().join("broken"), script.as_bytes())
}

/// What cannot be started on the node at all.
pub(crate) fn foreign(folder: &tempfile::TempDir) -> Result<String, String> {
    write_program(
        folder.path().join("foreign"),
        b"\x7fELF of another processor",
    )
}

fn write_program(path: PathBuf, bytes: &[u8]) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let written = std::fs::write(&path, bytes)
        .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)));
    written.map_err(|error| error.to_string())?;
    Ok(path.display().to_string())
}

/// A folder for such programs.
pub(crate) fn folder() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir().map_err(|error| error.to_string())
}
