//! Running commands in a lab.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::StreamExt;

use super::{Lab, LabError, refused};

/// How long a command in a lab may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command in a lab left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code.
    pub code: i64,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Lab {
    /// Runs a command in the lab as root, to its end. A non-zero exit code is a value.
    pub async fn exec(&self, argv: &[&str]) -> Result<Output, LabError> {
        exec(&self.docker, &self.id, &self.container, argv, LIMIT).await
    }

    /// Runs a command in the lab as root and hands over its standard output as it comes; it may be silent for so long.
    pub(crate) async fn follow(
        &self,
        argv: &[&str],
        silent: Duration,
        on: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Output, LabError> {
        run(&self.docker, &self.id, &self.container, argv, silent, on).await
    }

    /// Runs the inner podman, to its end. A non-zero exit code is a value.
    pub async fn podman(&self, argv: &[&str]) -> Result<Output, LabError> {
        self.exec(&[&["podman"], argv].concat()).await
    }

    /// Runs a command that has to succeed; its standard output as text.
    pub async fn succeed(&self, argv: &[&str]) -> Result<String, LabError> {
        let output = self.exec(argv).await?;
        if output.code == 0 {
            return Ok(output.stdout_text());
        }
        Err(LabError::ExecFailed {
            lab: self.id.clone(),
            command: argv.join(" "),
            code: output.code,
            stderr: output.stderr_text().trim_end().to_owned(),
        })
    }

    /// The last lines of the journal since the last boot, of one unit or of all.
    pub async fn journal(&self, unit: Option<&str>, lines: usize) -> Result<String, LabError> {
        let lines = lines.to_string();
        let mut argv = vec![
            "journalctl",
            "--no-pager",
            "-o",
            "short-precise",
            "-n",
            &lines,
        ];
        if let Some(unit) = unit {
            argv.extend(["-u", unit]);
        }
        self.succeed(&argv).await
    }
}

pub(super) async fn exec(
    docker: &Docker,
    lab: &str,
    container: &str,
    argv: &[&str],
    limit: Duration,
) -> Result<Output, LabError> {
    let mut stdout = Vec::new();
    let mut keep = |bytes: &[u8]| stdout.extend_from_slice(bytes);
    let running = run(docker, lab, container, argv, limit, &mut keep);
    let output = tokio::time::timeout(limit, running)
        .await
        .unwrap_or_else(|_| Err(timed_out(lab, argv, limit)))?;
    Ok(Output { stdout, ..output })
}

fn timed_out(lab: &str, argv: &[&str], limit: Duration) -> LabError {
    LabError::ExecTimedOut {
        lab: lab.into(),
        command: argv.join(" "),
        limit,
    }
}

/// The command line that the engine is asked to run: into PID 1's cgroup namespace first, without which the inner podman
/// reports OOM kills falsely on some hosts.
pub(super) fn entering(argv: &[&str]) -> Vec<String> {
    std::iter::once("/usr/local/sbin/lab-enter")
        .chain(argv.iter().copied())
        .map(str::to_owned)
        .collect()
}

/// Runs a command; its standard output goes to `on`, and is not in what is returned.
async fn run(
    docker: &Docker,
    lab: &str,
    container: &str,
    argv: &[&str],
    silent: Duration,
    on: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Output, LabError> {
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(entering(argv)),
        ..ExecConfig::default()
    };
    let id = docker
        .create_exec(container, config)
        .await
        .map_err(refused(lab, "exec in"))?
        .id;
    let mut output = Output {
        code: -1,
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    let started = docker
        .start_exec(&id, None)
        .await
        .map_err(refused(lab, "exec in"))?;
    if let StartExecResults::Attached {
        output: mut stream, ..
    } = started
    {
        // To the end first: podman reports code 0 for an exec that still runs.
        while let Some(chunk) = tokio::time::timeout(silent, stream.next())
            .await
            .map_err(|_| timed_out(lab, argv, silent))?
        {
            match chunk.map_err(refused(lab, "read from"))? {
                LogOutput::StdErr { message } => output.stderr.extend_from_slice(&message),
                LogOutput::StdOut { message }
                | LogOutput::Console { message }
                | LogOutput::StdIn { message } => on(&message),
            }
        }
    }
    loop {
        let inspect = docker
            .inspect_exec(&id)
            .await
            .map_err(refused(lab, "exec in"))?;
        if inspect.running != Some(true) {
            output.code = inspect.exit_code.unwrap_or(-1);
            return Ok(output);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
