//! A checkout of its own, to build or to change something in.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::script::root;
use crate::trial::Outcome;

/// A clean checkout with what is not committed yet, and what a runner has beside it. It goes with the value; what cargo has
/// built in it is kept for the next one, as a runner's cache does.
pub(crate) struct Checkout {
    folder: tempfile::TempDir,
}

impl Checkout {
    /// Makes one; the name is a part of its path.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let parent = root().join("target/workflows");
        std::fs::create_dir_all(&parent).map_err(|error| error.to_string())?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(parent)
            .map_err(|error| error.to_string())?;
        let checkout = Self { folder };
        std::fs::create_dir(checkout.temp()).map_err(|error| error.to_string())?;
        let script = r#"
            git clone --quiet --local "$1" "$2"
            git -C "$1" ls-files --modified --others --exclude-standard -z |
                while IFS= read -r -d '' path; do
                    if [[ -e $1/$path ]]; then
                        mkdir -p "$(dirname "$2/$path")"
                        cp -p "$1/$path" "$2/$path"
                    else
                        rm -f "$2/$path"
                    fi
                done
        "#;
        let mut copy = Command::new("bash");
        copy.args(["-euo", "pipefail", "-c", script, "bash"])
            .arg(root())
            .arg(checkout.path());
        said("the checkout", &mut copy)?;
        let cache = root().join("target/workflows/cache");
        std::fs::create_dir_all(&cache)
            .and_then(|()| std::os::unix::fs::symlink(&cache, checkout.path().join("target")))
            .map_err(|error| error.to_string())?;
        Ok(checkout)
    }

    /// The root of its sources.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("checkout")
    }

    /// Room beside it.
    pub(crate) fn temp(&self) -> PathBuf {
        self.folder.path().join("temp")
    }
}

/// Runs a command; what it said is the error where it failed.
pub(crate) fn said(what: &str, command: &mut Command) -> Outcome {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!(
        "{what}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    ))
}
