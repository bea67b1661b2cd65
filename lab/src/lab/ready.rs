//! When a lab is ready, and what to show when it does not become so.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use futures_util::StreamExt;

use super::exec::exec;
use super::{Lab, LabError};
use crate::engine::service::tail;

/// What `lab-ready.service` writes into the lab's log at each boot.
const READY_LINE: &str = "lab: ready";

/// What `init` writes before it gives up.
const UNPRIVILEGED: &str = "lab: no privileges: ";

/// What `init` found missing.
fn missing_privilege(log: &str) -> String {
    log.lines()
        .find_map(|line| Some(line.split_once(UNPRIVILEGED)?.1))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

impl Lab {
    /// Waits until the lab has said that it is ready once for each of its boots. By log and not by exec: a process that
    /// enters before systemd is up would sit in the root cgroup, and delegation on cgroup v2 would break.
    pub(super) async fn until_ready(&self) -> Result<(), LabError> {
        match tokio::time::timeout(self.deadline, self.ready_lines(self.boots)).await {
            Ok(None) => Ok(()),
            Ok(Some(log)) if log.contains(UNPRIVILEGED) => Err(LabError::Unprivileged {
                lab: self.id.clone(),
                missing: missing_privilege(&log),
            }),
            Ok(Some(_)) | Err(_) => {
                let last_seen = last_seen(&self.docker, &self.container)
                    .await
                    .unwrap_or_else(|| "the lab is gone".into());
                Err(LabError::NotReady {
                    lab: self.id.clone(),
                    awaited: format!(
                        "the line `{READY_LINE}` in its log, after boot {}",
                        self.boots
                    ),
                    deadline: self.deadline,
                    last_seen,
                })
            }
        }
    }

    /// Follows the log until the line has come so many times; the log, if it ends or gives up before.
    async fn ready_lines(&self, times: usize) -> Option<String> {
        let options = LogsOptionsBuilder::default()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .build();
        let mut log = self.docker.logs(&self.container, Some(options));
        let mut text = String::new();
        while let Some(Ok(chunk)) = log.next().await {
            text.push_str(&chunk.to_string());
            if text.contains(UNPRIVILEGED) {
                return Some(text);
            }
            if text.matches(READY_LINE).count() >= times {
                return None;
            }
        }
        Some(text)
    }
}

/// What a lab is waiting for: its jobs and the last lines of its journal, or its log if it does not run. None if it does
/// not exist.
pub(super) async fn last_seen(docker: &Docker, container: &str) -> Option<String> {
    let state = docker
        .inspect_container(container, None::<InspectContainerOptions>)
        .await
        .ok()?
        .state?;
    if state.running == Some(true) {
        let script = "systemctl list-jobs --no-pager --no-legend; journalctl --no-pager -n 20 -o short-monotonic";
        let command = ["/bin/sh", "-c", script];
        let looked = exec(docker, "-", container, &command, Duration::from_secs(5)).await;
        return Some(match looked {
            Ok(output) => tail(&(output.stdout_text() + &output.stderr_text()), 30),
            Err(error) => format!(
                "it runs and cannot be looked into: {}",
                crate::chain(&error)
            ),
        });
    }
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .tail("20")
        .build();
    let log: String = docker
        .logs(container, Some(options))
        .filter_map(async |line| line.ok().map(|line| line.to_string()))
        .collect()
        .await;
    Some(format!(
        "it ended with exit code {}; its log:\n{}",
        state.exit_code.unwrap_or(-1),
        log.trim_end()
    ))
}

/// Whether a lab has ever said that it is ready.
pub(crate) async fn has_been_ready(
    docker: &Docker,
    container: &str,
) -> Result<bool, bollard::errors::Error> {
    let options = LogsOptionsBuilder::default().stdout(true).build();
    let mut log = docker.logs(container, Some(options));
    let mut text = String::new();
    while let Some(chunk) = log.next().await {
        text.push_str(&chunk?.to_string());
    }
    Ok(text.contains(READY_LINE))
}
