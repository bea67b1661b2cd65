//! A daemon in a process of its own, and the command line against it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take here that takes milliseconds on an idle machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(8);

/// `archipelago` with nothing of this machine's configuration.
pub(crate) fn archipelago(folder: &Path) -> Command {
    let config = folder.join("archipelago.toml");
    if !config.exists() {
        std::fs::write(&config, "").expect("a configuration");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_archipelago"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARCHIPELAGO_") {
            command.env_remove(name);
        }
    }
    command
        .env("ARCHIPELAGO_CONFIG", config)
        .env("ARCHIPELAGO_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null());
    command
}

/// A running `archipelago serve`. Killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// What it said on standard error so far.
    said: Vec<String>,
}

impl Daemon {
    /// Starts it.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Self {
            child,
            stdout,
            stderr,
            said: Vec::new(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The rest of the first line of standard output that has `start` in it.
    pub(crate) fn told(&mut self, start: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        while let Ok(line) = self.stdout.recv_timeout(deadline - Instant::now()) {
            if let Some((_, rest)) = line.split_once(start) {
                return rest.to_owned();
            }
            seen.push(line);
        }
        let said: Vec<String> = self.stderr.try_iter().collect();
        panic!(
            "no line with {start:?} within {DEADLINE:?}; it wrote {seen:?}, and to standard error {said:?}"
        );
    }

    /// The rest of the first line of standard error that has `start` in it.
    pub(crate) fn logged(&mut self, start: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        while let Ok(line) = self.stderr.recv_timeout(deadline - Instant::now()) {
            if let Some((_, rest)) = line.split_once(start) {
                return rest.to_owned();
            }
            self.said.push(line);
        }
        panic!(
            "nothing with {start:?} was logged within {DEADLINE:?}; it logged {:?}",
            self.said
        );
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        kill(self.pid(), signal);
    }

    /// Its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not end within {DEADLINE:?}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process of ours.
pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("it lives");
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// A daemon on the mock, and where it is.
pub(crate) struct Mock {
    pub(crate) daemon: Daemon,
    pub(crate) address: String,
    pub(crate) token: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Mock {
    /// One whose pulls take no time.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--mock-pull-ms", "0"])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut daemon = Daemon::spawn(
            archipelago(folder.path())
                .args(["serve", "--engine", "mock"])
                .args(arguments)
                .env("TMPDIR", folder.path())
                .env("ARCHIPELAGO_INSTALL_STAY_UP_SECS", "0"),
        );
        let url = daemon.told("http://");
        let (address, token) = url.split_once("/#token=").expect("a URL with the token");
        Self {
            address: address.to_owned(),
            token: token.to_owned(),
            daemon,
            folder,
        }
    }

    /// The command line, with the way to this daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = archipelago(self.folder.path());
        command
            .args(arguments)
            .env("ARCHIPELAGO_LISTEN", &self.address)
            .env("ARCHIPELAGO_TOKEN", &self.token);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("it runs"))
    }
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// It succeeded; its standard output.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Its standard output as JSON, whatever its exit code.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
