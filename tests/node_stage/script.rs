//! A script of `scripts/`, started as a person starts it, its streams read as it goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archipelago_lab::StandIn;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

use crate::program::until;

/// How long a script may take that builds nothing to speak of.
const RUN: Duration = Duration::from_secs(240);

/// The root of the sources.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The environment of a person who has a shell here: nothing of the test runner and of cargo around this process.
pub(crate) fn plain_environment() -> BTreeMap<String, String> {
    let kept = |name: &str| {
        matches!(name, "CARGO_HOME" | "CARGO_TARGET_DIR")
            || !["CARGO", "NEXTEST", "ARCHIPELAGO", "RUST_", "DOCKER_HOST"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    let mut environment: BTreeMap<_, _> = std::env::vars().filter(|(name, _)| kept(name)).collect();
    // Whatever a trial says: nothing but this machine.
    environment.insert("ARCHIPELAGO_NODE_LOOPBACK_ONLY".into(), "1".into());
    environment
}

/// A script to be started.
pub(crate) struct Script {
    program: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    within: Duration,
}

impl Script {
    /// `scripts/NAME`, for this node.
    pub(crate) fn new(node: &StandIn, name: &str, arguments: &[&str]) -> Self {
        let mut script = Self::without_node(name, arguments);
        script.environment.extend(node.env());
        script
    }

    /// The same, for no node at all.
    pub(crate) fn without_node(name: &str, arguments: &[&str]) -> Self {
        Self {
            program: root().join("scripts").join(name),
            arguments: arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
            environment: plain_environment(),
            within: RUN,
        }
    }

    /// With another value of a variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// With so much time.
    pub(crate) fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Starts it.
    pub(crate) fn begin(&self) -> Result<Running, String> {
        let scratch = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .env("TMPDIR", scratch.path())
            // Whoever starts a script from elsewhere is served as well.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // As from a terminal: Ctrl-C goes to the group.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("no {}: {error}", self.program.display()))?;
        let told = Arc::new(Mutex::new(String::new()));
        let stdin = child.stdin.take();
        let stdout = read(child.stdout.take(), Arc::new(Mutex::new(String::new())));
        let stderr = read(child.stderr.take(), told.clone());
        Ok(Running {
            child,
            stdin,
            stdout,
            stderr,
            told,
            scratch,
            within: self.within,
        })
    }

    /// Runs it to its end.
    pub(crate) async fn to_end(&self) -> Result<Ended, String> {
        let mut running = self.begin()?;
        // Nobody types anything.
        running.stdin = None;
        running.end().await
    }
}

fn read(
    stream: Option<impl tokio::io::AsyncRead + Unpin + Send + 'static>,
    told: Arc<Mutex<String>>,
) -> JoinHandle<String> {
    tokio::spawn(async move {
        let Some(stream) = stream else {
            return String::new();
        };
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(mut told) = told.lock() {
                told.push_str(&line);
                told.push('\n');
            }
        }
        told.lock().map(|told| told.clone()).unwrap_or_default()
    })
}

/// A script under way.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    told: Arc<Mutex<String>>,
    scratch: tempfile::TempDir,
    within: Duration,
}

impl Running {
    /// What it has said so far, on standard error.
    pub(crate) fn told(&self) -> String {
        self.told
            .lock()
            .map(|told| told.clone())
            .unwrap_or_default()
    }

    /// Waits until it has said this so many times.
    pub(crate) async fn says(&self, text: &str, times: usize) -> Result<(), String> {
        until(&format!("it says `{text}`"), self.within, async || {
            let told = self.told();
            if told.matches(text).count() >= times {
                Ok(())
            } else {
                Err(told)
            }
        })
        .await
    }

    /// Types a line.
    pub(crate) async fn types(&mut self, line: &str) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("nobody is there to type")?;
        let line = format!("{line}\n");
        stdin
            .write_all(line.as_bytes())
            .await
            .map_err(|error| error.to_string())
    }

    fn pid(&self) -> Result<Pid, String> {
        let pid = self.child.id().ok_or("it has ended")?;
        let pid = i32::try_from(pid).map_err(|error| error.to_string())?;
        Pid::from_raw(pid).ok_or_else(|| "no pid".to_owned())
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) -> Result<(), String> {
        kill_process_group(self.pid()?, Signal::INT).map_err(|error| error.to_string())
    }

    /// Sends a signal to the script alone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(self.pid()?, signal).map_err(|error| error.to_string())
    }

    /// Returns when it has ended.
    pub(crate) async fn ends(&mut self) {
        // Whoever takes its end learns of an error.
        let _ = self.child.wait().await;
    }

    /// Waits for its end, and that it leaves nothing here.
    pub(crate) async fn end(self) -> Result<Ended, String> {
        let ended = self.end_of_a_killed_one().await?;
        let left = &ended.left_here;
        if left.is_empty() {
            Ok(ended)
        } else {
            Err(format!("it left {left:?} in TMPDIR:\n{ended}"))
        }
    }

    /// Waits for the end of one that was given no time to clean up.
    pub(crate) async fn end_of_a_killed_one(mut self) -> Result<Ended, String> {
        let status = tokio::time::timeout(self.within, self.child.wait())
            .await
            .map_err(|_| {
                let told = self.told();
                format!("it did not end within {} s:\n{told}", self.within.as_secs())
            })?
            .map_err(|error| error.to_string())?;
        let left_here = std::fs::read_dir(self.scratch.path())
            .map_err(|error| error.to_string())?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        Ok(Ended {
            code: status.code(),
            stdout: self.stdout.await.map_err(|error| error.to_string())?,
            stderr: self.stderr.await.map_err(|error| error.to_string())?,
            left_here,
        })
    }
}

/// What a script left.
#[derive(Debug)]
pub(crate) struct Ended {
    code: Option<i32>,
    pub(crate) stdout: String,
    stderr: String,
    left_here: Vec<String>,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
            ..
        } = self;
        write!(
            f,
            "exit code {code:?}\n--- standard output\n{stdout}\n--- standard error\n{stderr}"
        )
    }
}

impl Ended {
    /// It has to have ended with this code, saying all of this in this order.
    pub(crate) fn with_code(self, code: i32, texts: &[&str]) -> Result<Self, String> {
        if self.code != Some(code) {
            return Err(format!("it was to end with {code}: {self}"));
        }
        let mut rest = self.stderr.as_str();
        for text in texts {
            match rest.split_once(text) {
                Some((_, after)) => rest = after,
                None => {
                    return Err(format!(
                        "it was to say {texts:?}, and `{text}` is not there: {self}"
                    ));
                }
            }
        }
        Ok(self)
    }
}
