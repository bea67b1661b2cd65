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
            let argv = ["publish", "localhost:5000/app:1"];
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::conformance::case::Step;

    /// Counts its calls in the folder that it is given.
    const COUNTS: &str = r#"#!/bin/sh
echo x >>"$MOCK_PODMAN_DIR/calls"
echo "$MOCK_PODMAN_VERSION $*"
wc -l <"$MOCK_PODMAN_DIR/calls"
[ "$*" != "mock publish localhost:5000/app:1" ] || echo y >>"$MOCK_PODMAN_DIR/image"
[ "$*" != "image exists" ] || [ -e "$MOCK_PODMAN_DIR/image" ]
"#;

    #[tokio::test]
    async fn each_case_begins_with_an_empty_folder_and_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("podman");
        std::fs::write(&program, COUNTS).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let case = |name: &str, needs: &[Need]| Case {
            name: name.into(),
            needs: needs.to_vec(),
            steps: vec![
                Step::parse("podman ps").unwrap(),
                Step::parse("podman image exists").unwrap(),
            ],
        };
        let cases = [case("a::bare", &[]), case("a::full", &[Need::Registry])];
        let mut side = Program::new(&program, "4.3.1", Duration::from_secs(20));
        let mut transcripts = Vec::new();
        side.play(&cases, &mut |transcript| transcripts.push(transcript))
            .await
            .unwrap();
        let [bare, full] = transcripts.as_slice() else {
            panic!("{transcripts:?}");
        };
        assert_eq!(bare.played[0].outcome.stdout, "4.3.1 ps\n1\n");
        assert_eq!(bare.played[1].outcome.code, 1);
        assert_eq!(full.played[0].outcome.stdout, "4.3.1 ps\n2\n");
        assert_eq!(full.played[1].outcome.code, 0);
    }
}
