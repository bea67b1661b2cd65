//! Start a container and watch it: up is only what stays up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{PackageError, Packages, chain};
use crate::catalog::ContainerManifest;
use crate::container::status::{ContainerState, ContainerStatus, Health};

/// How many of a container's last log lines an error carries.
pub const LOG_LINES: u32 = 20;

/// Between two looks at a container that must stay up.
const WATCH_EVERY: Duration = Duration::from_millis(250);

impl Packages {
    /// Starts a container and watches it: it must stay up for `install.stay_up`, become healthy within
    /// `install.healthy` where it has a check, and, if it is one-shot, end with 0 within that time.
    pub(crate) async fn start_and_watch(
        &self,
        package: &str,
        manifest: &ContainerManifest,
    ) -> Result<(), PackageError> {
        let name = &manifest.name;
        let before = self
            .podman
            .inspect(name)
            .await
            .map_err(PackageError::podman(package))?;
        let podman_restarts = before.as_ref().map_or(0, |status| status.restart_count);
        if let Err(source) = self.podman.start(name).await {
            self.change_tracker(|tracker| tracker.start_outcome(name, Some(chain(&source))));
            return Err(PackageError::DidNotStart {
                container: name.clone(),
                log: self.last_log(name).await,
                source,
            });
        }
        let since = Instant::now();
        let mut restarted = false;
        loop {
            let status = self
                .podman
                .inspect(name)
                .await
                .map_err(PackageError::podman(package))?;
            restarted |= status
                .as_ref()
                .is_some_and(|status| status.restart_count > podman_restarts);
            let limits = Limits {
                stay_up: self.config.install.stay_up,
                healthy: self.config.install.healthy,
            };
            match judge(
                manifest,
                status.as_ref(),
                restarted,
                since.elapsed(),
                limits,
            ) {
                Verdict::Good => return Ok(()),
                Verdict::Watch => sleep(WATCH_EVERY).await,
                Verdict::Bad { what, exit_code } => {
                    return Err(PackageError::DidNotStayUp {
                        container: name.clone(),
                        what,
                        exit_code,
                        log: self.last_log(name).await,
                    });
                }
            }
        }
    }

    /// The last log lines; none where they cannot be had, which must not hide why they were wanted.
    async fn last_log(&self, name: &str) -> Vec<String> {
        match self.podman.logs(name, LOG_LINES).await {
            Ok(lines) => lines,
            Err(error) => {
                tracing::warn!(container = name, error = chain(&error), "no log to be had");
                Vec::new()
            }
        }
    }
}

/// Time limits of [`judge`].
#[derive(Debug, Clone, Copy)]
struct Limits {
    stay_up: Duration,
    healthy: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Watch,
    Bad {
        what: String,
        exit_code: Option<i32>,
    },
}

/// What to think of a container `elapsed` after its start. Pure.
fn judge(
    manifest: &ContainerManifest,
    status: Option<&ContainerStatus>,
    restarted: bool,
    elapsed: Duration,
    limits: Limits,
) -> Verdict {
    let bad = |what: String, exit_code| Verdict::Bad { what, exit_code };
    let Some(status) = status else {
        return bad("then was gone".to_owned(), None);
    };
    let ended = matches!(
        status.state,
        ContainerState::Exited | ContainerState::Stopped
    );
    if manifest.one_shot {
        return match (ended, status.exit_code) {
            (true, 0) => Verdict::Good,
            (true, code) if status.state == ContainerState::Exited => bad(
                format!("ended with exit code {code}, where 0 was wanted"),
                Some(code),
            ),
            _ if elapsed >= limits.healthy => bad(
                format!("was to end within {:?} and did not", limits.healthy),
                None,
            ),
            _ => Verdict::Watch,
        };
    }
    // `stopped` may be the moment between two quick restarts of podman: wait for what comes of it.
    if status.state == ContainerState::Exited {
        let code = status.exit_code;
        let how = if status.oom_killed == Some(true) {
            format!("was killed for want of memory (exit code {code})")
        } else {
            format!("ended with exit code {code}")
        };
        return bad(how, Some(code));
    }
    if elapsed < limits.stay_up {
        return Verdict::Watch;
    }
    if restarted {
        return bad("podman had to restart it at once".to_owned(), None);
    }
    if status.state != ContainerState::Running {
        return bad(format!("is `{}`", status.state), None);
    }
    match (status.health, manifest.health.is_some()) {
        (Some(Health::Healthy), _) | (None, false) => Verdict::Good,
        (Some(Health::Unhealthy), _) => bad("became unhealthy".to_owned(), None),
        (Some(Health::Starting), _) | (None, true) if elapsed < limits.healthy => Verdict::Watch,
        (Some(Health::Starting), _) | (None, true) => bad(
            format!("did not become healthy within {:?}", limits.healthy),
            None,
        ),
    }
}
