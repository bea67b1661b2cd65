//! The one seam to the machine: every program that archipelago starts, it starts through a [`CommandExecutor`].

use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
};

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Split};
use tokio::process::{Child, Command};

/// What a program that ended has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// Exit code; 128 + N for a program that signal N ended, as a shell has it.
    pub code: i32,
    /// Standard output, as bytes.
    pub stdout: Vec<u8>,
    /// Standard error, as bytes.
    pub stderr: Vec<u8>,
}

/// One of a program's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line that a program wrote, without its end; bytes that are no UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Where it was written to.
    pub stream: OutputStream,
    /// The line.
    pub text: String,
}

impl OutputLine {
    fn new(stream: OutputStream, bytes: &[u8]) -> Self {
        Self {
            stream,
            text: String::from_utf8_lossy(bytes)
                .trim_end_matches('\r')
                .to_owned(),
        }
    }
}

/// The program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// It did not start.
    #[error("`{program}` did not start")]
    DidNotStart {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It started, and its output could not be read to the end.
    #[error("lost the output of `{program}`")]
    LostOutput {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs programs: the real machine, or a mock that answers from memory.
///
/// Dropping the future ends the program: that is how callers set a time limit.
#[async_trait]
pub trait CommandExecutor: Send + Sync {
    /// Runs `program` with `args` to its end. A non-zero exit code is a value, not an error.
    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError>;

    /// Whether programs run on this machine itself, so that its sockets lead to the same podman.
    fn is_this_machine(&self) -> bool {
        false
    }

    /// Runs `program` with `args` and gives each line to `on_line` while the program runs. Returns its exit code. Lines of
    /// one output come in their order; between the two outputs there is none.
    ///
    /// By default all lines come at the end of the program.
    async fn stream(
        &self,
        program: &str,
        args: &[&str],
        on_line: &mut (dyn FnMut(OutputLine) + Send),
    ) -> Result<i32, ExecuteError> {
        let output = self.execute(program, args).await?;
        for (stream, bytes) in [
            (OutputStream::Stdout, &output.stdout),
            (OutputStream::Stderr, &output.stderr),
        ] {
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                on_line(OutputLine::new(stream, line));
            }
        }
        Ok(output.code)
    }
}

/// Runs programs on this machine.
///
/// They inherit the environment (podman finds its storage and runtime folders by it) with `LC_ALL=C`, so that
/// messages are in the language that [`Refusal`](super::podman::Refusal) reads; their standard input is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealExecutor;

/// What systemd tells this daemon alone. podman would pass `NOTIFY_SOCKET` on to containers and speak for them.
const OF_THE_SERVICE: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// The program as it is started.
fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in OF_THE_SERVICE {
        command.env_remove(name);
    }
    command
}

fn spawn(program: &str, args: &[&str]) -> Result<Child, ExecuteError> {
    command(program, args)
        .spawn()
        .map_err(|source| ExecuteError::DidNotStart {
            program: program.to_owned(),
            source,
        })
}

fn lost_output(program: &str) -> impl Fn(std::io::Error) -> ExecuteError {
    move |source| ExecuteError::LostOutput {
        program: program.to_owned(),
        source,
    }
}

#[async_trait]
impl CommandExecutor for RealExecutor {
    fn is_this_machine(&self) -> bool {
        true
    }

    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError> {
        let child = spawn(program, args)?;
        let output = child
            .wait_with_output()
            .await
            .map_err(lost_output(program))?;
        Ok(CommandOutput {
            code: exit_code(output.status),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    async fn stream(
        &self,
        program: &str,
        args: &[&str],
        on_line: &mut (dyn FnMut(OutputLine) + Send),
    ) -> Result<i32, ExecuteError> {
        let mut child = spawn(program, args)?;
        let mut stdout = lines(child.stdout.take());
        let mut stderr = lines(child.stderr.take());
        // An output that has ended is none.
        while stdout.is_some() || stderr.is_some() {
            let (stream, line) = tokio::select! {
                line = next_line(&mut stdout), if stdout.is_some() => (OutputStream::Stdout, line),
                line = next_line(&mut stderr), if stderr.is_some() => (OutputStream::Stderr, line),
            };
            if let Some(line) = line.map_err(lost_output(program))? {
                on_line(OutputLine::new(stream, &line));
            }
        }
        let status = child.wait().await.map_err(lost_output(program))?;
        Ok(exit_code(status))
    }
}

type Lines<R> = Split<BufReader<R>>;

fn lines<R: AsyncRead + Unpin>(output: Option<R>) -> Option<Lines<R>> {
    output.map(|output| BufReader::new(output).split(b'\n'))
}

/// The next line; at the end of the output there is no output any more. May be dropped at any time: nothing is lost.
async fn next_line<R: AsyncRead + Unpin>(
    output: &mut Option<Lines<R>>,
) -> std::io::Result<Option<Vec<u8>>> {
    let Some(lines) = output else { return Ok(None) };
    let line = lines.next_segment().await?;
    if line.is_none() {
        *output = None;
    }
    Ok(line)
}

/// As a shell has it: 128 + N for a program that signal N ended.
fn exit_code(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        // A status of a program that has ended is one or the other.
        (None, None) => -1,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{BufRead as _, BufReader, Read as _},
    };

    use super::*;

    #[tokio::test]
    async fn gives_code_and_both_outputs() {
        let output = RealExecutor
            .execute("sh", &["-c", "echo out; echo err >&2; cat; exit 7"])
            .await
            .expect("sh is on every machine");
        assert_eq!(
            output,
            CommandOutput {
                code: 7,
                stdout: b"out\n".to_vec(),
                stderr: b"err\n".to_vec(),
            }
        );
    }

    #[tokio::test]
    async fn counts_a_signal_as_a_shell_does() {
        let output = RealExecutor
            .execute("sh", &["-c", "kill -9 $$"])
            .await
            .expect("sh is on every machine");
        assert_eq!(output.code, 137);
    }

    #[tokio::test]
    async fn speaks_the_language_that_is_parsed() {
        let output = RealExecutor
            .execute("sh", &["-c", "echo $LC_ALL"])
            .await
            .expect("sh is on every machine");
        assert_eq!(output.stdout, b"C\n");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = RealExecutor
            .execute("no-such-program", &[])
            .await
            .expect_err("it is not there");
        assert_eq!(error.to_string(), "`no-such-program` did not start");
    }

    #[tokio::test]
    async fn a_dropped_call_ends_its_program() {
        // The program holds the writing end of a fifo; reading it ends when the program is gone.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fifo = folder.path().join("fifo");
        let path = fifo.to_str().expect("a plain path").to_owned();
        assert_eq!(
            RealExecutor
                .execute("mkfifo", &[&path])
                .await
                .expect("mkfifo is on every machine")
                .code,
            0
        );
        let holder = tokio::spawn({
            let path = path.clone();
            async move {
                RealExecutor
                    .execute(
                        "sh",
                        &["-c", "exec >\"$0\"; echo here; exec sleep 1000", &path],
                    )
                    .await
            }
        });
        let (heard, hears) = tokio::sync::oneshot::channel();
        let reader = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(File::open(&fifo).expect("the fifo opens"));
            let mut text = String::new();
            lines.read_line(&mut text).expect("a line");
            heard.send(()).expect("the test waits for it");
            lines.read_to_string(&mut text).expect("the fifo's end");
            text
        });
        hears.await.expect("the program runs");
        holder.abort();
        assert_eq!(reader.await.expect("no panic"), "here\n");
    }

    #[tokio::test]
    async fn lines_come_while_the_program_runs() {
        // The program goes on only when its first line was read: it waits for a fifo to be opened.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fifo = folder.path().join("fifo");
        let path = fifo.to_str().expect("a plain path");
        let script =
            "mkfifo \"$0\"; echo one; read go <\"$0\"; echo \"$go\" >&2; printf last; exit 3";
        let mut seen = Vec::new();
        let code = RealExecutor
            .stream("sh", &["-c", script, path], &mut |line| {
                if line.text == "one" {
                    std::fs::write(&fifo, "two\n").expect("the program reads it");
                }
                seen.push(line);
            })
            .await
            .expect("sh is on every machine");
        seen.sort_by_key(|line| line.text.clone());
        let line = |stream, text: &str| OutputLine {
            stream,
            text: text.to_owned(),
        };
        assert_eq!(code, 3);
        assert_eq!(
            seen,
            [
                line(OutputStream::Stdout, "last"),
                line(OutputStream::Stdout, "one"),
                line(OutputStream::Stderr, "two"),
            ]
        );
    }

    #[test]
    fn what_systemd_tells_the_daemon_is_not_passed_on() {
        let command = command("podman", &["ps"]);
        let removed: Vec<_> = command
            .as_std()
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_owned())
            .collect();
        for name in ["NOTIFY_SOCKET", "WATCHDOG_PID", "LISTEN_FDS"] {
            assert!(removed.contains(&name.into()), "{name}: {removed:?}");
        }
    }
}
