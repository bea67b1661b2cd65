//! What a kill of the daemon would leave, at each of the command lines that it gives podman.
//!
//! One run of an operation gives all of them: nothing has to be done over again to come to the next command line.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use archipelago::container::mock_podman::{MockPodman, Moment};
use tempfile::TempDir;

use super::{copy_folder, fast_folder};

/// What is left where the daemon is killed at a command line.
pub(crate) struct Remains {
    /// The command line.
    pub(crate) args: Vec<String>,
    /// The files, and whatever temporary ones a killed writer leaves.
    pub(super) dir: TempDir,
    /// What podman has, and what time it is.
    pub(super) podman: Moment,
}

/// Keeps what is left at each command line, while it is told to.
#[derive(Default)]
pub(super) struct Keeping {
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    dir: PathBuf,
    is_done: bool,
    all: Vec<Remains>,
}

impl Keeping {
    /// From now on, of the node in `dir`: before podman carries out each command line, or after it where `is_done`.
    pub(super) fn begin(&self, dir: &Path, is_done: bool) {
        *self.kept.lock().expect("no test panics in it") = Some(Kept {
            dir: dir.to_owned(),
            is_done,
            all: Vec::new(),
        });
    }

    /// No longer; what was kept.
    pub(super) fn end(&self) -> Vec<Remains> {
        let kept = self.kept.lock().expect("no test panics in it").take();
        kept.map(|kept| kept.all).unwrap_or_default()
    }

    /// A command line is about to be carried out, or has just been.
    pub(super) fn at(&self, args: &[&str], podman: &MockPodman, is_done: bool) {
        let mut kept = self.kept.lock().expect("no test panics in it");
        let Some(kept) = kept.as_mut().filter(|kept| kept.is_done == is_done) else {
            return;
        };
        let dir = fast_folder();
        copy_folder(&kept.dir, dir.path());
        kept.all.push(Remains {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            dir,
            podman: podman.moment(),
        });
    }
}
