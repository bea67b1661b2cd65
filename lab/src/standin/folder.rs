//! Where the keys of a stand-in lie.

use std::path::{Path, PathBuf};

use super::{StandInError, io};
use crate::session::Session;

/// A folder that goes with the stand-in, and at the latest with the session.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Whether it goes with this value.
    ours: bool,
}

impl Folder {
    /// A new one of a stand-in of this process.
    pub(super) fn ours(session: &Session) -> Result<Self, StandInError> {
        let made = session.scratch().map_err(io("make a folder for keys"))?;
        Ok(Self {
            path: made.keep(),
            ours: true,
        })
    }

    /// A new one where a stand-in is found by its name. It goes with this value, until [`Self::keep`] is called.
    pub(super) fn named(session: &Session, name: &str) -> Result<Self, StandInError> {
        let mut folder = Self::of(session, name);
        folder.ours = true;
        std::fs::create_dir_all(&folder.path)
            .map_err(io(format!("make `{}`", folder.path.display())))?;
        Ok(folder)
    }

    /// The one of a kept stand-in.
    pub(super) fn of(session: &Session, name: &str) -> Self {
        // A name may have any characters; those of a path must not lead elsewhere.
        let name = name.replace(['/', '\0'], "-");
        Self {
            path: session.state_dir().join(format!("node-{name}")),
            ours: false,
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it when this value is dropped.
    pub(super) fn keep(&mut self) {
        self.ours = false;
    }

    /// Removes it; one that is gone already is fine.
    pub(super) fn remove(mut self) -> Result<(), StandInError> {
        self.ours = false;
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(io(format!("remove `{}`", self.path.display()))),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, folder = %self.path.display(), "keys of a stand-in stay");
        }
    }
}
