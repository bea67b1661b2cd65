//! The keys of a stand-in: one to log in with, one by which the node is known.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{StandInError, io};

/// The folder with the keys of one stand-in.
#[derive(Debug)]
pub(super) struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// Those that lie in a folder.
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Makes both pairs anew.
    pub(super) async fn make(&self) -> Result<(), StandInError> {
        for (path, comment) in [(self.key(), "stand-in"), (self.host_key(), "stand-in-host")] {
            generate(&path, comment).await?;
        }
        Ok(())
    }

    /// The private key to log in with.
    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// The host's private key.
    pub(super) fn host_key(&self) -> PathBuf {
        self.folder.join("host-key")
    }

    /// ssh's list of known hosts.
    pub(super) fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Whose key may log in: the line for `authorized_keys`.
    pub(super) fn public(&self) -> Result<String, StandInError> {
        read(&self.folder.join("key.pub"))
    }

    /// Writes the list of known hosts for a port on loopback.
    pub(super) fn know(&self, port: u16) -> Result<(), StandInError> {
        let public = read(&self.folder.join("host-key.pub"))?;
        let path = self.known_hosts();
        std::fs::write(&path, known_host(port, &public))
            .map_err(io(format!("write `{}`", path.display())))
    }
}

/// A line of ssh's list of known hosts: without the comment of the key.
fn known_host(port: u16, public: &str) -> String {
    let words: Vec<&str> = public.split_whitespace().take(2).collect();
    format!("[127.0.0.1]:{port} {}\n", words.join(" "))
}

/// Makes a key pair without a passphrase; one of that name is replaced.
pub(super) async fn generate(path: &Path, comment: &str) -> Result<(), StandInError> {
    for old in [path.to_owned(), path.with_extension("pub")] {
        if old.exists() {
            std::fs::remove_file(&old).map_err(io(format!("remove `{}`", old.display())))?;
        }
    }
    let output = tokio::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(io(
            "start ssh-keygen (Debian: openssh-client, Fedora: openssh)",
        ))?;
    if output.status.success() {
        return Ok(());
    }
    Err(StandInError::Program {
        program: "ssh-keygen",
        ended: output.status,
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn read(path: &Path) -> Result<String, StandInError> {
    std::fs::read_to_string(path).map_err(io(format!("read `{}`", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_host_is_its_address_and_key() {
        assert_eq!(
            known_host(2222, "ssh-ed25519 AAAA comment\n"),
            "[127.0.0.1]:2222 ssh-ed25519 AAAA\n"
        );
    }
}
