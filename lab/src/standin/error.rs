//! What can go wrong with a stand-in.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::lab::LabError;

/// Something went wrong with a stand-in for a node.
#[derive(Debug, thiserror::Error)]
pub enum StandInError {
    /// Its lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// `lab/stand-in.toml`.
    #[error("`{file}` is not as it should be")]
    Settings {
        /// The file.
        file: &'static str,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// The program under test could not be built.
    #[error("cannot build `{package}` for the stand-in; the last lines:\n{log}")]
    Build {
        /// Its package.
        package: String,
        /// The tail of what cargo said.
        log: String,
    },
    /// There is no Rust toolchain to show.
    #[error(
        "no Rust toolchain to show to the stand-in: there is no `{}`; without one (`--no-toolchain`) nothing can be built on it",
        .looked.display()
    )]
    NoToolchain {
        /// What was looked for.
        looked: PathBuf,
    },
    /// The engine runs elsewhere and cannot show files of this machine.
    #[error(
        "the engine at `{endpoint}` does not see the Rust toolchain of this machine: start the stand-in without (`--no-toolchain`)"
    )]
    RemoteEngine {
        /// Where it listens.
        endpoint: String,
    },
    /// A word that was to be taken out of a program is not in it.
    #[error("`{}` does not have the word `{word}`", .program.display())]
    NoSuchWord {
        /// The program.
        program: PathBuf,
        /// The word.
        word: String,
    },
    /// A program of this machine failed.
    #[error("`{program}` failed ({ended}): {said}")]
    Program {
        /// Its name.
        program: &'static str,
        /// How it ended.
        ended: ExitStatus,
        /// What it said.
        said: String,
    },
    /// It runs, and does not answer.
    #[error(
        "the stand-in `{lab}` does not answer: {awaited} did not come within {} s; last seen: {last_seen}",
        .deadline.as_secs()
    )]
    Silent {
        /// Id of its lab.
        lab: String,
        /// What was waited for.
        awaited: String,
        /// How long.
        deadline: Duration,
        /// The last answer, and the last lines that the service logged.
        last_seen: String,
    },
    /// A file of this machine.
    #[error("cannot {action}")]
    Io {
        /// Such as `write PATH`.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// An error of this machine at an action.
pub(super) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> StandInError {
    let action = action.into();
    move |source| StandInError::Io { action, source }
}
