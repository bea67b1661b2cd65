//! A terminal in a lab.

use std::io::{IsTerminal, Read, Write};

use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use rustix::termios::{OptionalActions, Termios};
use tokio::io::AsyncWriteExt;

use super::exec::entering;
use super::{Lab, LabError, refused};

impl Lab {
    /// Runs a command with this process's terminal as its own, to its end; returns its exit code.
    pub async fn interactive(&self, argv: &[&str]) -> Result<u8, LabError> {
        let tty = std::io::stdin().is_terminal();
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(tty),
            env: std::env::var("TERM")
                .ok()
                .map(|term| vec![format!("TERM={term}")]),
            cmd: Some(entering(argv)),
            ..ExecConfig::default()
        };
        let id = self
            .docker
            .create_exec(&self.container, config)
            .await
            .map_err(refused(&self.id, "exec in"))?
            .id;
        let options = StartExecOptions {
            tty,
            ..StartExecOptions::default()
        };
        let started = self
            .docker
            .start_exec(&id, Some(options))
            .await
            .map_err(refused(&self.id, "exec in"))?;
        let StartExecResults::Attached {
            mut output,
            mut input,
        } = started
        else {
            return Ok(0);
        };
        let _raw = tty
            .then(RawTerminal::enter)
            .transpose()
            .map_err(|source| LabError::Io {
                action: "set the terminal to raw mode".into(),
                source,
            })?;
        if let (true, Ok(size)) = (tty, rustix::termios::tcgetwinsize(std::io::stdin())) {
            let options = ResizeExecOptions {
                height: size.ws_row,
                width: size.ws_col,
            };
            if let Err(error) = self.docker.resize_exec(&id, options).await {
                tracing::debug!(%error, "the terminal keeps its default size");
            }
        }
        // A thread and not a task: a blocked read of the terminal must not keep the runtime from ending.
        let (keys, mut typed) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
                if keys.blocking_send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let forward = async {
            while let Some(bytes) = typed.recv().await {
                if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
                    break;
                }
            }
            // End of input reaches the command; its end is what we wait for.
            let _closed = input.shutdown().await;
            std::future::pending::<()>().await;
        };
        let show = async {
            while let Some(Ok(chunk)) = output.next().await {
                let mut out = std::io::stdout();
                out.write_all(&chunk.into_bytes())?;
                out.flush()?;
            }
            Ok(())
        };
        tokio::select! {
            () = forward => {}
            shown = show => shown.map_err(|source| LabError::Io { action: "write to the terminal".into(), source })?,
        }
        let inspect = self
            .docker
            .inspect_exec(&id)
            .await
            .map_err(refused(&self.id, "exec in"))?;
        Ok(u8::try_from(inspect.exit_code.unwrap_or(0)).unwrap_or(1))
    }
}

/// The terminal in raw mode; as it was on drop.
struct RawTerminal(Termios);

impl RawTerminal {
    fn enter() -> std::io::Result<Self> {
        let before = rustix::termios::tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Err(error) =
            rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0)
        {
            eprintln!("lab: the terminal stays in raw mode (run `reset`): {error}");
        }
    }
}
