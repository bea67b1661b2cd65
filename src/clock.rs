//! The one place that calls the clock. Everything else is given `now`.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// The time of day, UTC. May jump, in either direction.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that runs with tokio's time: under paused time it moves only as far as tokio moves.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    base: DateTime<Utc>,
    start: Instant,
}

impl VirtualClock {
    /// A clock that shows `base` at this instant of tokio's time.
    #[must_use]
    pub fn new(base: DateTime<Utc>) -> Self {
        Self {
            base,
            start: Instant::now(),
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.start.elapsed()).unwrap_or(TimeDelta::MAX);
        self.base
            .checked_add_signed(elapsed)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// Whether `wait` has passed between `since` and `now`.
///
/// A `since` in the future counts as passed: after the clock was set back, nothing waits for it to catch up.
#[must_use]
pub fn has_passed(since: DateTime<Utc>, wait: TimeDelta, now: DateTime<Utc>) -> bool {
    since > now || now.signed_duration_since(since) >= wait
}
