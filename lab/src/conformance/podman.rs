//! Starting a podman, and what it left.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use super::player::PlayError;
use super::transcript::Outcome;

/// How long a command may take where nobody says otherwise.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What podman would pass on into containers, or print differently for.
const UNSET: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
];

/// A program that says it is podman, and what it is started with.
#[derive(Debug, Clone)]
pub struct Podman {
    /// A path, or a name that is looked for on PATH.
    pub program: PathBuf,
    /// Environment besides this process's own.
    pub env: Vec<(OsString, OsString)>,
    /// A command that takes longer is killed; its outcome says so.
    pub limit: Duration,
}

impl Podman {
    /// A program with no environment of its own.
    pub fn new(program: impl Into<PathBuf>, limit: Duration) -> Self {
        Self {
            program: program.into(),
            env: Vec::new(),
            limit,
        }
    }

    /// Starts a command: no standard input, English.
    pub(super) fn start(&self, argv: &[String]) -> Result<Running, PlayError> {
        let io = |source| PlayError::Start {
            program: self.program.display().to_string(),
            source,
        };
        // Files and not pipes: what a killed client has started may hold a pipe open for as long as it lives.
        let stdout = tempfile::tempfile().map_err(io)?;
        let stderr = tempfile::tempfile().map_err(io)?;
        let mut command = Command::new(&self.program);
        for name in UNSET {
            command.env_remove(name);
        }
        let child = command
            .args(argv)
            .env("LC_ALL", "C")
            .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().map_err(io)?)
            .stderr(stderr.try_clone().map_err(io)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(io)?;
        Ok(Running {
            child,
            stdout,
            stderr,
            since: Instant::now(),
        })
    }

    /// Runs a command to its end or limit.
    pub(super) async fn run(&self, argv: &[String]) -> Result<Outcome, PlayError> {
        self.start(argv)?.end(self.limit).await
    }

    /// Standard output of a command that succeeds, without white space around it; none of one that fails.
    pub(super) async fn ask(&self, argv: &[&str]) -> Result<Option<String>, PlayError> {
        let outcome = self.run(&words(argv)).await?;
        Ok((outcome.code == 0).then(|| outcome.stdout.trim().to_owned()))
    }

    /// What it says its version is, such as `5.4.2`.
    pub async fn version(&self) -> Result<String, PlayError> {
        let argv = ["version", "--format", "{{.Client.Version}}"];
        let outcome = self.run(&words(&argv)).await?;
        match outcome.stdout.trim() {
            version if outcome.code == 0 && !version.is_empty() => Ok(version.to_owned()),
            _ => Err(PlayError::NoVersion {
                program: self.program.display().to_string(),
                said: outcome.stderr,
            }),
        }
    }
}

/// Owned words.
pub(super) fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|&word| word.to_owned()).collect()
}

/// A command that was started; killed on drop.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
    since: Instant,
}

impl Running {
    /// Waits for its end; kills it after so long, counted from its start, and says so.
    pub(super) async fn end(self, limit: Duration) -> Result<Outcome, PlayError> {
        let (mut outcome, killed) = self.within(limit).await?;
        if killed {
            let line = format!("player: killed after {} s\n", limit.as_secs());
            outcome.stderr.push_str(&line);
        }
        Ok(outcome)
    }

    /// Waits for its end; kills it after so long, counted from its start. True if it was killed.
    pub(super) async fn within(mut self, limit: Duration) -> Result<(Outcome, bool), PlayError> {
        let left = limit.saturating_sub(self.since.elapsed());
        let ended = tokio::time::timeout(left, self.child.wait()).await;
        let killed = ended.is_err();
        let status = match ended {
            Ok(status) => status,
            Err(_) => match self.child.start_kill() {
                Ok(()) => self.child.wait().await,
                Err(error) => Err(error),
            },
        }
        .map_err(PlayError::Wait)?;
        let outcome = Outcome {
            code: code(status),
            ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            stdout: text(self.stdout).map_err(PlayError::Wait)?,
            stderr: text(self.stderr).map_err(PlayError::Wait)?,
        };
        Ok((outcome, killed))
    }
}

/// As a shell gives it.
fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

fn text(mut file: File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Podman {
        Podman::new("/bin/sh", Duration::from_secs(20))
    }

    #[tokio::test]
    async fn code_streams_and_environment_are_kept_apart() {
        let line = "echo out; echo err >&2; echo $LC_ALL; exit 3";
        let outcome = shell().run(&words(&["-c", line])).await.unwrap();
        assert_eq!(
            (outcome.code, &*outcome.stdout, &*outcome.stderr),
            (3, "out\nC\n", "err\n")
        );
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_killed_and_its_outcome_says_so() {
        let mut shell = shell();
        shell.limit = Duration::from_millis(50);
        let outcome = shell
            .run(&words(&["-c", "echo begun; exec sleep 60"]))
            .await
            .unwrap();
        assert_eq!((outcome.code, &*outcome.stdout), (137, "begun\n"));
        assert!(
            outcome.stderr.contains("killed after"),
            "{}",
            outcome.stderr
        );
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_is_not_waited_for() {
        let begun = Instant::now();
        // The sleep ends by itself; the outcome must be there long before.
        let outcome = shell()
            .run(&words(&["-c", "sleep 10 & echo done"]))
            .await
            .unwrap();
        assert_eq!(outcome.stdout, "done\n");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = Podman::new("/no/such/podman", LIMIT)
            .version()
            .await
            .unwrap_err();
        assert!(error.to_string().contains("/no/such/podman"), "{error}");
    }
}
