//! The state in a folder, for several processes at once.
//!
//! | file | what |
//! |---|---|
//! | `lock` | locked (`flock`) while the state is read, changed and written; never while a command waits |
//! | `state` | everything but the event log: a line that says what it is, then MessagePack |
//! | `events.BOOT` | the event log of a boot; as many bytes of it count as `state` says |
//! | `calls` | a line of JSON for each command line |
//!
//! `state` is written beside itself and renamed, and what is appended to the log counts only then: a process that is
//! killed has done a step or has not.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::events::Logged;
use super::state::State;
use super::{FIXTURE_IMAGE, images, lock};
use crate::container::podman::PodmanVersion;

/// The first line of `state`; another one is of another build.
const HEADER: &[u8] = concat!("mock-podman ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();
/// podman where nobody says which.
const DEFAULT_VERSION: PodmanVersion = PodmanVersion::new(5, 4, 2);
/// Who waits looks so often whether somebody has changed something: the first time, and later on.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(16));

/// The folder with the mock's state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or the folder itself.
    #[error("mock-podman cannot {what} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as `read`.
        what: &'static str,
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state is damaged, or another build of the mock wrote it.
    #[error(
        "`{}` is no state of this mock-podman ({why}); remove the folder to begin anew",
        path.display()
    )]
    Corrupt {
        /// The file's path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The folder is somebody else's.
    #[error("the folder `{}` belongs to user {owner}; set MOCK_PODMAN_DIR", path.display())]
    NotOurs {
        /// The folder's path.
        path: PathBuf,
        /// The owner's number.
        owner: u32,
    },
    /// Another version is asked for than the folder began with.
    #[error(
        "the podman in `{}` is {kept}, and MOCK_PODMAN_VERSION asks for {asked}; take another folder",
        path.display()
    )]
    OtherVersion {
        /// The folder's path.
        path: PathBuf,
        /// The version of the state.
        kept: PodmanVersion,
        /// The version that is asked for.
        asked: PodmanVersion,
    },
}

/// What a process needs of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    /// It only adds to it.
    Appended,
    /// It reads it.
    Read,
}

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
    log: Log,
    held: Mutex<Held>,
    /// Why the folder cannot be used any more.
    trouble: Mutex<Option<FolderError>>,
}

/// The state as last read or written.
struct Held {
    state: State,
    /// The file itself, kept open so that no other gets its number, and that number.
    file: Option<(File, u64)>,
    bytes: Vec<u8>,
    /// Of the event log in memory, how many entries are in the file.
    logged: usize,
    /// The boot that the event log is of.
    boot: u64,
}

/// Holds the lock.
struct Locked<'a>(&'a File);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // The end of the process would free it as well.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

impl Folder {
    /// Opens or makes it.
    pub(super) fn open(
        path: &Path,
        version: Option<PodmanVersion>,
        log: Log,
    ) -> Result<Self, FolderError> {
        let failed = |what| {
            move |source| FolderError::Io {
                what,
                path: path.to_owned(),
                source,
            }
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(failed("make the folder"))?;
        let owner = fs::metadata(path).map_err(failed("read"))?.uid();
        if owner != rustix::process::geteuid().as_raw() {
            return Err(FolderError::NotOurs {
                path: path.to_owned(),
                owner,
            });
        }
        let lock_file = private(&path.join("lock")).map_err(failed("open the lock in"))?;
        let state = State::new(version.unwrap_or(DEFAULT_VERSION), Utc::now());
        let mut held = Held {
            state,
            file: None,
            bytes: Vec::new(),
            logged: 0,
            boot: 0,
        };
        images::add(&mut held.state, FIXTURE_IMAGE);
        let folder = Self {
            path: path.to_owned(),
            lock: lock_file,
            log,
            held: Mutex::new(held),
            trouble: Mutex::new(None),
        };
        folder.look(|_, _| ());
        if let Some(error) = folder.trouble() {
            return Err(error);
        }
        let kept = lock(&folder.held).state.version;
        match version.filter(|asked| *asked != kept) {
            Some(asked) => Err(FolderError::OtherVersion {
                path: path.to_owned(),
                kept,
                asked,
            }),
            None => Ok(folder),
        }
    }

    /// The machine's time, and how far the mock's clock was put forward.
    pub(super) fn now(&self) -> DateTime<Utc> {
        time(&lock(&self.held).state)
    }

    /// Changes the state, alone among all processes, after what is due has happened. Where the folder cannot be used, the
    /// change is one in memory only, and [`trouble`](Self::trouble) tells.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State, DateTime<Utc>) -> T) -> T {
        self.apply(change, true)
    }

    /// As [`with`](Self::with), and there is nothing to write unless something was due.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State, DateTime<Utc>) -> T) -> T {
        self.apply(|state, now| look(state, now), false)
    }

    fn apply<T>(&self, change: impl FnOnce(&mut State, DateTime<Utc>) -> T, may_change: bool) -> T {
        let mut held = lock(&self.held);
        let locked = self.refresh(&mut held);
        let now = time(&held.state);
        let is_new = held.file.is_none();
        let is_due = held.state.next_event().is_some_and(|at| at <= now);
        held.state.settle(now);
        let result = change(&mut held.state, now);
        held.state.write_log();
        let saved = locked.and_then(|_locked| {
            if is_new || is_due || may_change {
                self.save(&mut held)
            } else {
                Ok(())
            }
        });
        if let Err(error) = saved {
            lock(&self.trouble).get_or_insert(error);
        }
        result
    }

    /// Returns when another process has changed the state.
    pub(super) async fn changed(&self) {
        let seen = lock(&self.held).file.as_ref().map(|(_, number)| *number);
        let path = self.path.join("state");
        let (mut wait, longest) = LOOK_AGAIN;
        loop {
            tokio::time::sleep(wait).await;
            let number = fs::metadata(&path).ok().map(|file| file.ino());
            if number != seen {
                return;
            }
            wait = (wait * 2).min(longest);
        }
    }

    /// Whether there was trouble.
    pub(super) fn is_lost(&self) -> bool {
        lock(&self.trouble).is_some()
    }

    /// The first trouble; it is told once.
    pub(super) fn trouble(&self) -> Option<FolderError> {
        lock(&self.trouble).take()
    }

    /// Keeps a command line.
    pub(super) fn note(&self, line: &str) {
        let path = self.path.join("calls");
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        if let Err(source) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            let what = "write";
            lock(&self.trouble).get_or_insert(FolderError::Io { what, path, source });
        }
    }

    /// The command lines so far, as they were kept.
    pub(super) fn calls(&self) -> Result<String, FolderError> {
        let path = self.path.join("calls");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(FolderError::Io {
                what: "read",
                path,
                source,
            }),
        }
    }

    /// Takes the lock, and reads the state where it is another than that in memory.
    fn refresh(&self, held: &mut Held) -> Result<Locked<'_>, FolderError> {
        loop {
            match flock(&self.lock, FlockOperation::LockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(error) => {
                    return Err(FolderError::Io {
                        what: "lock",
                        path: self.path.join("lock"),
                        source: error.into(),
                    });
                }
            }
        }
        let locked = Locked(&self.lock);
        let path = self.path.join("state");
        let failed = |source| FolderError::Io {
            what: "read",
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            // The first command, or somebody has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && held.file.is_none() => {
                return Ok(locked);
            }
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if held
            .file
            .as_ref()
            .is_some_and(|(_, number)| *number == metadata.ino())
        {
            return Ok(locked);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(failed)?;
        let mut state = decode(&bytes).map_err(|why| FolderError::Corrupt {
            path: path.clone(),
            why,
        })?;
        if self.log == Log::Read {
            let is_continued = held.file.is_some()
                && held.boot == state.boot
                && state.log_bytes >= held.state.log_bytes;
            let from = if is_continued {
                state.log = std::mem::take(&mut held.state.log);
                held.state.log_bytes
            } else {
                0
            };
            self.read_log(&mut state, from)?;
        }
        held.logged = state.log.len();
        held.boot = state.boot;
        held.state = state;
        held.file = Some((file, metadata.ino()));
        held.bytes = bytes;
        Ok(locked)
    }

    /// Writes the state where it has changed.
    fn save(&self, held: &mut Held) -> Result<(), FolderError> {
        let old_log = (held.boot != held.state.boot).then(|| self.log_path(held.boot));
        if old_log.is_some() {
            held.state.log_bytes = 0;
            held.logged = 0;
            held.boot = held.state.boot;
        }
        self.append_log(held)?;
        let mut bytes = Vec::with_capacity(held.bytes.len() + 1024);
        bytes.extend_from_slice(HEADER);
        let path = self.path.join("state");
        rmp_serde::encode::write(&mut bytes, &held.state).map_err(|error| {
            FolderError::Corrupt {
                path: path.clone(),
                why: error.to_string(),
            }
        })?;
        if bytes == held.bytes {
            return Ok(());
        }
        let beside = self.path.join("state.new");
        let failed = |source| FolderError::Io {
            what: "write",
            path: path.clone(),
            source,
        };
        let mut file = private(&beside).map_err(failed)?;
        // One that was killed may have left more.
        file.set_len(0).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        fs::rename(&beside, &path).map_err(failed)?;
        let number = file.metadata().map_err(failed)?.ino();
        held.file = Some((file, number));
        held.bytes = bytes;
        if let Some(old) = old_log {
            // It counts no more, whether it is there or not.
            let _ = fs::remove_file(old);
        }
        Ok(())
    }

    fn log_path(&self, boot: u64) -> PathBuf {
        self.path.join(format!("events.{boot}"))
    }

    fn append_log(&self, held: &mut Held) -> Result<(), FolderError> {
        let fresh = &held.state.log[held.logged.min(held.state.log.len())..];
        if fresh.is_empty() {
            return Ok(());
        }
        let path = self.log_path(held.boot);
        let mut bytes = Vec::new();
        for entry in fresh {
            rmp_serde::encode::write(&mut bytes, entry).map_err(|error| FolderError::Corrupt {
                path: path.clone(),
                why: error.to_string(),
            })?;
        }
        private(&path)
            .and_then(|file| {
                file.set_len(held.state.log_bytes)?;
                file.write_all_at(&bytes, held.state.log_bytes)
            })
            .map_err(|source| FolderError::Io {
                what: "write",
                path,
                source,
            })?;
        held.state.log_bytes += bytes.len() as u64;
        match self.log {
            Log::Appended => held.state.log.clear(),
            Log::Read => {}
        }
        held.logged = held.state.log.len();
        Ok(())
    }

    /// Reads the event log from `from` on, in bytes.
    fn read_log(&self, state: &mut State, from: u64) -> Result<(), FolderError> {
        let path = self.log_path(state.boot);
        let length = usize::try_from(state.log_bytes - from).unwrap_or(0);
        if length == 0 {
            return Ok(());
        }
        let mut bytes = vec![0; length];
        File::open(&path)
            .and_then(|file| file.read_exact_at(&mut bytes, from))
            .map_err(|source| FolderError::Io {
                what: "read",
                path: path.clone(),
                source,
            })?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let entry: Logged =
                rmp_serde::decode::from_read(&mut rest).map_err(|error| FolderError::Corrupt {
                    path: path.clone(),
                    why: error.to_string(),
                })?;
            state.log.push(entry);
        }
        Ok(())
    }
}

fn time(state: &State) -> DateTime<Utc> {
    let ahead = TimeDelta::from_std(state.ahead).unwrap_or(TimeDelta::MAX);
    Utc::now()
        .checked_add_signed(ahead)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn decode(bytes: &[u8]) -> Result<State, String> {
    let Some(mut rest) = bytes.strip_prefix(HEADER) else {
        return Err("its first line is another".to_owned());
    };
    let state = rmp_serde::decode::from_read(&mut rest).map_err(|error| error.to_string())?;
    if rest.is_empty() {
        Ok(state)
    } else {
        Err(format!("{} bytes too many", rest.len()))
    }
}

/// Opens a file for reading and writing, as it is; one that is made is nobody else's.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}
