//! Start the containers of a package and watch them: up is only what stays up.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{PackageError, Packages, Progress, ProgressUnit, chain, package_filter};
use crate::catalog::ContainerManifest;
use crate::container::status::{ContainerState, ContainerStatus, Health};
use crate::health_monitor::serves;

/// How long the log of a container that has ended may take to show its last lines.
const LATE_LOG: Duration = Duration::from_secs(2);
/// Between two looks at a log that shows nothing yet.
const LOG_AGAIN: Duration = Duration::from_millis(100);
/// How many of a container's last log lines an error carries.
pub const LOG_LINES: u32 = 20;

/// Between two looks at containers that must stay up, at most: the look that finds one up for long enough is due then.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// Between two looks once all have stayed up, and only health or the end of a one-shot container is waited for: a look is
/// two podman processes.
const WAIT_EVERY: Duration = Duration::from_secs(1);

/// The containers of one package that an operation brings up.
///
/// They start one after the other, as soon as what they depend on serves. Each must stay up for `install.stay_up` from
/// its own start, become healthy within `install.healthy` where it has a check, and, if it is one-shot, end with 0 within
/// that time. All are looked at together, so these times overlap; an end of any of them is an error at the next look.
/// A `podman start` under way is waited for before that look: cut short, it leaves a container half started.
pub(crate) struct Watch<'a> {
    packages: &'a Packages,
    package: &'a str,
    /// In start order.
    watched: Vec<Watched<'a>>,
}

struct Watched<'a> {
    manifest: &'a ContainerManifest,
    since: Instant,
    stay_up: Duration,
    /// podman's own restart count before the start.
    restarts_before: u32,
    /// podman has restarted it while it was to stay up.
    restarted: bool,
    /// It has been good once.
    settled: bool,
}

impl Watched<'_> {
    fn look(&mut self, status: Option<&ContainerStatus>, healthy: Duration) -> Verdict {
        // A start sets the count to 0, or leaves it as it was.
        let count = status.map_or(0, |status| status.restart_count);
        self.restarted |= !self.settled && count != 0 && count != self.restarts_before;
        let limits = Limits {
            stay_up: self.stay_up,
            healthy,
        };
        let elapsed = self.since.elapsed();
        let verdict = judge(self.manifest, status, self.restarted, elapsed, limits);
        self.settled |= verdict == Verdict::Good;
        verdict
    }
}

impl<'a> Watch<'a> {
    pub(crate) fn new(packages: &'a Packages, package: &'a str) -> Self {
        Self {
            packages,
            package,
            watched: Vec::new(),
        }
    }

    /// Waits until those of the watched containers that `manifest` depends on serve.
    pub(crate) async fn until_dependencies_serve(
        &mut self,
        manifest: &ContainerManifest,
    ) -> Result<(), PackageError> {
        // Also without dependencies: nothing more is started once one has ended.
        while !self.watched.is_empty() {
            let look = self.look().await?;
            let mut needed = self.watched.iter().map(|watched| watched.manifest);
            if needed.all(|other| {
                !manifest.needs_name(&other.name)
                    || serves(other, look.statuses.get(&other.name), false)
            }) {
                break;
            }
            self.packages.step(
                self.package,
                format!("waiting for what `{}` needs", manifest.name),
            );
            self.pause().await;
        }
        Ok(())
    }

    /// Starts a container; from now on it is watched.
    pub(crate) async fn start(
        &mut self,
        manifest: &'a ContainerManifest,
    ) -> Result<(), PackageError> {
        let name = &manifest.name;
        self.packages
            .step(self.package, format!("starting `{name}`"));
        let before = self.packages.podman.inspect(name).await;
        let before = before.map_err(PackageError::podman(self.package))?;
        if let Err(source) = self.packages.podman.start(name).await {
            let error = chain(&source);
            self.packages
                .change_tracker(|tracker| tracker.start_outcome(name, Some(error)));
            // One that ended before it may be why; of one that just ended podman tells the end a moment later.
            let look = self.look().await?;
            let mut statuses = look.statuses.values();
            if statuses.any(|status| status.state == ContainerState::Stopped) {
                sleep(WATCH_EVERY).await;
                self.look().await?;
            }
            return Err(PackageError::DidNotStart {
                container: name.clone(),
                log: self.packages.last_log(name).await,
                source,
            });
        }
        self.watched.push(Watched {
            manifest,
            since: Instant::now(),
            stay_up: self.packages.config.install.stay_up,
            restarts_before: before.map_or(0, |status| status.restart_count),
            restarted: false,
            settled: false,
        });
        Ok(())
    }

    /// Watches a container that runs already: it need not stay up any longer, only serve.
    pub(crate) fn adopt(&mut self, manifest: &'a ContainerManifest, status: &ContainerStatus) {
        self.watched.push(Watched {
            manifest,
            since: Instant::now(),
            stay_up: Duration::ZERO,
            restarts_before: status.restart_count,
            restarted: false,
            settled: false,
        });
    }

    /// Waits until all of them have stayed up, and are healthy or done.
    pub(crate) async fn until_good(mut self) -> Result<(), PackageError> {
        self.packages.step(
            self.package,
            "watching that all of it stays up and becomes healthy",
        );
        while !self.watched.is_empty() && !self.look().await?.all_good {
            let settled = self.watched.iter().filter(|watched| watched.settled);
            self.packages.ledger.progress(
                self.package,
                Progress {
                    done: settled.count() as u64,
                    total: Some(self.watched.len() as u64),
                    unit: ProgressUnit::Containers,
                },
            );
            self.pause().await;
        }
        Ok(())
    }

    async fn pause(&self) {
        let rest = |watched: &Watched<'_>| watched.stay_up.checked_sub(watched.since.elapsed());
        let soonest = self
            .watched
            .iter()
            .filter_map(rest)
            .filter(|rest| !rest.is_zero())
            .min();
        sleep(soonest.map_or(WAIT_EVERY, |rest| rest.min(WATCH_EVERY))).await;
    }

    /// Looks at all of them. Of several that are bad the first in start order is the error: the later ones may have ended
    /// for want of it.
    async fn look(&mut self) -> Result<Look, PackageError> {
        let statuses = self
            .packages
            .podman
            .list(&package_filter(self.package))
            .await
            .map_err(PackageError::podman(self.package))?;
        let statuses: BTreeMap<String, ContainerStatus> = statuses
            .into_iter()
            .map(|status| (status.name.clone(), status))
            .collect();
        let mut all_good = true;
        for watched in &mut self.watched {
            let name = &watched.manifest.name;
            let healthy = self.packages.config.install.healthy;
            match watched.look(statuses.get(name), healthy) {
                Verdict::Good => {}
                Verdict::Watch => all_good = false,
                Verdict::Bad { what, exit_code } => {
                    return Err(PackageError::DidNotStayUp {
                        container: name.clone(),
                        what,
                        exit_code,
                        log: self.packages.last_log(name).await,
                    });
                }
            }
        }
        Ok(Look { statuses, all_good })
    }
}

struct Look {
    statuses: BTreeMap<String, ContainerStatus>,
    all_good: bool,
}

impl Packages {
    /// The last log lines; none where they cannot be had, which must not hide why they were wanted.
    ///
    /// They may come late: podman 4.3 on a busy machine gave one empty line for a container that had just ended.
    async fn last_log(&self, name: &str) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let lines = match self.podman.logs(name, LOG_LINES).await {
                Ok(lines) => lines,
                Err(error) => {
                    tracing::warn!(container = name, error = chain(&error), "no log to be had");
                    return Vec::new();
                }
            };
            if lines.iter().any(|line| !line.trim().is_empty()) {
                return lines;
            }
            if begun.elapsed() >= LATE_LOG {
                return Vec::new();
            }
            sleep(LOG_AGAIN).await;
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
