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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartTracker {
    containers: BTreeMap<String, RestartHistory>,
}

impl RestartTracker {
    /// What is remembered of `name`.
    #[must_use]
    pub fn history(&self, name: &str) -> Option<&RestartHistory> {
        self.containers.get(name)
    }

    fn entry(&mut self, name: &str) -> &mut RestartHistory {
        self.containers.entry(name.to_owned()).or_default()
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
        let history = self.entry(name);
        if seen.podman_restarts > history.podman_restarts && seen.running {
            history.remember(ExitRecord {
                reason: "restarted by podman".to_owned(),
                code: None,
                at: seen.started_at.unwrap_or(now),
                run: seen.started_at,
            });
        }
        history.podman_restarts = seen.podman_restarts;
        if let Some(exit) = seen.exit {
            history.remember(exit);
        }
        history.stopping_since = match (seen.stopping, history.stopping_since) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        if !seen.running {
            history.running_since = None;
            return false;
        }
        let since = seen.started_at.unwrap_or(now);
        let came_up = history.running_since != Some(since);
        history.running_since = Some(since);
        history.start_error = None;
        // A start in the future is a clock that was set back: it counts from now on, not for ever.
        if since <= now && has_passed(since, stability, now) {
            history.attempts = 0;
            history.last_attempt = None;
            history.gave_up = None;
        }
        came_up
    }

    /// Counts an attempt. Saved before the attempt is made: one that is killed half-way counts too.
    pub fn attempt(&mut self, name: &str, now: DateTime<Utc>) {
        let history = self.entry(name);
        history.attempts = history.attempts.saturating_add(1);
        history.last_attempt = Some(now);
    }

    /// Takes in how a start went.
    pub fn start_outcome(&mut self, name: &str, error: Option<String>) {
        self.entry(name).start_error = error;
    }

    /// Marks that the monitor gave up and said so.
    pub fn give_up(&mut self, name: &str, now: DateTime<Utc>) {
        self.entry(name).gave_up = Some(now);
    }

    /// Forgives the attempts: a dependency came back, or the user started it. How it ended stays known.
    pub fn forgive(&mut self, name: &str) {
        if let Some(history) = self.containers.get_mut(name) {
            history.attempts = 0;
            history.last_attempt = None;
            history.gave_up = None;
            history.start_error = None;
            history.stopping_since = None;
        }
    }

    /// Forgets a container that is no more.
    pub fn forget(&mut self, name: &str) {
        self.containers.remove(name);
    }
}

impl RestartHistory {
    fn remember(&mut self, exit: ExitRecord) {
        if self.exits.last().is_some_and(|last| last.run == exit.run) {
            return;
        }
        self.exits.push(exit);
        let excess = self.exits.len().saturating_sub(MAX_EXITS);
        self.exits.drain(..excess);
    }
}
