//! State files: JSON in a versioned envelope, replaced atomically, readable by their owner only.
//!
//! A write goes to a temporary file in the same folder, is synced, renamed over the old file, and the folder is
//! synced. So a file is at every moment the old one or the new one. What cannot be read is moved aside to
//! `NAME.corrupt-TIME` and reported as [`Loaded::Corrupt`]: a bad file never stops the daemon.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// Version of the envelope that this program writes and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// A state file could not be read or written. The daemon goes on with what it has in memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`; check the free space and the owner of the folder", path.display())]
pub struct StoreError {
    /// What was tried: a verb.
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What was found of a state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded<T> {
    /// It was there and readable.
    Value(T),
    /// There is no such file.
    Absent,
    /// It was there and not readable; it now lies at `moved_to`.
    Corrupt {
        /// Where the unreadable file was put.
        moved_to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

impl<T> Loaded<T> {
    /// The value, or `None` after a corrupt file was logged.
    pub fn reported(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent => None,
            Self::Corrupt { moved_to, why } => {
                tracing::error!(moved_to = %moved_to.display(), why, "state file was corrupt, moved aside and rebuilt");
                None
            }
        }
    }
}

#[derive(Serialize)]
struct EnvelopeOut<'a, T> {
    version: u32,
    data: &'a T,
}

#[derive(Deserialize)]
struct EnvelopeVersion {
    version: u32,
}

#[derive(Deserialize)]
struct EnvelopeIn<T> {
    data: T,
}

/// A folder of state files.
#[derive(Clone)]
pub struct Store {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Opens `dir`, and makes it (mode 0700) where it is missing.
    ///
    /// Temporary files that a killed writer has left are removed.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be made or read.
    pub fn open(dir: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let dir = dir.into();
        make_private_dir(&dir)?;
        let fail = |source| StoreError {
            doing: "read",
            path: dir.clone(),
            source,
        };
        for entry in fs::read_dir(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX) {
                remove_if_there(&entry.path())?;
            }
        }
        Ok(Self { dir, clock })
    }

    /// The store of the folder `name` in this one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn sub(&self, name: &str) -> Result<Self, StoreError> {
        Self::open(self.dir.join(name), Arc::clone(&self.clock))
    }

    /// The path of the file `name`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file of this content and mode 0600 that is gone when it is dropped, or at the next [`Store::open`].
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn temporary(&self, bytes: &[u8]) -> Result<tempfile::NamedTempFile, StoreError> {
        temporary(&self.dir, bytes).map_err(|source| StoreError {
            doing: "write a temporary file in",
            path: self.dir.clone(),
            source,
        })
    }

    /// Reads `name`. A corrupt file, or one of another version, is moved aside.
    ///
    /// # Errors
    /// [`StoreError`] when the file is there but the system refuses to read or to move it.
    pub fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Loaded<T>, StoreError> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Absent),
            Err(source) => {
                return Err(StoreError {
                    doing: "read",
                    path,
                    source,
                });
            }
        }
        match decode(&bytes) {
            Ok(value) => Ok(Loaded::Value(value)),
            Err(why) => {
                let time = self.clock.now().format("%Y%m%dT%H%M%S%.3fZ");
                let moved_to = self.path(&format!("{name}{ASIDE}{time}"));
                fs::rename(&path, &moved_to).map_err(|source| StoreError {
                    doing: "move aside",
                    path,
                    source,
                })?;
                Ok(Loaded::Corrupt { moved_to, why })
            }
        }
    }

    /// Names of the files that were moved aside, now or earlier, and are not there again.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be read.
    pub fn lost(&self) -> Result<Vec<String>, StoreError> {
        let fail = |source| StoreError {
            doing: "read",
            path: self.dir.clone(),
            source,
        };
        let mut lost = BTreeSet::new();
        for entry in fs::read_dir(&self.dir).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            if let Some((name, _)) = name.to_string_lossy().split_once(ASIDE)
                && !self.path(name).exists()
            {
                lost.insert(name.to_owned());
            }
        }
        Ok(lost.into_iter().collect())
    }

    /// Replaces `name` atomically.
    ///
    /// # Errors
    /// [`StoreError`]; the old file is then still in place.
    pub fn save<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let path = self.path(name);
        let envelope = EnvelopeOut {
            version: FORMAT_VERSION,
            data: value,
        };
        let mut bytes = serde_json::to_vec_pretty(&envelope).map_err(|error| StoreError {
            doing: "encode",
            path: path.clone(),
            source: error.into(),
        })?;
        bytes.push(b'\n');
        write_private(&path, &bytes)
    }

    /// Removes `name`; it may be gone already.
    ///
    /// # Errors
    /// [`StoreError`] when it is there and stays.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        remove_if_there(&self.path(name))
    }

    /// Names of the files that end in `.json`, without that ending, sorted.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be read.
    pub fn json_names(&self) -> Result<Vec<String>, StoreError> {
        let fail = |source| StoreError {
            doing: "read",
            path: self.dir.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            if let Some(stem) = name.to_string_lossy().strip_suffix(".json") {
                names.push(stem.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

const TEMP_PREFIX: &str = ".tmp-";
/// Between the name of a file that was moved aside and the time when it was.
const ASIDE: &str = ".corrupt-";

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // The version first: the data of a foreign version need not fit.
    let EnvelopeVersion { version } =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if version != FORMAT_VERSION {
        return Err(format!(
            "format version {version}, and this program knows {FORMAT_VERSION}"
        ));
    }
    let EnvelopeIn { data } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(data)
}

/// Makes `dir` and its parents; `dir` itself with mode 0700.
///
/// # Errors
/// [`StoreError`] when that fails.
pub fn make_private_dir(dir: &Path) -> Result<(), StoreError> {
    let fail = |source| StoreError {
        doing: "make the folder",
        path: dir.to_owned(),
        source,
    };
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(fail)
}

/// Replaces the file `path` by `bytes`, atomically, with mode 0600.
///
/// # Errors
/// [`StoreError`]; the old file is then still in place.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let fail = |source| StoreError {
        doing: "write",
        path: path.to_owned(),
        source,
    };
    let dir = path
        .parent()
        .ok_or_else(|| fail(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let file = temporary(dir, bytes).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    // The rename itself is durable only once the folder is.
    OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::DIRECTORY.bits() as i32)
        .open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(fail)
}

fn temporary(dir: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Removes a file that may be gone already.
///
/// # Errors
/// [`StoreError`] when it is there and stays.
pub fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StoreError {
            doing: "remove",
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn store(dir: &Path) -> Store {
        Store::open(dir, Arc::new(SystemClock)).expect("a store in a fresh folder")
    }

    #[test]
    fn what_was_saved_is_loaded_and_private() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let store = store(dir.path());
        store.save("a.json", &vec![1, 2]).expect("saved");
        assert_eq!(
            store.load("a.json").expect("loaded"),
            Loaded::Value(vec![1, 2])
        );
        let mode = fs::metadata(store.path("a.json"))
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(store.load::<u8>("b.json").expect("absent"), Loaded::Absent);
    }

    #[test]
    fn truncated_empty_and_foreign_files_are_moved_aside() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let store = store(dir.path());
        store
            .save("a.json", &vec!["long enough"; 20])
            .expect("saved");
        let whole = fs::read(store.path("a.json")).expect("bytes");
        let foreign = br#"{"version": 99, "data": 1}"#.to_vec();
        for bytes in [whole[..whole.len() / 2].to_vec(), Vec::new(), foreign] {
            fs::write(store.path("a.json"), &bytes).expect("broken on purpose");
            let Loaded::Corrupt { moved_to, .. } = store
                .load::<Vec<String>>("a.json")
                .expect("no system error")
            else {
                panic!("{bytes:?} must not be readable");
            };
            assert_eq!(fs::read(&moved_to).expect("moved aside"), bytes);
            assert!(!store.path("a.json").exists());
            fs::remove_file(moved_to).expect("tidy");
        }
    }

    #[test]
    fn a_temporary_file_of_a_killed_writer_is_removed_and_does_no_harm() {
        let dir = tempfile::tempdir().expect("temporary folder");
        store(dir.path()).save("a.json", &7).expect("saved");
        let stray = dir.path().join(".tmp-Xyz");
        fs::write(&stray, b"{\"ver").expect("stray");
        let store = store(dir.path());
        assert!(!stray.exists());
        assert_eq!(store.load("a.json").expect("loaded"), Loaded::Value(7));
        assert_eq!(store.json_names().expect("names"), ["a"]);
    }

    /// What the daemon writes is never mistaken for another value, wherever a power cut left off.
    #[test]
    fn cut_off_anywhere_it_is_the_whole_or_corrupt() {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.expect("temporary folder");
        let store = store(dir.path());
        // A list of numbers: each of its beginnings is nearly another one.
        let value: Vec<u32> = (0..12).collect();
        store.save("a.json", &value).expect("saved");
        let whole = fs::read(store.path("a.json")).expect("bytes");
        for length in 0..=whole.len() {
            fs::write(store.path("a.json"), &whole[..length]).expect("cut off on purpose");
            match store.load::<Vec<u32>>("a.json").expect("no system error") {
                Loaded::Value(loaded) => assert_eq!(loaded, value, "after {length} bytes"),
                Loaded::Absent => panic!("it is there, with {length} bytes"),
                Loaded::Corrupt { moved_to, .. } => {
                    assert_eq!(store.lost().expect("listed"), ["a.json"]);
                    fs::remove_file(moved_to).expect("tidy");
                }
            }
        }
    }

    /// Every moment of a replacement: before, each byte of the temporary file, and after its rename.
    #[test]
    fn killed_at_any_moment_of_a_replacement_it_is_the_old_or_the_new() {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.expect("temporary folder");
        let old = "old".to_owned();
        let new = "new".to_owned();
        store(dir.path()).save("a.json", &new).expect("saved");
        let bytes = fs::read(dir.path().join("a.json")).expect("bytes");
        store(dir.path()).save("a.json", &old).expect("saved");
        for length in 0..=bytes.len() {
            fs::write(dir.path().join(".tmp-x"), &bytes[..length]).expect("a killed writer");
            let next = store(dir.path());
            assert_eq!(
                next.load("a.json").expect("loaded"),
                Loaded::Value(old.clone())
            );
            let names: Vec<_> = fs::read_dir(dir.path()).expect("listed").collect();
            assert_eq!(names.len(), 1, "the temporary file is gone");
        }
        fs::write(dir.path().join(".tmp-x"), &bytes).expect("written");
        fs::rename(dir.path().join(".tmp-x"), dir.path().join("a.json")).expect("renamed");
        assert_eq!(
            store(dir.path()).load("a.json").expect("loaded"),
            Loaded::Value(new)
        );
    }

    /// A write that fails leaves the old file, and no temporary one.
    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let store = store(dir.path());
        fs::create_dir(dir.path().join("a.json")).expect("a folder in its place");
        let error = store.save("a.json", &7).expect_err("cannot be replaced");
        assert!(error.to_string().contains("a.json"), "{error}");
        let names: Vec<_> = fs::read_dir(dir.path()).expect("listed").collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(dir.path().join("a.json").is_dir());
    }
}
