//! The other side: a program of this machine that says it is podman, with its state in a folder of its own.

use std::path::PathBuf;
use std::time::Duration;

use super::case::{Case, Need};
use super::outside::{Outside, tell};
use super::player::{Play, PlayError, Progress, Side, io};
use super::podman::Podman;
use super::transcript::Transcript;

/// Names the folder with the program's state.
const DIR_ENV: &str = "MOCK_PODMAN_DIR";
/// Names the podman that it is to be.
const VERSION_ENV: &str = "MOCK_PODMAN_VERSION";

/// A program that plays podman. Each case has a new, empty folder.
#[derive(Debug)]
pub struct Program {
    podman: Podman,
    version: String,
}

impl Program {
    /// The program at a path, to be podman of this version.
    pub fn new(program: impl Into<PathBuf>, version: &str, limit: Duration) -> Self {
        Self {
            podman: Podman::new(program, limit),
            version: version.to_owned(),
        }
    }

    async fn case(&self, case: &Case) -> Result<Transcript, PlayError> {
        let dir = tempfile::Builder::new()
            .prefix("mock-podman-")
            .tempdir()
            .map_err(io("make a folder for a mock's state"))?;
        let mut podman = self.podman.clone();
        podman.env.extend([
            (DIR_ENV.into(), dir.path().into()),
            (VERSION_ENV.into(), self.version.clone().into()),
        ]);
        if case.needs.contains(&Need::Registry) {
            let argv = ["add-image", "localhost:5000/app:1"];
            let told = tell(&podman, &argv).await?;
            if told.code != 0 {
                return Err(PlayError::Failed {
                    command: format!("{} mock {}", podman.program.display(), argv.join(" ")),
                    code: told.code,
                    stderr: told.stderr,
                });
            }
        }
        match Play::begin(&podman, Outside::Mock)?.play(case).await? {
            Progress::Done(transcript) => Ok(transcript),
            // Only a machine has to be rebooted from outside.
            Progress::Reboot(_) => Err(PlayError::Ended {
                code: 0,
                case: case.name.clone(),
                stderr: "a mock asked for its power to be cut".into(),
            }),
        }
    }
}

impl Side for Program {
    async fn play(
        &mut self,
        cases: &[Case],
        on: &mut (dyn FnMut(Transcript) + Send),
    ) -> Result<(), PlayError> {
        for case in cases {
            on(self.case(case).await?);
        }
        Ok(())
    }

    fn version(&self) -> &str {
        &self.version
    }
}
