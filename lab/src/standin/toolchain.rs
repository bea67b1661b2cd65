//! The Rust toolchain of this machine, shown to a stand-in: what is built there is built as on a node.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{StandInError, io};
use crate::image::inputs::source_root;
use crate::lab::LabBuilder;

/// Where the toolchain is on a stand-in.
pub(super) const RUST: &str = "/opt/rust";
/// Where the crates of cargo's registry are.
pub(super) const CRATES: &str = "/opt/crates";

/// Lays out what rustup would: `$1` is the user. Programs and crates are links to what is mounted; all else that cargo
/// writes goes to the user's own folder.
pub(super) const SET_UP: &str = r#"
home=$(getent passwd "$1" | cut -d: -f6)
install -d -o "$1" -g "$1" "$home/.cargo" "$home/.cargo/bin"
for program in /opt/rust/bin/*; do ln -sf "$program" "$home/.cargo/bin/"; done
ln -sfn /opt/crates "$home/.cargo/registry"
echo 'export PATH="$HOME/.cargo/bin:$PATH"' >"$home/.cargo/env"
grep -q '.cargo/env' "$home/.profile" 2>/dev/null || echo '. "$HOME/.cargo/env"' >>"$home/.profile"
chown -Rh "$1:$1" "$home/.cargo" "$home/.profile"
"#;

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toolchain {
    sysroot: PathBuf,
    crates: PathBuf,
}

impl Toolchain {
    /// The one that builds these sources.
    pub(super) async fn find() -> Result<Self, StandInError> {
        let output = tokio::process::Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(source_root())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(io("start rustc, whose toolchain a stand-in is shown"))?;
        let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if !output.status.success() || !sysroot.join("bin/cargo").is_file() {
            return Err(StandInError::NoToolchain {
                looked: sysroot.join("bin/cargo"),
            });
        }
        let crates = cargo_home().join("registry");
        if !crates.is_dir() {
            return Err(StandInError::NoToolchain { looked: crates });
        }
        Ok(Self { sysroot, crates })
    }

    /// Shows it, read-only.
    pub(super) fn mount(&self, lab: LabBuilder) -> LabBuilder {
        lab.mount(&self.sysroot, RUST).mount(&self.crates, CRATES)
    }
}

/// Where cargo keeps its crates.
fn cargo_home() -> PathBuf {
    match std::env::var_os("CARGO_HOME") {
        Some(home) if !home.is_empty() => home.into(),
        _ => std::env::var_os("HOME")
            .map_or(Path::new("/").to_owned(), PathBuf::from)
            .join(".cargo"),
    }
}
