//! A script of `scripts/`, started as a person starts it, its streams read as it goes.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archipelago_lab::StandIn;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::program::until;

/// How long a script may take that builds nothing to speak of.
const RUN: Duration = Duration::from_secs(240);

/// What a terminal makes a SIGINT of.
pub(crate) const CTRL_C: &str = "\x03";

/// The root of the sources.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The environment of a person who has a shell here: nothing of the test runner and of cargo around this process.
pub(crate) fn plain_environment() -> BTreeMap<String, String> {
    // With another choice here all of the workspace would be built anew.
    let of_builds = ["CARGO_HOME", "CARGO_INCREMENTAL", "CARGO_TARGET_DIR"];
    let kept = |name: &str| {
        of_builds.contains(&name)
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

    /// The same script of another checkout.
    pub(crate) fn of(mut self, checkout: &Path) -> Self {
        if let Ok(path) = self.program.strip_prefix(root()) {
            self.program = checkout.join(path);
        }
        self
    }

    /// With another value of a variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Without a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
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
        let told = Told::default();
        let stdin = child.stdin.take().map(|stdin| Box::new(stdin) as Keys);
        let stdout = read(child.stdout.take(), Told::default());
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

    /// Starts it in a terminal of its own; all that it says counts as standard error.
    pub(crate) fn begin_in_terminal(&self) -> Result<Running, String> {
        let scratch = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
        let (terminal, theirs) =
            pty_process::open().map_err(|error| format!("no terminal: {error}"))?;
        terminal
            .resize(pty_process::Size::new(50, 160))
            .map_err(|error| format!("no size of the terminal: {error}"))?;
        let child = pty_process::Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .env("TERM", "xterm-256color")
            .env("TMPDIR", scratch.path())
            .current_dir("/")
            .kill_on_drop(true)
            .spawn(theirs)
            .map_err(|error| format!("no {}: {error}", self.program.display()))?;
        let (said, keys) = terminal.into_split();
        let told = Told::default();
        Ok(Running {
            child,
            stdin: Some(Box::new(keys)),
            stdout: read(None::<tokio::io::Empty>, Told::default()),
            stderr: read(Some(said), told.clone()),
            told,
            scratch,
            within: self.within,
        })
    }

    /// Runs it to its end.
    pub(crate) async fn to_end(&self) -> Result<Ended, String> {
        let mut running = self.begin()?;
        running.types_no_more();
        running.end().await
    }
}

/// What was said so far.
type Told = Arc<Mutex<Vec<u8>>>;
/// Where what is typed goes.
type Keys = Box<dyn AsyncWrite + Unpin + Send>;

fn text_of(told: &Told) -> String {
    told.lock()
        .map(|told| String::from_utf8_lossy(&told).into_owned())
        .unwrap_or_default()
}

fn read(stream: Option<impl AsyncRead + Unpin + Send + 'static>, told: Told) -> JoinHandle<String> {
    tokio::spawn(async move {
        let Some(mut stream) = stream else {
            return String::new();
        };
        let mut buffer = vec![0; 8192];
        // A terminal that everybody has left is an error.
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            if let Ok(mut told) = told.lock() {
                told.extend_from_slice(&buffer[..length]);
            }
        }
        text_of(&told)
    })
}

/// A script under way.
pub(crate) struct Running {
    child: Child,
    stdin: Option<Keys>,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    told: Told,
    scratch: tempfile::TempDir,
    within: Duration,
}

impl Running {
    /// What it has said so far, on standard error.
    pub(crate) fn told(&self) -> String {
        text_of(&self.told)
    }

    /// Waits until it has said this so many times.
    pub(crate) async fn says(&self, text: &str, times: usize) -> Result<(), String> {
        let awaited = format!("it says `{text}`");
        let said = until(&awaited, self.within, async || {
            let has_ended = self.stderr.is_finished();
            let told = self.told();
            if told.matches(text).count() >= times {
                Ok(true)
            } else if has_ended {
                Ok(false)
            } else {
                Err(told)
            }
        });
        if said.await? {
            Ok(())
        } else {
            Err(format!("it ended without `{text}`: {}", self.told()))
        }
    }

    /// Types a line.
    pub(crate) async fn types(&mut self, line: &str) -> Result<(), String> {
        self.presses(&format!("{line}\n")).await
    }

    /// Presses keys: in a terminal Ctrl-C is one.
    pub(crate) async fn presses(&mut self, keys: &str) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("nobody is there to type")?;
        stdin
            .write_all(keys.as_bytes())
            .await
            .map_err(|error| error.to_string())
    }

    /// Goes away: without a terminal that is the end of input.
    pub(crate) fn types_no_more(&mut self) {
        self.stdin = None;
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
            // As a shell tells it.
            code: status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal)),
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
