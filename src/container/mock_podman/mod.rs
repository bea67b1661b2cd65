//! [`MockPodman`]: podman from memory, at the level of command lines.
//!
//! It answers what real podman (4.3.1, 5.4.2, 5.8.6) was seen to answer: exit codes, states, JSON and the kind of
//! error, for the commands that archipelago issues and those that a test would type. What it does not know it
//! refuses with an [`ExecuteError`](super::runtime::ExecuteError) that quotes it, never with a silent success.
//!
//! Time is tokio's, and it moves only while somebody waits: under paused time a stop that takes ten minutes is
//! over at once. Nothing runs in the background; what is due happens before the next command looks.
//!
//! ```text
//! dispatch.rs -> args.rs -> one file a command family (create, lifecycle, stop, remove, look, list, images, resources, secrets,
//!            events)
//!         -> state.rs / container.rs / health.rs (what is remembered), app.rs (what programs do) -> render.rs
//! ```

mod app;
mod args;
mod container;
mod create;
mod dispatch;
mod events;
mod faults;
mod given;
mod health;
mod images;
mod lifecycle;
mod list;
mod look;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "documents are made from it next")
)]
mod profile;
mod remove;
mod render;
mod reply;
mod resources;
mod secrets;
mod seen;
mod state;
mod stop;
#[expect(dead_code, reason = "the formats of ps and inspect come next")]
mod template;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::faults::PullFault;
use self::reply::{Refused, not_implemented, refuse};
pub use self::seen::MockContainer;
use self::state::State;
use super::podman::PodmanVersion;

/// podman from memory. A clone is another handle on the same podman.
#[derive(Clone)]
pub struct MockPodman {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    calls: Mutex<Vec<Call>>,
    /// Told after every change.
    changed: Notify,
    base: DateTime<Utc>,
    start: Instant,
}

/// A command line that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it began.
    pub at: DateTime<Utc>,
    /// The arguments after `podman`.
    pub args: Vec<String>,
}

/// The fixture image, which every mock has from the beginning.
pub const FIXTURE_IMAGE: &str = "localhost/archipelago-fixture:latest";

impl Default for MockPodman {
    fn default() -> Self {
        Self::new()
    }
}

impl MockPodman {
    /// podman 5.4.2 with nothing but the fixture image, at a date that is the same in every run.
    pub fn new() -> Self {
        Self::with_version(PodmanVersion::new(5, 4, 2))
    }

    /// Another podman: 4.3.1 and 5.8.6 are known as well as 5.4.2; other versions behave as the nearest of them.
    pub fn with_version(version: PodmanVersion) -> Self {
        // 2026-01-01T00:00:00Z
        let base = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_767_225_600);
        Self::with_version_and_time(version, base)
    }

    /// As [`with_version`](Self::with_version), and it is `base` now.
    pub fn with_version_and_time(version: PodmanVersion, base: DateTime<Utc>) -> Self {
        let mock = Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(version, base)),
                calls: Mutex::new(Vec::new()),
                changed: Notify::new(),
                base,
                start: Instant::now(),
            }),
        };
        mock.add_image(FIXTURE_IMAGE);
        mock
    }

    /// The time of day in the mock: its base and what tokio's clock has run since.
    pub fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.shared.start.elapsed()).unwrap_or(TimeDelta::MAX);
        self.shared
            .base
            .checked_add_signed(elapsed)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Every command line so far, without the word `podman`, in the order of their beginnings.
    pub fn calls(&self) -> Vec<Vec<String>> {
        self.timed_calls()
            .into_iter()
            .map(|call| call.args)
            .collect()
    }

    /// As [`calls`](Self::calls), with the time of each.
    pub fn timed_calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// The one place that touches the state: what is due happens first, and who waits is told afterwards.
    fn with<T>(&self, change: impl FnOnce(&mut State, DateTime<Utc>) -> T) -> T {
        let now = self.now();
        let result = {
            let mut state = lock(&self.shared.state);
            state.settle(now);
            let result = change(&mut state, now);
            state.write_log();
            result
        };
        self.shared.changed.notify_waiters();
        result
    }

    /// Waits until `look` gives something, or until `deadline`.
    async fn wait_for<T>(
        &self,
        deadline: Option<DateTime<Utc>>,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Result<Option<T>, Refused> {
        let boot = lock(&self.shared.state).boot;
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let now = self.now();
            let next = {
                let mut state = lock(&self.shared.state);
                state.settle(now);
                if state.boot != boot {
                    return Err(Refused::PowerLost);
                }
                if let Some(found) = look(&state) {
                    return Ok(Some(found));
                }
                if deadline.is_some_and(|deadline| deadline <= now) {
                    return Ok(None);
                }
                [state.next_event(), deadline].into_iter().flatten().min()
            };
            match next {
                Some(next) => tokio::select! {
                    () = changed => {}
                    () = self.sleep_until(next) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Lets a command take its time; the power may go meanwhile.
    async fn take_time(&self, time: TimeDelta) -> Result<(), Refused> {
        let end = self.now() + time;
        self.wait_for(Some(end), |_| None::<()>).await?;
        Ok(())
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        let wait = (at - self.now()).to_std().unwrap_or(Duration::ZERO);
        tokio::time::sleep(wait).await;
    }
}

/// A panic elsewhere leaves the state as it was between two changes at worst.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a command's arguments; what is not in the table is not implemented.
fn read(
    command: &str,
    args: &[&str],
    table: &[args::Flag],
    order: args::Order,
) -> Result<args::Parsed, Refused> {
    args::parse(args, table, order).map_err(|error| match error {
        args::ArgError::UnknownFlag(flag) => {
            not_implemented(format!("the flag `{flag}` of `podman {command}`"))
        }
        args::ArgError::NoValue(flag) => refuse(125, format!("flag needs an argument: {flag}")),
    })
}

/// The one operand of a command that takes one.
fn one_operand(command: &str, parsed: &args::Parsed) -> Result<String, Refused> {
    match &parsed.operands[..] {
        [name] => Ok(name.clone()),
        operands => Err(not_implemented(format!(
            "`podman {command}` with {} operands: {operands:?}",
            operands.len()
        ))),
    }
}

/// podman's answer to a flag that this version of it does not have.
fn unknown_flag(command: &str, flag: &str) -> Refused {
    refuse(
        125,
        format!("unknown flag: --{flag}\nSee 'podman {command} --help'"),
    )
}
