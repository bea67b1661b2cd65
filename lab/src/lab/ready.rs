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
    /// Waits until the lab has said that it is ready `boots` times. By log and not by exec: a process that enters before
    /// systemd is up would sit in the root cgroup, and delegation on cgroup v2 would break.
    pub(super) async fn until_ready(&self, boots: usize) -> Result<(), LabError> {
        match tokio::time::timeout(self.deadline, self.ready_lines(boots, true)).await {
            Ok((seen, _)) if seen >= boots => Ok(()),
            Ok((_, log)) if log.contains(UNPRIVILEGED) => Err(LabError::Unprivileged {
                lab: self.id.clone(),
                missing: missing_privilege(&log),
            }),
            Ok(_) | Err(_) => {
                let last_seen = last_seen(&self.docker, &self.container)
                    .await
                    .unwrap_or_else(|| "the lab is gone".into());
                Err(LabError::NotReady {
                    lab: self.id.clone(),
                    awaited: format!("the line `{READY_LINE}` in its log, after boot {boots}"),
                    deadline: self.deadline,
                    last_seen,
                })
            }
        }
    }

    /// Waits until a container of a lab image that was started by other means is ready for the first time.
    pub(crate) async fn until_container_is_ready(
        docker: &Docker,
        container: &str,
    ) -> Result<(), LabError> {
        let lab = Self {
            id: container.chars().take(8).collect(),
            container: container.to_owned(),
            docker: docker.clone(),
            guard: None,
            deadline: super::PROMPT,
        };
        lab.until_ready(1).await
    }

    /// How often the lab has been ready.
    pub(super) async fn boots(&self) -> usize {
        self.ready_lines(usize::MAX, false).await.0
    }

    /// Reads the log until the line has come so many times, or to its end, or until the lab gives up; how
    /// often it has come, and the log.
    async fn ready_lines(&self, wanted: usize, follow: bool) -> (usize, String) {
        let options = LogsOptionsBuilder::default()
            .follow(follow)
            .stdout(true)
            .stderr(true)
            .build();
        let mut log = self.docker.logs(&self.container, Some(options));
        let mut text = String::new();
        let mut seen = 0;
        while let Some(Ok(chunk)) = log.next().await {
            text.push_str(&chunk.to_string());
            seen = text.matches(READY_LINE).count();
            if seen >= wanted || text.contains(UNPRIVILEGED) {
                break;
            }
        }
        (seen, text)
    }
}

/// What a lab is waiting for: its jobs and the last lines of its journal, or its log if it does not run. None if it
/// does not exist or was never started.
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
    let never_started = state
        .status
        .is_none_or(|status| format!("{status:?}").eq_ignore_ascii_case("created"));
    if never_started {
        return None;
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
