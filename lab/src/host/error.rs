//! Why a fact could not be had. Every error names its file.

use std::io;
use std::path::PathBuf;

/// A fact about the host, or why it is not known. One unknown fact never hides the others.
pub type Fact<T> = Result<T, HostError>;

/// A file of the host that could not be read or understood.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The file is missing or the kernel refuses to hand it over.
    #[error("cannot read `{}`", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file was read, but it is not what its name promises.
    #[error("cannot understand `{}`", file.display())]
    Parse {
        /// The file.
        file: PathBuf,
        /// What was expected of its text.
        source: ParseError,
    },
    /// The file was read and understood, and says that the host has no such thing at all.
    #[error("`{}` lists no {what}", file.display())]
    Absent {
        /// The file.
        file: PathBuf,
        /// What it should have listed.
        what: &'static str,
    },
    /// The file system that holds a path could not be measured.
    #[error("cannot measure the file system of `{}`", path.display())]
    Measure {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The number of usable CPUs could not be had; no file is involved.
    #[error("cannot count the CPUs")]
    Cpus {
        /// What the system said.
        source: io::Error,
    },
}

/// A text that a parser does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line or a field that must be there is not.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// Something stands where another thing is expected.
    #[error("{expected} expected, `{found}` found")]
    Malformed {
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
}

impl ParseError {
    pub(super) fn malformed(expected: &'static str, found: &str) -> Self {
        Self::Malformed {
            expected,
            found: found.to_owned(),
        }
    }
}
