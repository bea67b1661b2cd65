//! The trials on the target `node`, started as a test runner starts them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use archipelago_lab::StandIn;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long such a run may take.
const RUN: Duration = Duration::from_secs(240);

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) is_good: bool,
    /// Both streams.
    pub(crate) said: String,
}

impl Ended {
    /// It has to have failed, saying all of this.
    pub(crate) fn failed_saying(&self, texts: &[&str]) -> Result<(), String> {
        let missing: Vec<_> = texts
            .iter()
            .filter(|text| !self.said.contains(**text))
            .collect();
        if self.is_good || !missing.is_empty() {
            return Err(format!(
                "it was to fail and say {texts:?}; it {}, without {missing:?}:\n{}",
                if self.is_good { "passed" } else { "failed" },
                self.said
            ));
        }
        Ok(())
    }

    /// It has to have passed.
    pub(crate) fn passed(&self) -> Result<(), String> {
        if self.is_good {
            Ok(())
        } else {
            Err(format!("it failed:\n{}", self.said))
        }
    }
}

/// Trials on the target `node` to be run, on a stand-in.
pub(crate) struct Run {
    filter: &'static str,
    environment: BTreeMap<String, String>,
}

impl Run {
    /// Of all trials with this in their name, on this node.
    pub(crate) fn new(node: &StandIn, filter: &'static str) -> Self {
        let mut environment: BTreeMap<_, _> = node.env().into_iter().collect();
        // Whatever the stand-in says: nothing but this machine.
        environment.insert("ARCHIPELAGO_NODE_LOOPBACK_ONLY".into(), "1".into());
        Self {
            filter,
            environment,
        }
    }

    /// With another value of a variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Starts it.
    pub(crate) async fn begin(&self) -> Result<Running, String> {
        let mut child = Command::new(scenarios().await?)
            .args([self.filter, "--test-threads", "1", "--nocapture"])
            // Of the runner around this process, and not of this run.
            .env_remove("NEXTEST_RUN_ID")
            .env_remove("ARCHIPELAGO_NODE_RUN")
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("no scenarios: {error}"))?;
        let stderr = child.stderr.take().map(|stderr| {
            tokio::spawn(async move {
                let mut text = String::new();
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    // What is ignored is of no interest here.
                    if !line.contains(" is ignored: ") {
                        text.push_str(&line);
                        text.push('\n');
                    }
                }
                text
            })
        });
        Ok(Running { child, stderr })
    }

    /// Runs it to its end.
    pub(crate) async fn to_end(&self) -> Result<Ended, String> {
        self.begin().await?.end().await
    }
}

/// A run under way.
pub(crate) struct Running {
    child: Child,
    stderr: Option<tokio::task::JoinHandle<String>>,
}

impl Running {
    /// Its process, which leads its group.
    pub(crate) fn pid(&self) -> Result<u32, String> {
        self.child.id().ok_or_else(|| "it has ended".into())
    }

    /// Sends a signal to its group, as a terminal and nextest do.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) -> Result<(), String> {
        let pid = i32::try_from(self.pid()?).map_err(|error| error.to_string())?;
        let pid = rustix::process::Pid::from_raw(pid).ok_or("no pid")?;
        rustix::process::kill_process_group(pid, signal).map_err(|error| error.to_string())
    }

    /// Returns when it has ended.
    pub(crate) async fn ends(&mut self) {
        // Whoever takes its end learns of an error.
        let _ = self.child.wait().await;
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Result<Ended, String> {
        let Self { child, stderr } = self;
        let output = tokio::time::timeout(RUN, child.wait_with_output())
            .await
            .map_err(|_| format!("the run did not end within {} s", RUN.as_secs()))?
            .map_err(|error| error.to_string())?;
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some(stderr) = stderr {
            said.push_str(&stderr.await.map_err(|error| error.to_string())?);
        }
        Ok(Ended {
            is_good: output.status.success(),
            said,
        })
    }
}

/// Waits until a look finds what it looks for.
pub(crate) async fn until<T>(
    awaited: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() > deadline => {
                return Err(format!(
                    "not so within {} s: {awaited}; last seen: {last}",
                    within.as_secs()
                ));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The test binary with the scenarios, as cargo builds it.
async fn scenarios() -> Result<PathBuf, String> {
    static FOUND: tokio::sync::OnceCell<PathBuf> = tokio::sync::OnceCell::const_new();
    let find = async || {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["test", "--quiet", "--no-run", "--package", "archipelago"])
            .args(["--test", "scenarios"])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("no cargo: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let messages = said.lines();
        messages
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == "scenarios")
            .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
            .ok_or_else(|| {
                format!(
                    "cargo built no scenarios: {}",
                    String::from_utf8_lossy(&output.stderr)
                )
            })
    };
    FOUND.get_or_try_init(find).await.cloned()
}
