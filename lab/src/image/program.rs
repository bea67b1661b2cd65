//! Programs that a build runs on this machine.

use std::path::PathBuf;
use std::process::Stdio;

use super::error::{ImageError, io};
use crate::engine::service::tail;

/// A program with all that it has started, killed on drop: mmdebstrap has a dozen of processes below it.
struct Family(Option<u32>);

impl Drop for Family {
    fn drop(&mut self) {
        let leader = self
            .0
            .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(leader) = leader
            && let Err(error) =
                rustix::process::kill_process_group(leader, rustix::process::Signal::KILL)
        {
            tracing::warn!(%error, "a program that was not needed any more goes on");
        }
    }
}

/// Runs a program to its end; its standard output, or an error with the tail of both streams.
pub(super) async fn run(
    mut command: tokio::process::Command,
    name: &str,
) -> Result<String, ImageError> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(io(format!("start {name}")))?;
    let mut family = Family(child.id());
    let output = child
        .wait_with_output()
        .await
        .map_err(io(format!("start {name}")))?;
    family.0 = None;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
    log.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(ImageError::Program {
        program: name.into(),
        ended: format!("ended with {}", output.status),
        log: tail(&log, 15),
    })
}

/// The last program that cargo's messages name, one JSON object a line.
pub(crate) fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_last_that_cargo_names() {
        let messages = "{\"reason\":\"build-script-executed\"}\nnoise\n{\"executable\":null}\n{\"executable\":\"/t/a\"}\n{\"executable\":null}";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/a")));
        assert_eq!(executable("{}"), None);
    }
}
