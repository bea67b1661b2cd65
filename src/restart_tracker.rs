//! What the health monitor remembers of each container: attempts, giving up, how it ended. Survives restarts of the
//! daemon and of the machine (podman's own restart count does not). All transitions are pure: `now` is passed in.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::has_passed;

/// How many ends of a container are kept, the newest last.
pub const MAX_EXITS: usize = 10;

/// How a container once ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The word that is shown, as `killed (OOM)`.
    pub reason: String,
    /// Exit code; `None` where podman restarted the container itself and the code is gone.
    pub code: Option<i32>,
    /// When it ended; where podman does not know, when that was seen.
    pub at: DateTime<Utc>,
    /// The start of the run that ended so: a run ends once.
    pub run: Option<DateTime<Utc>>,
}

/// What is remembered of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartHistory {
    /// Attempts of the monitor since the container was last stable.
    pub attempts: u32,
    /// The last of them.
    pub last_attempt: Option<DateTime<Utc>>,
    /// Start of the run it is in; `None` while it does not run.
    pub running_since: Option<DateTime<Utc>>,
    /// From when on that run counts as stable: its start, and where that lies in the future, because the clock was set
    /// back, when it was first seen so.
    pub stable_from: Option<DateTime<Utc>>,
    /// When the monitor gave up and said so; from then on the slow lane.
    pub gave_up: Option<DateTime<Utc>>,
    /// Why our last start failed; `None` after one that succeeded.
    pub start_error: Option<String>,
    /// Since when it is seen `stopping`, with no operation of ours at work.
    pub stopping_since: Option<DateTime<Utc>>,
    /// podman's own restart count when last seen.
    pub podman_restarts: u32,
    /// The last ends, at most [`MAX_EXITS`], the newest last.
    pub exits: Vec<ExitRecord>,
}

/// One look at a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// It runs, and its process lives.
    pub running: bool,
    /// Its last start.
    pub started_at: Option<DateTime<Utc>>,
    /// podman says `stopping`.
    pub stopping: bool,
    /// podman's own restart count.
    pub podman_restarts: u32,
    /// How it ended, where it ended and nobody asked it to.
    pub exit: Option<ExitRecord>,
}

/// The histories of all containers, by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RestartTracker {
    containers: BTreeMap<String, RestartHistory>,
    /// Something differs from what was last taken for saving.
    #[serde(skip)]
    is_changed: bool,
}

/// Sets a field; whether it was another before.
fn set<T: PartialEq>(field: &mut T, value: T) -> bool {
    let differs = *field != value;
    *field = value;
    differs
}

impl RestartTracker {
    /// What is remembered of `name`.
    #[must_use]
    pub fn history(&self, name: &str) -> Option<&RestartHistory> {
        self.containers.get(name)
    }

    /// Whether anything has changed since this was last asked: only then it needs to be saved.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Changes a history, which is begun where there is none. `change` says whether it did.
    fn change<R>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut RestartHistory) -> (bool, R),
    ) -> R {
        if !self.containers.contains_key(name) {
            self.is_changed = true;
        }
        let history = self.containers.entry(name.to_owned()).or_default();
        let (changed, result) = change(history);
        self.is_changed |= changed;
        result
    }

    /// Takes in one look. Returns whether the container came up since the last one.
    ///
    /// A container that has run for `stability` without a break is forgiven its attempts.
    pub fn observe(
        &mut self,
        name: &str,
        seen: Seen,
        now: DateTime<Utc>,
        stability: TimeDelta,
    ) -> bool {
        self.change(name, |history| history.observe(seen, now, stability))
    }

    /// Counts an attempt. Saved before the attempt is made: one that is killed half-way counts too.
    pub fn attempt(&mut self, name: &str, now: DateTime<Utc>) {
        self.change(name, |history| {
            history.attempts = history.attempts.saturating_add(1);
            history.last_attempt = Some(now);
            (true, ())
        });
    }

    /// Takes in how a start went.
    pub fn start_outcome(&mut self, name: &str, error: Option<String>) {
        self.change(name, |history| (set(&mut history.start_error, error), ()));
    }

    /// Marks that the monitor gave up and said so.
    pub fn give_up(&mut self, name: &str, now: DateTime<Utc>) {
        self.change(name, |history| (set(&mut history.gave_up, Some(now)), ()));
    }

    /// Whether the monitor gave up on `name`.
    #[must_use]
    pub fn gave_up(&self, name: &str) -> bool {
        self.history(name)
            .is_some_and(|history| history.gave_up.is_some())
    }

    /// Forgives the attempts: a dependency came back, or the user started it. How it ended stays known.
    pub fn forgive(&mut self, name: &str) {
        if let Some(history) = self.containers.get_mut(name) {
            self.is_changed |= history.forgive()
                | set(&mut history.start_error, None)
                | set(&mut history.stopping_since, None);
        }
    }

    /// Forgets a container that is no more.
    pub fn forget(&mut self, name: &str) {
        self.is_changed |= self.containers.remove(name).is_some();
    }
}

impl RestartHistory {
    /// Whether anything changed, and whether the container came up.
    fn observe(&mut self, seen: Seen, now: DateTime<Utc>, stability: TimeDelta) -> (bool, bool) {
        let mut changed = false;
        if seen.podman_restarts > self.podman_restarts && seen.running {
            changed |= self.remember(ExitRecord {
                reason: "restarted by podman".to_owned(),
                code: None,
                at: seen.started_at.unwrap_or(now),
                run: seen.started_at,
            });
        }
        changed |= set(&mut self.podman_restarts, seen.podman_restarts);
        if let Some(exit) = seen.exit {
            changed |= self.remember(exit);
        }
        let stopping_since = match (seen.stopping, self.stopping_since) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        changed |= set(&mut self.stopping_since, stopping_since);
        if !seen.running {
            changed |= set(&mut self.stable_from, None);
            return (changed | set(&mut self.running_since, None), false);
        }
        let since = seen.started_at.unwrap_or(now);
        let came_up = set(&mut self.running_since, Some(since));
        changed |= came_up | set(&mut self.start_error, None);
        let stable_from = match self.stable_from {
            Some(from) if !came_up && from <= now => from,
            Some(_) | None => since.min(now),
        };
        changed |= set(&mut self.stable_from, Some(stable_from));
        if has_passed(stable_from, stability, now) {
            changed |= self.forgive();
        }
        (changed, came_up)
    }

    /// Forgets the attempts. Whether there were any.
    fn forgive(&mut self) -> bool {
        set(&mut self.attempts, 0)
            | set(&mut self.last_attempt, None)
            | set(&mut self.gave_up, None)
    }

    /// Keeps an end. Whether it is a new one.
    fn remember(&mut self, exit: ExitRecord) -> bool {
        if self.exits.last().is_some_and(|last| last.run == exit.run) {
            return false;
        }
        self.exits.push(exit);
        let excess = self.exits.len().saturating_sub(MAX_EXITS);
        self.exits.drain(..excess);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(secs)
    }

    proptest! {
        // Only what is said to have changed is saved.
        #[test]
        fn it_has_changed_when_it_differs_and_only_then(steps in prop::collection::vec((0_u8..8, 0_i64..3, any::<bool>()), 1..30)) {
            let mut tracker = RestartTracker::default();
            for (now, (step, small, flag)) in (0..).map(|now: i64| now * 10).zip(steps) {
                let before = tracker.containers.clone();
                let name = if flag { "a" } else { "b" };
                let run = at(small);
                let exit = ExitRecord { reason: "crashed".to_owned(), code: Some(1), at: run, run: Some(run) };
                let look = match step {
                    0 => { tracker.attempt(name, at(now)); None }
                    1 => { tracker.start_outcome(name, flag.then(|| "no".to_owned())); None }
                    2 => { tracker.give_up(name, run); None }
                    3 => { tracker.forgive("a"); None }
                    4 => { tracker.forget(name); None }
                    5 => Some(Seen { running: true, started_at: Some(run), podman_restarts: u32::from(flag), ..Seen::default() }),
                    6 => Some(Seen { exit: Some(exit), ..Seen::default() }),
                    _ => Some(Seen { stopping: flag, ..Seen::default() }),
                };
                if let Some(seen) = look {
                    tracker.observe("a", seen, at(now), TimeDelta::seconds(100));
                }
                prop_assert_eq!(tracker.take_changed(), tracker.containers != before);
            }
        }
    }
}
