//! Where the keys of a stand-in lie.

use std::path::{Path, PathBuf};

use super::{StandInError, io};
use crate::session::Session;

/// A folder that goes with the stand-in.
#[derive(Debug)]
pub(super) enum Folder {
    /// With this process.
    Ours(tempfile::TempDir),
    /// In the session's folder, and at the latest with that.
    Kept(PathBuf),
}

impl Folder {
    /// One that nobody else finds.
    pub(super) fn ours(session: &Session) -> Result<Self, StandInError> {
        session
            .scratch()
            .map(Self::Ours)
            .map_err(io("make a folder for keys"))
    }

    /// That of a kept stand-in; made with its keys.
    pub(super) fn kept(session: &Session, name: &str) -> Self {
        Self::Kept(session.state_dir().join(format!("node-{name}")))
    }

    /// Makes it where it is missing.
    pub(super) fn make(&self) -> Result<(), StandInError> {
        std::fs::create_dir_all(self.path())
            .map_err(io(format!("make `{}`", self.path().display())))
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Ours(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }

    /// Removes it; one that is gone already is fine.
    pub(super) fn remove(self) -> Result<(), StandInError> {
        let path = self.path().to_owned();
        let removed = match self {
            Self::Ours(folder) => folder.close(),
            Self::Kept(path) => std::fs::remove_dir_all(path),
        };
        match removed {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(io(format!("remove `{}`", path.display()))),
        }
    }
}
