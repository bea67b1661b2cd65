//! The exit codes of `lab`. They are interface.

use std::process::ExitCode;

use archipelago_lab::image::{ImageError, UnknownBase};
use archipelago_lab::standin::StandInError;
use archipelago_lab::{LabError, SessionError};

/// Something else went wrong.
pub(crate) const FAILED: u8 = 1;
/// Bad usage; clap's own code, also for an unknown base.
pub(crate) const USAGE: u8 = 2;
/// No engine, or one that cannot run labs.
pub(crate) const NO_ENGINE: u8 = 3;
/// The lab image is not built, or cannot be built.
pub(crate) const IMAGE: u8 = 4;
/// A lab did not start or did not become ready.
pub(crate) const NOT_READY: u8 = 5;
/// Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// SIGTERM.
pub(crate) const TERMINATED: u8 = 143;

/// For `--help`.
pub(crate) const HELP: &str = "\
Exit codes: 0 done; 1 failed; 2 bad usage; 3 no engine, or an unfit host; 4 no lab image; 5 a lab that does not start or \
become ready; 130 Ctrl-C; 143 SIGTERM. `exec` and `podman` pass on the code of the command.

Environment: DOCKER_HOST chooses the engine; ARCHIPELAGO_LAB_BASE the base; ARCHIPELAGO_LAB_SLOW=1 multiplies deadlines by \
ten; ARCHIPELAGO_LAB_STATE_DIR names a folder for a session (engine and keeper) of its own.";

/// The code that stands for an error.
pub(crate) fn of(error: &anyhow::Error) -> ExitCode {
    let code = error
        .chain()
        .find_map(|cause| {
            if cause.is::<UnknownBase>() {
                return Some(USAGE);
            }
            if cause.is::<SessionError>() {
                return Some(NO_ENGINE);
            }
            if cause.is::<ImageError>() {
                return Some(IMAGE);
            }
            if let Some(error) = cause.downcast_ref::<StandInError>() {
                return Some(of_stand_in(error));
            }
            cause.downcast_ref::<LabError>().map(of_lab)
        })
        .unwrap_or(FAILED);
    ExitCode::from(code)
}

fn of_lab(error: &LabError) -> u8 {
    match error {
        LabError::Session(_)
        | LabError::Engine(_)
        | LabError::NotEntered
        | LabError::Unprivileged { .. } => NO_ENGINE,
        LabError::Image(_) => IMAGE,
        LabError::Start { .. } | LabError::NotReady { .. } => NOT_READY,
        LabError::Which(_) => USAGE,
        LabError::Refused { .. }
        | LabError::ExecTimedOut { .. }
        | LabError::ExecFailed { .. }
        | LabError::NotPublished { .. }
        | LabError::Io { .. } => FAILED,
    }
}

fn of_stand_in(error: &StandInError) -> u8 {
    match error {
        StandInError::Lab(error) => of_lab(error),
        StandInError::RemoteEngine { .. } => NO_ENGINE,
        StandInError::Silent { .. } => NOT_READY,
        StandInError::Settings { .. }
        | StandInError::Build { .. }
        | StandInError::NoToolchain { .. }
        | StandInError::NoSuchWord { .. }
        | StandInError::Program { .. }
        | StandInError::Io { .. } => FAILED,
    }
}
