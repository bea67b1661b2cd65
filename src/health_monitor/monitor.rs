//! The loop: look, plan, carry out, remember.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Action, Decision, Installed, PlanInput, Policy, Pulse, plan};
use crate::container::podman::PodmanError;
use crate::container::status::{ContainerState, ContainerStatus, Health};
use crate::package::{PackageError, Packages, chain};
use crate::tasks::Tasks;

/// A process that just ended is still `running` to podman for a moment, until it has tidied up; only one that is gone for
/// longer is taken for dead.
const DEAD_FOR: Duration = Duration::from_secs(2);
/// How soon podman is asked again after it could not be.
const PODMAN_RETRY: Duration = Duration::from_secs(10);
/// What happens within so short a time is looked at together.
const EVENTS_TOGETHER: Duration = Duration::from_millis(20);
/// The shortest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// A pass that takes longer is stuck. podman's own time-outs, which end a pass in which it hangs, add up to less.
const LONGEST_PASS: Duration = Duration::from_secs(300);
/// So much later than it meant to, the loop may begin its next pass on a busy machine.
const LATENESS: Duration = Duration::from_secs(30);

/// So many packages are healed at once; the others when one of these is done.
const HEALS_AT_ONCE: usize = 4;

/// Watches all installed containers and heals them.
#[derive(Clone)]
pub struct Monitor {
    pub(super) packages: Arc<Packages>,
    pub(super) tasks: Tasks,
    /// Containers that podman says run and whose process is gone: its pid, and since when that was seen.
    suspects: Arc<Mutex<BTreeMap<String, (u32, Instant)>>>,
    /// What the last pass took containers' health for. Not what anybody saw last: whoever else looks does not heal.
    healths: Arc<Mutex<BTreeMap<String, Health>>>,
    /// A look in a moment is arranged for already.
    pub(super) is_late_look_due: Arc<AtomicBool>,
    /// Whether the loop makes progress.
    pub(crate) pulse: Pulse,
}

impl Monitor {
    /// A monitor of these packages; it heals in these tasks.
    #[must_use]
    pub fn new(packages: Arc<Packages>, tasks: Tasks) -> Self {
        Self {
            packages,
            tasks,
            suspects: Arc::default(),
            healths: Arc::default(),
            is_late_look_due: Arc::default(),
            pulse: Pulse::default(),
        }
    }

    /// Looks again at once, instead of at the next tick.
    pub fn look_now(&self) {
        self.packages.wake.notify_one();
    }

    /// Looks, heals, and waits for the next tick, the next attempt that is due, or [`Monitor::look_now`]. For ever.
    pub async fn run(&self) {
        loop {
            self.pulse.promise(LONGEST_PASS);
            let pause = self.pass().await;
            self.pulse.promise(pause + LATENESS);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.packages.wake.notified() => {}
                () = self.packages.events.notified() => sleep(EVENTS_TOGETHER).await,
            }
        }
    }

    /// Looks, and begins to heal what needs it; whoever has been healed wakes the monitor, as others may have waited for
    /// it. Returns how long to wait.
    async fn pass(&self) -> Duration {
        // Before the look: what is seen of these is our own doing, also when the healing ends meanwhile.
        let healing = self.packages.book().healing.clone();
        let statuses = match self.packages.look().await {
            Ok(statuses) => statuses,
            Err(error) => {
                tracing::error!(error = chain(&error), "podman cannot be asked");
                return self.packages.config.health.interval.min(PODMAN_RETRY);
            }
        };
        *self.healths() = statuses
            .values()
            .filter_map(|status| Some((status.name.clone(), status.health?)))
            .collect();
        let dead = self.dead(&statuses);
        self.packages.book().dead.clone_from(&dead);
        self.packages.observe_all(&statuses, &dead, &healing);
        let decisions = self.packages.plan(&statuses, &dead, &healing);
        self.carry_out(&decisions);
        self.packages.save_snapshot(&statuses);
        self.packages.count_look();
        self.pause(&decisions)
    }

    /// What would be done now, for people to see; nothing is.
    ///
    /// # Errors
    /// [`PodmanError`] when podman cannot be asked.
    pub async fn plan_now(&self) -> Result<Vec<Decision>, PodmanError> {
        let healing = self.packages.book().healing.clone();
        let statuses = self.packages.look().await?;
        let dead = self.dead(&statuses);
        Ok(self.packages.plan(&statuses, &dead, &healing))
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

    /// What the last pass took this container's health for.
    pub(super) fn health_of(&self, name: &str) -> Option<Health> {
        self.healths().get(name).copied()
    }

    fn healths(&self) -> MutexGuard<'_, BTreeMap<String, Health>> {
        self.healths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn suspects(&self) -> MutexGuard<'_, BTreeMap<String, (u32, Instant)>> {
        // Nothing is done under the lock that could leave it half changed.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a plan. Packages are healed side by side, so that one that takes ten minutes to stop holds up nobody
    /// else; the containers of one package one after the other, in the plan's order.
    fn carry_out(&self, decisions: &[Decision]) {
        // In the order of their first containers in the plan.
        let mut to_heal: Vec<(&str, Vec<Decision>)> = Vec::new();
        for decision in decisions {
            match decision.action {
                Action::Skip => tracing::trace!(%decision),
                Action::Wait => tracing::debug!(%decision),
                Action::Notify => {
                    tracing::error!(%decision, "needs attention");
                    self.packages.gave_up(decision);
                }
                Action::Start | Action::Restart | Action::Recreate => {
                    let package = decision.package.as_str();
                    match to_heal.iter_mut().find(|(other, _)| *other == package) {
                        Some((_, decisions)) => decisions.push(decision.clone()),
                        None => to_heal.push((package, vec![decision.clone()])),
                    }
                }
            }
        }
        for (package, decisions) in to_heal {
            let Some(healing) = Healing::begin(&self.packages, package) else {
                continue;
            };
            let monitor = self.clone();
            self.tasks.spawn(async move {
                let mut acted = false;
                for decision in &decisions {
                    acted |= monitor.heal(decision).await;
                }
                drop(healing);
                if acted {
                    monitor.look_now();
                }
            });
        }
    }

    /// Returns whether an attempt was made.
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
        self.packages.meter.healed(decision.action, outcome.is_ok());
        let error = outcome.as_ref().err().map(|error| chain(error));
        if let Some(error) = &error {
            tracing::error!(container = name, error, "healing failed");
        }
        self.packages
            .change_tracker(|tracker| tracker.start_outcome(name, error));
        true
    }

    /// Whether the decision would be the same now that we have the package's turn: the user, or podman, may have
    /// acted since the look.
    async fn still_due(&self, decision: &Decision) -> Result<bool, PodmanError> {
        let statuses = self.packages.look().await?;
        let dead = self.dead(&statuses);
        let again = self.packages.plan(&statuses, &dead, &BTreeSet::new());
        Ok(again
            .iter()
            .any(|other| other.container == decision.container && other.action == decision.action))
    }
}

/// A package that is being healed; dropping it ends that.
struct Healing {
    packages: Arc<Packages>,
    package: String,
}

impl Healing {
    /// `None` where it is being healed already, or as many others are as may be.
    fn begin(packages: &Arc<Packages>, package: &str) -> Option<Self> {
        let mut book = packages.book();
        let may_begin =
            book.healing.len() < HEALS_AT_ONCE && book.healing.insert(package.to_owned());
        may_begin.then(|| Self {
            packages: Arc::clone(packages),
            package: package.to_owned(),
        })
    }
}

impl Drop for Healing {
    fn drop(&mut self) {
        self.packages.book().healing.remove(&self.package);
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

    /// Whether podman says that it runs, and its process is gone.
    pub(crate) fn is_dead(&self, status: &ContainerStatus) -> bool {
        status.state == ContainerState::Running
            && status.pid != 0
            && !self.host.pid_exists(status.pid)
    }

    /// The plan for what was just seen; packages in `healing` are left alone.
    pub(crate) fn plan(
        &self,
        statuses: &BTreeMap<String, ContainerStatus>,
        dead: &BTreeSet<String>,
        healing: &BTreeSet<String>,
    ) -> Vec<Decision> {
        let book = self.book();
        let mut busy = book.busy();
        busy.extend(healing.iter().map(|package| (package.clone(), "healing")));
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
            busy: &busy,
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
                self.remove_own(package, name).await?;
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
