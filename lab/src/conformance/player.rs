//! Plays cases, step by step, on a podman. The same for a real one and for a program that says it is one; what differs is
//! the world outside of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::case::{Case, FIXTURE, Step};
use super::outside::{Machine, Outside, Process, done, tell};
use super::podman::{Podman, Running, words};
use super::time::rfc3339;
use super::transcript::{LOOKS, Outcome, Played, Transcript};

/// How long `until` waits.
const UNTIL: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);
/// Where `$DIR` is made. On a disk, because containers mount it that are to start again after a power cut.
const DIRS: &str = "/var/tmp";

/// A podman that cases are played on.
pub trait Side {
    /// Plays cases in their order and hands over each transcript as soon as it is there.
    ///
    /// # Errors
    /// Where playing itself went wrong. Whatever podman answers is in the transcripts.
    fn play(
        &mut self,
        cases: &[Case],
        on: &mut (dyn FnMut(Transcript) + Send),
    ) -> impl Future<Output = Result<(), PlayError>>;

    /// podman's version, such as `5.4.2`.
    fn version(&self) -> &str;
}

/// Cases could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The program.
    #[error("cannot start `{program}`")]
    Start {
        /// Its path.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It started and then could not be followed.
    #[error("cannot follow a command to its end")]
    Wait(#[source] std::io::Error),
    /// A case that was to be played and of which nothing came.
    #[error("{case}: one side did not play it")]
    LeftOut {
        /// Its full name.
        case: String,
    },
    /// A program that does not say which podman it is.
    #[error("`{program} version` names no version: {said}")]
    NoVersion {
        /// Its path.
        program: String,
        /// Its standard error.
        said: String,
    },
    /// A file or folder.
    #[error("cannot {action}")]
    Io {
        /// Such as `write PATH`.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The lab.
    #[error(transparent)]
    Lab(#[from] crate::LabError),
    /// The player in the lab ended before it was done.
    #[error("the player in the lab ended with {code} at case {case}: {stderr}")]
    Ended {
        /// Its exit code.
        code: i64,
        /// The case that it was at, or the last one.
        case: String,
        /// What it said.
        stderr: String,
    },
    /// The player in the lab printed something else than it should.
    #[error("the player in the lab printed `{line}`")]
    Protocol {
        /// The line.
        line: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A command of the player's own that had to succeed.
    #[error("`{command}` ended with {code}: {stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code.
        code: i32,
        /// What it said.
        stderr: String,
    },
    /// A registry that cases need.
    #[error(
        "no container registry to put into the lab for {case}: Debian's package is docker-registry, Fedora's docker-distribution; `scripts/lab` unpacks one"
    )]
    NoRegistry {
        /// The first such case.
        case: String,
    },
    /// A case left something that cannot be removed.
    #[error("{case} leaves something that cannot be removed: {why}")]
    Spoiled {
        /// Its name.
        case: String,
        /// The command that failed, and what it said.
        why: String,
    },
}

pub(super) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> PlayError {
    let action = action.into();
    move |source| PlayError::Io { action, source }
}

/// How far a case has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// To its end.
    Done(Transcript),
    /// To a reboot: power has to be cut.
    Reboot(Resume),
}

/// What a case needs to go on after a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resume {
    since: String,
    dir: PathBuf,
    played: Vec<Played>,
    /// Of commands that ran beside others when the power went.
    ended: BTreeMap<String, Outcome>,
    /// How the registry answers; it is another machine.
    answer: Option<String>,
    ports: Vec<u16>,
    /// When the power went, in milliseconds since the epoch.
    at_ms: u64,
}

/// A case that is being played.
#[derive(Debug)]
pub(super) struct Play<'a> {
    podman: &'a Podman,
    outside: Outside,
    since: String,
    dir: Folder,
    played: Vec<Played>,
    running: BTreeMap<String, Running>,
    ended: BTreeMap<String, Outcome>,
    answer: Option<String>,
    ports: Vec<u16>,
}

impl<'a> Play<'a> {
    /// At its first step.
    pub(super) fn begin(podman: &'a Podman, outside: Outside) -> Result<Self, PlayError> {
        let dir = tempfile::Builder::new()
            .prefix("conformance-")
            .tempdir_in(DIRS)
            .map_err(io(format!("make a folder in {DIRS}")))?
            .keep();
        Ok(Self {
            podman,
            outside,
            since: rfc3339(SystemTime::now()),
            dir: Folder(Some(dir)),
            played: Vec::new(),
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            answer: None,
            ports: Vec::new(),
        })
    }

    /// After a reboot of this machine.
    pub(super) async fn resume(podman: &'a Podman, resume: Resume) -> Result<Self, PlayError> {
        let mut play = Self {
            podman,
            outside: Outside::Machine(Machine::default()),
            since: resume.since,
            dir: Folder(Some(resume.dir)),
            played: resume.played,
            running: BTreeMap::new(),
            ended: resume.ended,
            answer: None,
            ports: Vec::new(),
        };
        let outcome = Outcome {
            ms: now_ms().saturating_sub(resume.at_ms),
            ..Outcome::default()
        };
        let step = Step::Reboot;
        play.played.push(Played { step, outcome });
        if let Some(answer) = resume.answer {
            play.registry(&answer).await?;
        }
        for port in resume.ports {
            play.take_port(port).await?;
        }
        Ok(play)
    }

    /// Plays what is left of a case.
    pub(super) async fn play(mut self, case: &Case) -> Result<Progress, PlayError> {
        for step in case.steps.iter().skip(self.played.len()) {
            let since = Instant::now();
            if *step == Step::Reboot {
                self.end_running(Duration::ZERO).await?;
                if let Outside::Machine(_) = self.outside {
                    return Ok(Progress::Reboot(self.suspend()));
                }
            }
            let mut outcome = self.step(step).await?;
            if outcome.ms == 0 {
                outcome.ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            }
            self.hide_dir(&mut outcome);
            let step = step.clone();
            self.played.push(Played { step, outcome });
        }
        self.end_running(Duration::ZERO).await?;
        self.outside.settle().await;
        let mut after = looks(self.podman, &self.since).await?;
        for outcome in after.values_mut() {
            self.hide_dir(outcome);
        }
        Ok(Progress::Done(Transcript {
            case: case.name.clone(),
            played: self.played,
            after,
        }))
    }

    async fn step(&mut self, step: &Step) -> Result<Outcome, PlayError> {
        let podman = self.podman;
        match step {
            Step::Podman(argv) => podman.run(&self.fill(argv)).await,
            Step::KillClient(ms, argv) => {
                let running = podman.start(&self.fill(argv))?;
                Ok(running.within(Duration::from_millis(*ms)).await?.0)
            }
            Step::Spawn(label, argv) => {
                if self.running.contains_key(label) || self.ended.contains_key(label) {
                    return Ok(done(Err(format!("`{label}` runs already"))));
                }
                let running = podman.start(&self.fill(argv))?;
                self.running.insert(label.clone(), running);
                Ok(Outcome::default())
            }
            Step::Join(label) => match self.running.remove(label) {
                Some(running) => running.end(podman.limit).await,
                None => Ok(self
                    .ended
                    .remove(label)
                    .unwrap_or_else(|| done(Err(format!("`{label}` was not spawned"))))),
            },
            Step::Until(name, state) => until(podman, name, "{{.State.Status}}", state).await,
            Step::UntilRestarted(name, count) => {
                let format = "{{.RestartCount}} {{.State.Status}}";
                until(podman, name, format, &format!("{count} running")).await
            }
            Step::UntilHealthy(name, word) => {
                until(podman, name, "{{.State.Health.Status}}", word).await
            }
            Step::KillProcess(name) => self.outside.kill(podman, Process::Main, name).await,
            Step::KillMonitor(name) => self.outside.kill(podman, Process::Monitor, name).await,
            Step::Reboot => tell(podman, &["reboot"]).await,
            Step::Registry(answer) => self.registry(answer).await,
            Step::TakePort(port) => self.take_port(*port).await,
            Step::File(name, text) => {
                let written = std::fs::write(self.dir.path().join(name), text);
                Ok(done(written.map_err(|error| format!("{name}: {error}"))))
            }
        }
    }

    async fn registry(&mut self, answer: &str) -> Result<Outcome, PlayError> {
        self.answer = Some(answer.to_owned());
        self.outside.registry(self.podman, answer).await
    }

    async fn take_port(&mut self, port: u16) -> Result<Outcome, PlayError> {
        self.ports.push(port);
        self.outside.take_port(self.podman, port).await
    }

    /// Kills what still runs beside the steps.
    async fn end_running(&mut self, limit: Duration) -> Result<(), PlayError> {
        for (label, running) in std::mem::take(&mut self.running) {
            let (outcome, _) = running.within(limit).await?;
            self.ended.insert(label, outcome);
        }
        Ok(())
    }

    fn suspend(mut self) -> Resume {
        Resume {
            since: self.since,
            dir: self.dir.keep(),
            played: self.played,
            ended: self.ended,
            answer: self.answer,
            ports: self.ports,
            at_ms: now_ms(),
        }
    }

    fn fill(&self, argv: &[String]) -> Vec<String> {
        fill(argv, self.dir.path(), &self.since)
    }

    /// The folder has another name each time.
    fn hide_dir(&self, outcome: &mut Outcome) {
        let dir = self.dir.path().display().to_string();
        for text in [&mut outcome.stdout, &mut outcome.stderr] {
            if text.contains(&dir) {
                *text = text.replace(&dir, "$DIR");
            }
        }
    }
}

/// Arguments with `$FIXTURE`, `$DIR` and `$SINCE` put in.
fn fill(argv: &[String], dir: &Path, since: &str) -> Vec<String> {
    let dir = dir.display().to_string();
    argv.iter()
        .map(|word| {
            word.replace("$FIXTURE", FIXTURE)
                .replace("$DIR", &dir)
                .replace("$SINCE", since)
        })
        .collect()
}

/// Waits until `inspect` prints this for a format.
async fn until(
    podman: &Podman,
    name: &str,
    format: &str,
    wanted: &str,
) -> Result<Outcome, PlayError> {
    let deadline = Instant::now() + UNTIL;
    let argv = ["container", "inspect", "--format", format, name];
    loop {
        let seen = podman.run(&words(&argv)).await?;
        if seen.stdout.trim() == wanted {
            return Ok(Outcome::default());
        }
        if Instant::now() > deadline {
            let last = [seen.stdout.trim(), seen.stderr.trim()].concat();
            let why = format!("{name} is not `{wanted}` within {UNTIL:?}: {last}");
            return Ok(done(Err(why)));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes all [`LOOKS`].
pub(super) async fn looks(
    podman: &Podman,
    since: &str,
) -> Result<BTreeMap<String, Outcome>, PlayError> {
    let mut looks: BTreeMap<String, Outcome> = BTreeMap::new();
    for (name, argv) in LOOKS {
        let containers = looks.get("ps").map(containers).unwrap_or_default();
        let argv = look(argv, &containers, since);
        if let Some(argv) = argv {
            looks.insert((*name).to_owned(), podman.run(&argv).await?);
        }
    }
    Ok(looks)
}

/// A look's arguments; none where a list in it is empty.
fn look(argv: &[&str], containers: &[String], since: &str) -> Option<Vec<String>> {
    let mut filled = Vec::new();
    for &word in argv {
        match word {
            "$CONTAINERS" if containers.is_empty() => return None,
            "$CONTAINERS" => filled.extend_from_slice(containers),
            "$SINCE" => filled.push(since.to_owned()),
            word => filled.push(word.to_owned()),
        }
    }
    Some(filled)
}

/// The names of all containers that `ps` lists.
fn containers(ps: &Outcome) -> Vec<String> {
    let rows: Vec<serde_json::Value> = serde_json::from_str(&ps.stdout).unwrap_or_default();
    rows.iter()
        .filter_map(|row| Some(row["Names"][0].as_str()?.to_owned()))
        .collect()
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}

/// A folder that is removed on drop.
#[derive(Debug)]
struct Folder(Option<PathBuf>);

impl Folder {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new("/"))
    }

    fn keep(&mut self) -> PathBuf {
        self.0.take().unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = self.0.take()
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!(%error, path = %path.display(), "a folder stays");
        }
    }
}

#[cfg(test)]
#[path = "player_tests.rs"]
mod tests;
