//! Why an image could not be built.

use super::base::Base;
use super::flavour::Flavour;
use super::inputs::InputError;
use crate::session::state_dir::StateDirError;

/// The image could not be built. Nothing half-built is left under its name.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A source file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The directory in which processes find each other.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// A local file or program.
    #[error("cannot {action}")]
    Io {
        /// Such as `start cargo`.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that ended with an error.
    #[error("`{program}` {ended}; its last lines:\n{log}")]
    Program {
        /// The program and its first arguments.
        program: String,
        /// How it ended.
        ended: String,
        /// The tail of what it said.
        log: String,
    },
    /// A Debian base without the program that makes it.
    #[error(
        "a {base} base is made from packages, and mmdebstrap is not installed: `apt-get install mmdebstrap`, or `dnf install mmdebstrap`"
    )]
    NoMmdebstrap {
        /// The base.
        base: Base,
    },
    /// The engine refused a step.
    #[error("the engine cannot {step}")]
    Engine {
        /// The step.
        step: String,
        /// What it said.
        source: bollard::errors::Error,
    },
    /// A step of `Containerfile.lab` failed.
    #[error("the build on {base} failed{hint}; its last lines:\n{log}")]
    Build {
        /// The base.
        base: Base,
        /// What to try.
        hint: &'static str,
        /// The tail of the build's output.
        log: String,
    },
    /// The image is there but not for these sources.
    #[error(
        "the image `{reference}` is not built: run `cargo lab image build --base {base} --flavour {flavour}`"
    )]
    Missing {
        /// Its reference.
        reference: String,
        /// What it is for.
        flavour: Flavour,
        /// The base.
        base: Base,
    },
}

/// An error of the engine at a step.
pub(super) fn engine(step: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> ImageError {
    let step = step.into();
    move |source| ImageError::Engine { step, source }
}

/// An error of this machine at an action.
pub(super) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> ImageError {
    let action = action.into();
    move |source| ImageError::Io { action, source }
}
