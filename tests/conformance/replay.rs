//! Plays the steps of a transcript on a podman in memory: as the player does on a program, without processes and in paused
//! time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use archipelago::container::mock_podman::{MockPodman, RegistryAnswer};
use archipelago::container::podman::PodmanVersion;
use archipelago::container::runtime::{CommandExecutor, ExecuteError, OutputLine, OutputStream};
use archipelago_lab::chain;
use archipelago_lab::conformance::case::{FIXTURE, Step};
use archipelago_lab::conformance::transcript::{LOOKS, Outcome, Played, Transcript};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long `until` and its like wait.
const UNTIL: Duration = Duration::from_secs(20);
/// How often they look.
const LOOK: Duration = Duration::from_millis(50);
/// A command that takes longer hangs.
const HANGS: Duration = Duration::from_secs(600);
/// What `mock-podman` ends with where the mock cannot do something.
const CANNOT: i32 = 125;
/// The images that a registry gives from the beginning.
const APP: &str = "localhost:5000/app:1";
/// The registry that answers as it is told.
const REGISTRY: &str = "localhost:5001";

/// Plays the steps that were recorded, and looks as the recording did.
pub(super) fn play(real: &Transcript, version: &str) -> Result<Transcript, String> {
    let version: PodmanVersion = version.parse().map_err(|error| chain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let dir = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
    runtime.block_on(async {
        let mock = MockPodman::with_version(version);
        mock.set_registry(REGISTRY, RegistryAnswer::Down);
        let mut play = Play {
            since: mock.now().to_rfc3339(),
            mock,
            dir: dir.path(),
            running: BTreeMap::new(),
        };
        // What the recorded machine had besides the fixture image.
        if real
            .played
            .iter()
            .any(|played| played.step.to_string().contains(APP))
        {
            play.mock.publish(APP);
        }
        let mut played = Vec::new();
        for step in real.played.iter().map(|played| &played.step) {
            let begin = Instant::now();
            let mut outcome = play.step(step).await;
            if outcome.ms == 0 {
                outcome.ms = millis(begin.elapsed());
            }
            played.push(Played {
                step: step.clone(),
                outcome,
            });
        }
        for (_, task) in std::mem::take(&mut play.running) {
            task.abort();
        }
        // As on a real machine, what is due by itself happens before the looks.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Transcript {
            case: real.case.clone(),
            played,
            after: play.looks().await,
        })
    })
}

struct Play<'a> {
    mock: MockPodman,
    dir: &'a Path,
    since: String,
    running: BTreeMap<String, JoinHandle<Outcome>>,
}

impl Play<'_> {
    async fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Podman(argv) => self.hidden(podman(&self.mock, &self.fill(argv)).await),
            Step::KillClient(ms, argv) => {
                let argv = self.fill(argv);
                self.hidden(killed(&self.mock, &argv, Duration::from_millis(*ms)).await)
            }
            Step::Spawn(label, argv) => {
                let (mock, argv) = (self.mock.clone(), self.fill(argv));
                let task = tokio::spawn(async move { podman(&mock, &argv).await });
                // It begins before the next step does.
                tokio::task::yield_now().await;
                match self.running.insert(label.clone(), task) {
                    None => Outcome::default(),
                    Some(_) => cannot(format!("`{label}` runs already")),
                }
            }
            Step::Join(label) => match self.running.remove(label) {
                Some(task) => match task.await {
                    Ok(outcome) => self.hidden(outcome),
                    Err(error) => cannot(error.to_string()),
                },
                None => cannot(format!("`{label}` was not spawned")),
            },
            Step::Until(name, state) => self.until(name, "{{.State.Status}}", state).await,
            Step::UntilRestarted(name, count) => {
                let format = "{{.RestartCount}} {{.State.Running}}";
                self.until(name, format, &format!("{count} true")).await
            }
            Step::UntilHealthy(name, word) => {
                self.until(name, "{{.State.Health.Status}}", word).await
            }
            Step::KillProcess(name) => ran(name, self.mock.kill_process(name)),
            Step::KillMonitor(name) => ran(name, self.mock.kill_monitor(name)),
            Step::Reboot => {
                self.mock.power_loss();
                Outcome::default()
            }
            Step::Registry(answer) => match answer.parse() {
                Ok(answer) => {
                    self.mock.set_registry(REGISTRY, answer);
                    Outcome::default()
                }
                Err(error) => cannot(chain(&error)),
            },
            Step::TakePort(port) => {
                self.mock.take_port(*port);
                Outcome::default()
            }
            Step::File(name, text) => match std::fs::write(self.dir.join(name), text) {
                Ok(()) => Outcome::default(),
                Err(error) => cannot(format!("{name}: {error}")),
            },
        }
    }

    async fn until(&self, name: &str, format: &str, wanted: &str) -> Outcome {
        let argv = ["container", "inspect", "--format", format, name].map(str::to_owned);
        let deadline = Instant::now() + UNTIL;
        loop {
            let seen = podman(&self.mock, &argv).await;
            if seen.stdout.trim() == wanted {
                return Outcome::default();
            }
            if Instant::now() > deadline {
                let last = [seen.stdout.trim(), seen.stderr.trim()].concat();
                return cannot(format!("{name} is not {wanted} within {UNTIL:?}: {last}"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn looks(&self) -> BTreeMap<String, Outcome> {
        let mut looks: BTreeMap<String, Outcome> = BTreeMap::new();
        for (name, argv) in LOOKS {
            let containers = looks.get("ps").map(containers).unwrap_or_default();
            if containers.is_empty() && argv.contains(&"$CONTAINERS") {
                continue;
            }
            let argv: Vec<String> = argv
                .iter()
                .flat_map(|&word| match word {
                    "$CONTAINERS" => containers.clone(),
                    "$SINCE" => vec![self.since.clone()],
                    word => vec![word.to_owned()],
                })
                .collect();
            let outcome = self.hidden(podman(&self.mock, &argv).await);
            looks.insert((*name).to_owned(), outcome);
        }
        looks
    }

    fn fill(&self, argv: &[String]) -> Vec<String> {
        let dir = self.dir.display().to_string();
        argv.iter()
            .map(|word| {
                word.replace("$FIXTURE", FIXTURE)
                    .replace("$DIR", &dir)
                    .replace("$SINCE", &self.since)
            })
            .collect()
    }

    /// Without the folder's name, as recordings are.
    fn hidden(&self, mut outcome: Outcome) -> Outcome {
        let dir = self.dir.display().to_string();
        for text in [&mut outcome.stdout, &mut outcome.stderr] {
            *text = text.replace(&dir, "$DIR");
        }
        outcome
    }
}

async fn podman(mock: &MockPodman, argv: &[String]) -> Outcome {
    let args: Vec<&str> = argv.iter().map(String::as_str).collect();
    let begin = Instant::now();
    let mut outcome = match tokio::time::timeout(HANGS, mock.execute("podman", &args)).await {
        Ok(Ok(output)) => Outcome {
            code: output.code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            ms: 0,
        },
        // The power went: the command with it.
        Ok(Err(ExecuteError::LostOutput { .. })) => Outcome {
            code: 137,
            ..Outcome::default()
        },
        Ok(Err(error)) => cannot(chain(&error)),
        Err(_) => cannot(format!("it takes longer than {HANGS:?}")),
    };
    outcome.ms = millis(begin.elapsed());
    outcome
}

/// A command whose client is killed after `time`, unless it ends before: what it said until then.
async fn killed(mock: &MockPodman, argv: &[String], time: Duration) -> Outcome {
    let args: Vec<&str> = argv.iter().map(String::as_str).collect();
    let mut outcome = Outcome::default();
    let mut on_line = |line: OutputLine| {
        let text = match line.stream {
            OutputStream::Stdout => &mut outcome.stdout,
            OutputStream::Stderr => &mut outcome.stderr,
        };
        text.push_str(&line.text);
        text.push('\n');
    };
    let command = mock.stream("podman", &args, &mut on_line);
    match tokio::time::timeout(time, command).await {
        Ok(Ok(code)) => outcome.code = code,
        Err(_) | Ok(Err(ExecuteError::LostOutput { .. })) => outcome.code = 137,
        Ok(Err(error)) => return cannot(chain(&error)),
    }
    outcome
}

fn ran(name: &str, is_done: bool) -> Outcome {
    if is_done {
        Outcome::default()
    } else {
        cannot(format!("no container {name} runs"))
    }
}

fn cannot(why: String) -> Outcome {
    Outcome {
        code: CANNOT,
        stderr: why,
        ..Outcome::default()
    }
}

/// The names of all containers that `ps` lists.
fn containers(ps: &Outcome) -> Vec<String> {
    let rows: Vec<serde_json::Value> = serde_json::from_str(&ps.stdout).unwrap_or_default();
    rows.iter()
        .filter_map(|row| Some(row["Names"][0].as_str()?.to_owned()))
        .collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
