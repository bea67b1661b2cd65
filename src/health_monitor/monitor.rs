//! The loop: look, plan, carry out, remember.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Action, Decision, Installed, PlanInput, Policy, plan};
use crate::container::podman::PodmanError;
use crate::container::status::{ContainerState, ContainerStatus};
use crate::package::{PackageError, Packages, chain};

/// A process that just ended is still `running` to podman for a moment, until it has tidied up; only one that is gone for
/// longer is taken for dead.
const DEAD_FOR: Duration = Duration::from_secs(2);
/// How soon podman is asked again after it could not be.
const PODMAN_RETRY: Duration = Duration::from_secs(10);
/// The shortest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Watches all installed containers and heals them.
#[derive(Clone)]
pub struct Monitor {
    packages: Arc<Packages>,
    /// Containers that podman says run and whose process is gone: its pid, and since when that was seen.
    suspects: Arc<Mutex<BTreeMap<String, (u32, Instant)>>>,
}

impl Monitor {
    /// A monitor of these packages.
    #[must_use]
    pub fn new(packages: Arc<Packages>) -> Self {
        Self {
            packages,
            suspects: Arc::default(),
        }
    }

    /// Looks again at once, instead of at the next tick.
    pub fn look_now(&self) {
        self.packages.wake.notify_one();
    }

    /// Looks, heals, and waits for the next tick, the next attempt that is due, or [`Monitor::look_now`]. For ever.
    pub async fn run(&self) {
        loop {
            let pause = self.pass().await;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.packages.wake.notified() => {}
            }
        }
    }

    /// Looks and heals until nothing more can be done now. Returns how long to wait.
    ///
    /// After every success it looks again: what waited for that container need not wait for the next tick. It ends,
    /// as a container that was just tried is not due again.
    async fn pass(&self) -> Duration {
        loop {
            let statuses = match self.packages.look().await {
                Ok(statuses) => statuses,
                Err(error) => {
                    tracing::error!(error = chain(&error), "podman cannot be asked");
                    return self.packages.config.health.interval.min(PODMAN_RETRY);
                }
            };
            let dead = self.dead(&statuses);
            self.packages.observe_all(&statuses, &dead);
            let decisions = self.packages.plan(&statuses, &dead);
            let mut acted = false;
            for decision in &decisions {
                acted |= self.carry_out(decision).await;
            }
            if acted {
                continue;
            }
            self.packages.save_snapshot(&statuses);
            self.packages.count_look();
            return self.pause(&decisions);
        }
    }

    fn pause(&self, decisions: &[Decision]) -> Duration {
        let now = self.packages.clock.now();
        let due = decisions.iter().filter_map(|decision| decision.until).min();
        let until_due = due.map(|due| (due - now).to_std().unwrap_or(Duration::ZERO));
        [until_due, self.until_sure()]
            .into_iter()
            .flatten()
            .fold(self.packages.config.health.interval, Duration::min)
            .max(SHORTEST_PAUSE)
    }

    /// Containers that podman says run, and whose process has been gone for [`DEAD_FOR`].
    fn dead(&self, statuses: &BTreeMap<String, ContainerStatus>) -> BTreeSet<String> {
        let mut suspects = self.suspects();
        let gone = |status: &ContainerStatus| self.packages.is_dead(status);
        suspects.retain(|name, (pid, _)| {
            statuses
                .get(name)
                .is_some_and(|status| status.pid == *pid && gone(status))
        });
        for status in statuses.values().filter(|status| gone(status)) {
            suspects
                .entry(status.name.clone())
                .or_insert((status.pid, Instant::now()));
        }
        suspects
            .iter()
            .filter(|(_, (_, since))| since.elapsed() >= DEAD_FOR)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// When the next suspect may be taken for dead.
    fn until_sure(&self) -> Option<Duration> {
        self.suspects()
            .values()
            .map(|(_, since)| DEAD_FOR.saturating_sub(since.elapsed()))
            .min()
    }

    fn suspects(&self) -> MutexGuard<'_, BTreeMap<String, (u32, Instant)>> {
        // Nothing is done under the lock that could leave it half changed.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether something was changed that other containers may have waited for.
    async fn carry_out(&self, decision: &Decision) -> bool {
        match decision.action {
            Action::Skip => {
                tracing::trace!(%decision);
                false
            }
            Action::Wait => {
                tracing::debug!(%decision);
                false
            }
            Action::Notify => {
                tracing::error!(%decision, "needs attention");
                let now = self.packages.clock.now();
                self.packages
                    .change_tracker(|tracker| tracker.give_up(&decision.container, now));
                false
            }
            Action::Start | Action::Restart | Action::Recreate => self.heal(decision).await,
        }
    }

    async fn heal(&self, decision: &Decision) -> bool {
        let name = decision.container.as_str();
        let Some(_turn) = self.packages.try_turn(&decision.package) else {
            return false;
        };
        match self.still_due(decision).await {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                tracing::error!(
                    container = name,
                    error = chain(&error),
                    "podman cannot be asked"
                );
                return false;
            }
        }
        tracing::warn!(%decision, "healing");
        let now = self.packages.clock.now();
        self.packages
            .change_tracker(|tracker| tracker.attempt(name, now));
        let outcome = self.packages.heal(decision).await;
        let error = outcome.as_ref().err().map(|error| chain(error));
        if let Some(error) = &error {
            tracing::error!(container = name, error, "healing failed");
        }
        self.packages
            .change_tracker(|tracker| tracker.start_outcome(name, error));
        outcome.is_ok()
    }

    /// Whether the decision would be the same now that we have the package's turn: the user, or podman, may have
    /// acted since the look.
    async fn still_due(&self, decision: &Decision) -> Result<bool, PodmanError> {
        let statuses = self.packages.look().await?;
        let dead = self.dead(&statuses);
        let again = self.packages.plan(&statuses, &dead);
        Ok(again
            .iter()
            .any(|other| other.container == decision.container && other.action == decision.action))
    }
}

impl Packages {
    /// Counts a pass in which podman could be asked: `system.health` shows that the monitor is alive.
    fn count_look(&self) {
        let now = self.clock.now();
        let mut book = self.book();
        book.looks += 1;
        book.last_look = Some(now);
    }

    fn is_dead(&self, status: &ContainerStatus) -> bool {
        status.state == ContainerState::Running
            && status.pid != 0
            && !self.host.pid_exists(status.pid)
    }

    /// The plan for what was just seen.
    pub(crate) fn plan(
        &self,
        statuses: &BTreeMap<String, ContainerStatus>,
        dead: &BTreeSet<String>,
    ) -> Vec<Decision> {
        let book = self.book();
        let installed: Vec<Installed<'_>> = book
            .installed()
            .map(|(package, manifest)| Installed { package, manifest })
            .collect();
        plan(&PlanInput {
            installed: &installed,
            statuses,
            dead,
            tracker: &book.tracker,
            user_stopped: &book.stopped.packages(),
            busy: &book.busy(),
            policy: Policy::from(&self.config.health),
            now: self.clock.now(),
        })
    }

    /// Carries out a start, restart or recreation. The caller has the package's turn.
    async fn heal(&self, decision: &Decision) -> Result<(), PackageError> {
        let package = decision.package.as_str();
        let name = decision.container.as_str();
        let found = self
            .book()
            .installed()
            .find(|(_, manifest)| manifest.name == name)
            .map(|(_, manifest)| manifest.clone());
        let Some(manifest) = found else { return Ok(()) };
        let podman = PackageError::podman;
        match decision.action {
            Action::Wait | Action::Notify | Action::Skip => return Ok(()),
            Action::Start => {}
            Action::Restart => {
                let status = self.podman.inspect(name).await.map_err(podman(package))?;
                let running = status.is_some_and(|status| {
                    matches!(
                        status.state,
                        ContainerState::Running | ContainerState::Stopping
                    )
                });
                if running {
                    self.podman
                        .stop(name, manifest.stop_grace())
                        .await
                        .map_err(podman(package))?;
                }
            }
            Action::Recreate => {
                self.podman
                    .remove(name, true)
                    .await
                    .map_err(podman(package))?;
                self.provide_network(package).await?;
                for volume in &manifest.volumes {
                    self.provide_volume(package, &volume.name).await?;
                }
                self.create(package, &manifest).await?;
            }
        }
        self.podman.start(name).await.map_err(podman(package))
    }
}
