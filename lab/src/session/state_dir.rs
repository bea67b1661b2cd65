//! Where keeper and owners find each other: a small directory on a tmpfs, one per engine.
//!
//! ```text
//! /run/archipelago-lab/default/      (root; else $XDG_RUNTIME_DIR/archipelago-lab/…)
//!   lock           taken for every change of who owns what
//!   keeper.json    KeeperRecord: who keeps, where the engine listens
//!   image-TAG.lock   taken while the image of that tag is made
//!   owners/        one empty file per process that may own labs, named by its Owner
//!   keeper.log  podman.log  podman.sock  containers.conf
//! ```
//! [`STATE_DIR_ENV`] names another directory: a session of its own beside all others.
//! The labels on the containers are the record of what exists; this directory only says who is alive and where.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::owner::Owner;
use super::record::KeeperRecord;
use crate::engine::Wishes;

/// Names the state directory, an absolute path: a session with its own keeper and, where no other engine is chosen, its
/// own `podman system service`.
pub const STATE_DIR_ENV: &str = "ARCHIPELAGO_LAB_STATE_DIR";

/// The state directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// A file or directory.
    #[error("cannot {action} `{path}`")]
    Io {
        /// Such as `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keeper's record does not parse: written by another version.
    #[error(
        "`{path}` was written by another version of the lab: end its keeper, then remove the file"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
    },
}

/// The folder that holds the directories of all engines.
const FAMILY: &str = "archipelago-lab";

/// The directory.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

/// The lock, let go on drop.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateDir {
    /// The directory for this user and engine; made where it is missing.
    pub fn for_wishes(wishes: &Wishes) -> Result<Self, StateDirError> {
        // A process that `enter` started anew belongs to the session it came from, whatever DOCKER_HOST it was given.
        if let Some(path) = std::env::var_os(super::SESSION_ENV) {
            let dir = Self::at(path.into());
            if let Some(record) = dir.keeper()?
                && Some(&record.endpoint) == wishes.docker_host.as_ref()
            {
                return Ok(dir);
            }
        }
        if let Some(path) = std::env::var_os(STATE_DIR_ENV).filter(|path| !path.is_empty()) {
            let dir = Self::at(path.into());
            dir.make()?;
            return Ok(dir);
        }
        let base = if wishes.root {
            PathBuf::from("/run")
        } else {
            wishes.runtime_dir.clone().unwrap_or_else(|| {
                std::env::temp_dir().join(format!("{}", rustix::process::geteuid().as_raw()))
            })
        };
        // One directory per engine that somebody chose by DOCKER_HOST: two engines have two keepers.
        let name = match &wishes.docker_host {
            Some(endpoint) => {
                let hash = Sha256::digest(endpoint.0.as_bytes());
                hash.iter()
                    .take(6)
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            }
            None => "default".to_owned(),
        };
        let dir = Self::at(base.join(FAMILY).join(name));
        dir.make()?;
        Ok(dir)
    }

    /// A given directory, not made.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    fn make(&self) -> Result<(), StateDirError> {
        // Only its owner may enter: whoever reaches the engine's socket is root on this machine.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.owners_dir())
            .map_err(self.failed("create", "owners"))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keeper's log.
    pub fn keeper_log(&self) -> PathBuf {
        self.path.join("keeper.log")
    }

    fn owners_dir(&self) -> PathBuf {
        self.path.join("owners")
    }

    fn record_path(&self) -> PathBuf {
        self.path.join("keeper.json")
    }

    fn failed(
        &self,
        action: &'static str,
        name: &str,
    ) -> impl FnOnce(std::io::Error) -> StateDirError + use<> {
        let path = self.path.join(name);
        move |source| StateDirError::Io {
            action,
            path,
            source,
        }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> Result<Lock, StateDirError> {
        loop {
            let file = self.open_lock()?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
                .map_err(|errno| self.failed("lock", "lock")(errno.into()))?;
            if self.is_current(&file) {
                return Ok(Lock { _file: file });
            }
        }
    }

    /// Takes the lock if nobody has it.
    pub fn try_lock(&self) -> Result<Option<Lock>, StateDirError> {
        let file = self.open_lock()?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(self.is_current(&file).then_some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(self.failed("lock", "lock")(errno.into())),
        }
    }

    /// Waits until no other process makes the image of that tag. Only for who is on the list of owners: the directory stays.
    pub fn lock_image(&self, tag: &str) -> Result<Lock, StateDirError> {
        let name = format!("image-{tag}.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.join(&name))
            .map_err(self.failed("open", &name))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|errno| self.failed("lock", &name)(errno.into()))?;
        Ok(Lock { _file: file })
    }

    fn open_lock(&self) -> Result<File, StateDirError> {
        self.make()?;
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.join("lock"))
            .map_err(self.failed("open", "lock"))
    }

    /// Whether the locked file is still the one of that name: a keeper that ended has removed the directory.
    fn is_current(&self, file: &File) -> bool {
        use std::os::unix::fs::MetadataExt;
        match (file.metadata(), std::fs::metadata(self.path.join("lock"))) {
            (Ok(held), Ok(named)) => held.ino() == named.ino() && held.dev() == named.dev(),
            _ => false,
        }
    }

    /// Notes that a process may own labs from now on.
    pub fn add_owner(&self, owner: &Owner) -> Result<(), StateDirError> {
        let name = format!("owners/{owner}");
        File::create(self.path.join(&name)).map_err(self.failed("create", &name))?;
        Ok(())
    }

    /// Takes a process off the list.
    pub fn remove_owner(&self, owner: &Owner) -> Result<(), StateDirError> {
        let name = format!("owners/{owner}");
        absent_is_fine(std::fs::remove_file(self.path.join(&name)))
            .map_err(self.failed("remove", &name))
    }

    /// All processes on the list, dead or alive.
    pub fn owners(&self) -> Result<Vec<Owner>, StateDirError> {
        let entries =
            std::fs::read_dir(self.owners_dir()).map_err(self.failed("list", "owners"))?;
        let mut owners = Vec::new();
        for entry in entries {
            let entry = entry.map_err(self.failed("list", "owners"))?;
            match entry.file_name().to_string_lossy().parse() {
                Ok(owner) => owners.push(owner),
                Err(error) => tracing::warn!(%error, "a foreign file in the list of owners"),
            }
        }
        Ok(owners)
    }

    /// The keeper's record, if there is one.
    pub fn keeper(&self) -> Result<Option<KeeperRecord>, StateDirError> {
        let path = self.record_path();
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| StateDirError::Foreign { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", "keeper.json")(error)),
        }
    }

    /// Writes the keeper's record, whole or not at all.
    pub fn write_keeper(&self, record: &KeeperRecord) -> Result<(), StateDirError> {
        let failed = || self.failed("write", "keeper.json");
        let mut file = tempfile::NamedTempFile::new_in(&self.path).map_err(failed())?;
        serde_json::to_writer(&mut file, record).map_err(|error| failed()(error.into()))?;
        file.persist(self.record_path())
            .map_err(|error| failed()(error.error))?;
        Ok(())
    }

    /// Removes the directory and all in it. To be done under the lock, by the keeper, as its last act.
    pub fn remove(&self) -> Result<(), StateDirError> {
        absent_is_fine(std::fs::remove_dir_all(&self.path)).map_err(self.failed("remove", ""))?;
        if self
            .path
            .parent()
            .is_none_or(|parent| !parent.ends_with(FAMILY))
        {
            // Somebody else's folder, chosen by STATE_DIR_ENV.
            return Ok(());
        }
        // The parent is shared with the directories of other engines: it goes with the last one.
        if let Some(parent) = self.path.parent() {
            match std::fs::remove_dir(parent) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.failed("remove", "..")(error)),
            }
        }
        Ok(())
    }
}

fn absent_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
