//! Health checks in virtual time: not run, but counted.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A container's health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HealthCheck {
    /// Never zero.
    pub(super) interval: Duration,
    pub(super) retries: u32,
    pub(super) start_period: Duration,
}

/// The first check runs so long after the start: systemd starts it with the timer.
const FIRST_CHECK: TimeDelta = TimeDelta::milliseconds(100);

/// podman's word for what checks have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HealthWord {
    Starting,
    Healthy,
    Unhealthy,
    /// The empty one: after a reboot.
    Forgotten,
}

impl HealthWord {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Forgotten => "",
        }
    }
}

/// What the checks have found so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HealthTrack {
    /// Checks have passed, or failed, ever since then.
    Since {
        at: DateTime<Utc>,
        is_good: bool,
        /// The word just before.
        before: HealthWord,
    },
    /// The container does not run: the last word stays.
    Frozen(HealthWord),
}

impl HealthTrack {
    pub(super) fn new(started: DateTime<Utc>, is_good: bool) -> Self {
        Self::Since {
            at: started,
            is_good,
            before: HealthWord::Starting,
        }
    }

    /// From now on checks pass, or do not.
    pub(super) fn change(
        &mut self,
        check: &HealthCheck,
        started: DateTime<Utc>,
        now: DateTime<Utc>,
        good: bool,
    ) {
        match self {
            Self::Since { is_good, .. } if *is_good != good => {
                *self = Self::Since {
                    at: now,
                    is_good: good,
                    before: self.word(check, started, now),
                };
            }
            Self::Since { .. } | Self::Frozen(_) => {}
        }
    }

    /// podman's word at `now`.
    pub(super) fn word(
        &self,
        check: &HealthCheck,
        started: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> HealthWord {
        match *self {
            Self::Frozen(word) => word,
            Self::Since {
                at,
                is_good: true,
                before,
            } => {
                if check.runs(started, at, now) > 0 {
                    HealthWord::Healthy
                } else {
                    before
                }
            }
            Self::Since {
                at,
                is_good: false,
                before,
            } => {
                let counts_from = at.max(started + check.start_period);
                if check.runs(started, counts_from, now) >= i64::from(check.retries) {
                    HealthWord::Unhealthy
                } else {
                    before
                }
            }
        }
    }
}

impl HealthTrack {
    /// When podman's word changes, if nothing else happens.
    pub(super) fn changes_at(
        &self,
        check: &HealthCheck,
        started: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        match *self {
            Self::Frozen(_) => None,
            Self::Since {
                at, is_good: true, ..
            } => Some(check.run_after(started, at, 1)),
            Self::Since {
                at, is_good: false, ..
            } => {
                let counts_from = at.max(started + check.start_period);
                Some(check.run_after(started, counts_from, check.retries.max(1)))
            }
        }
    }
}

impl HealthCheck {
    /// When the `number`th check after `from` runs; the first is 1.
    fn run_after(&self, started: DateTime<Utc>, from: DateTime<Utc>, number: u32) -> DateTime<Utc> {
        let before = self.runs_until(started, from) + i64::from(number) - 1;
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX);
        started + FIRST_CHECK + TimeDelta::milliseconds(interval.max(1).saturating_mul(before))
    }

    /// How many checks have run after `from` and up to `to`.
    fn runs(&self, started: DateTime<Utc>, from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
        (self.runs_until(started, to) - self.runs_until(started, from)).max(0)
    }

    fn runs_until(&self, started: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
        let since_first = to - started - FIRST_CHECK;
        if since_first < TimeDelta::zero() {
            return 0;
        }
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX);
        since_first.num_milliseconds() / interval.max(1) + 1
    }
}
