//! The real side: the podman of a lab.
//!
//! This program is mounted into the lab and started there with a plan, once a boot. Where a case cuts the power the player
//! says where it stopped and ends; from here the lab is killed, booted, and the player started again with the rest.

use std::time::Duration;

use super::case::{Case, Need};
use super::player::{PlayError, Resume, Side};
use super::protocol::{Line, Lines, PLAYER_ENV, Plan};
use super::transcript::Transcript;
use crate::Lab;
use crate::image::Base;

const PROGRAM: &str = "/usr/local/bin/lab-player";
/// On a disk, as all that outlives a power cut.
const PLAN: &str = "/var/tmp/plan.json";
/// The registry's own configuration, and that podman speaks to it, and to the one of the step `registry`, without TLS.
const FILES: [(&str, &str); 2] = [
    (
        "/etc/registry.yml",
        "version: 0.1\nstorage: { filesystem: { rootdirectory: /var/lib/registry } }\nhttp: { addr: 'localhost:5000' }\n",
    ),
    (
        "/etc/containers/registries.conf.d/registry.conf",
        "[[registry]]\nlocation = \"localhost:5000\"\ninsecure = true\n\n[[registry]]\nlocation = \"localhost:5001\"\ninsecure = true\n",
    ),
];

/// The podman of a lab.
#[derive(Debug)]
pub struct InLab {
    lab: Lab,
    version: String,
    limit: Duration,
    has_registry: bool,
}

/// What came of one boot.
enum Ended {
    Done,
    Reboot(Resume),
    Spoiled(String),
}

impl InLab {
    /// Starts a lab with the player in it.
    ///
    /// # Errors
    /// As of [`LabBuilder::start`](crate::LabBuilder::start).
    pub async fn start(base: &Base, limit: Duration) -> Result<Self, PlayError> {
        let this = std::env::current_exe().map_err(super::player::io("find this program"))?;
        let mut builder = Lab::builder()
            .name(format!("conformance-{base}"))
            .base(base.clone())
            .program(this, PROGRAM);
        for (path, text) in FILES {
            builder = builder.file(path, text);
        }
        let registry = crate::lab::registry_program();
        let has_registry = registry.is_some();
        if let Some(program) = registry {
            builder = builder.program(program, "/usr/local/bin/registry");
        }
        let lab = builder.start().await?;
        let argv = ["podman", "version", "--format", "{{.Client.Version}}"];
        let version = lab.succeed(&argv).await?.trim().to_owned();
        Ok(Self {
            lab,
            version,
            limit,
            has_registry,
        })
    }

    /// Removes the lab.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn stop(self) -> Result<(), PlayError> {
        Ok(self.lab.stop().await?)
    }

    /// Plays until the end, a reboot, or something that cannot be removed; counts what was played.
    async fn boot(
        &mut self,
        plan: &Plan,
        played: &mut usize,
        on: &mut (dyn FnMut(Transcript) + Send),
    ) -> Result<Ended, PlayError> {
        let text = serde_json::to_vec(plan).map_err(|error| PlayError::Wait(error.into()))?;
        self.lab.write_file(PLAN, &text).await?;
        let variable = format!("{PLAYER_ENV}={PLAN}");
        // The longest that a case may be silent: each of its commands to its limit.
        let silent = plan.cases.iter().map(|case| case.steps.len()).max();
        let silent = self.limit * u32::try_from(silent.unwrap_or(0) + 20).unwrap_or(u32::MAX);
        let mut lines = Lines::default();
        let mut ended = None;
        let mut wrong = None;
        let from = *played;
        let mut read = |bytes: &[u8]| {
            for line in lines.take(bytes) {
                match serde_json::from_str(&line) {
                    Ok(Line::Version(_)) => {}
                    Ok(Line::Played(transcript)) => {
                        *played += 1;
                        on(*transcript);
                    }
                    Ok(Line::Reboot(resume)) => ended = Some(Ended::Reboot(*resume)),
                    Ok(Line::Spoiled(why)) => ended = Some(Ended::Spoiled(why)),
                    Ok(Line::Done) => ended = Some(Ended::Done),
                    Ok(Line::Failed(why)) => wrong = Some(why),
                    Err(source) => {
                        wrong = Some(crate::chain(&PlayError::Protocol { line, source }));
                    }
                }
            }
        };
        let argv = ["/usr/bin/env", &variable, PROGRAM];
        let output = self.lab.follow(&argv, silent, &mut read).await?;
        match (wrong, ended) {
            (None, Some(ended)) => Ok(ended),
            (wrong, _) => Err(PlayError::Ended {
                code: output.code,
                case: plan
                    .cases
                    .get(*played - from)
                    .or(plan.cases.last())
                    .map_or_else(|| "-".to_owned(), |case| case.name.clone()),
                stderr: wrong.unwrap_or_else(|| output.stderr_text()),
            }),
        }
    }
}

impl Side for InLab {
    async fn play(
        &mut self,
        cases: &[Case],
        on: &mut (dyn FnMut(Transcript) + Send),
    ) -> Result<(), PlayError> {
        if !self.has_registry
            && let Some(case) = cases
                .iter()
                .find(|case| case.needs.contains(&Need::Registry))
        {
            return Err(PlayError::NoRegistry {
                case: case.name.clone(),
            });
        }
        let mut played = 0;
        let mut plan = Plan {
            cases: cases.to_vec(),
            resume: None,
            limit: self.limit,
            untidy: false,
        };
        loop {
            let ended = self.boot(&plan, &mut played, on).await?;
            plan.cases = cases[played.min(cases.len())..].to_vec();
            match ended {
                Ended::Done => return Ok(()),
                Ended::Reboot(resume) => {
                    plan.resume = Some(resume);
                    plan.untidy = false;
                }
                // A reboot frees what holds it, once.
                Ended::Spoiled(why) if plan.untidy && plan.resume.is_none() => {
                    let case = played.checked_sub(1).and_then(|last| cases.get(last));
                    return Err(PlayError::Spoiled {
                        case: case.map_or_else(|| "-".to_owned(), |case| case.name.clone()),
                        why,
                    });
                }
                Ended::Spoiled(why) => {
                    tracing::warn!(why, "the lab is rebooted to be tidied up");
                    plan.resume = None;
                    plan.untidy = true;
                }
            }
            self.lab.power_loss().await?;
        }
    }

    fn version(&self) -> &str {
        &self.version
    }
}
