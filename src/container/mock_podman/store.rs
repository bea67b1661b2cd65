//! Where the state of a [`MockPodman`](super::MockPodman) is, and by which clock its time goes.

use std::pin::Pin;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::folder::Folder;
use super::lock;
use super::state::State;

/// The state, and the time.
pub(super) enum Store {
    /// In this process, by tokio's clock.
    Memory(Memory),
    /// In a folder, by the machine's clock.
    Folder(Folder),
}

/// The state of one process.
pub(super) struct Memory {
    state: Mutex<State>,
    /// Told after every change.
    changed: Notify,
    base: DateTime<Utc>,
    start: Instant,
}

impl Memory {
    /// It is `base` now.
    pub(super) fn new(state: State, base: DateTime<Utc>) -> Self {
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            base,
            start: Instant::now(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.start.elapsed()).unwrap_or(TimeDelta::MAX);
        self.base
            .checked_add_signed(elapsed)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn look<T>(&self, look: impl FnOnce(&mut State, DateTime<Utc>) -> T) -> T {
        let now = self.now();
        let mut state = lock(&self.state);
        state.settle(now);
        let result = look(&mut state, now);
        state.write_log();
        result
    }
}

impl Store {
    /// The time of day.
    pub(super) fn now(&self) -> DateTime<Utc> {
        match self {
            Self::Memory(memory) => memory.now(),
            Self::Folder(folder) => folder.now(),
        }
    }

    /// Changes the state after what is due has happened, and tells those who wait.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State, DateTime<Utc>) -> T) -> T {
        match self {
            Self::Memory(memory) => {
                let result = memory.look(change);
                memory.changed.notify_waiters();
                result
            }
            Self::Folder(folder) => folder.with(change),
        }
    }

    /// As [`with`](Self::with), and nobody is told: for those who wait themselves.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State, DateTime<Utc>) -> T) -> T {
        match self {
            Self::Memory(memory) => memory.look(|state, now| look(state, now)),
            Self::Folder(folder) => folder.look(look),
        }
    }

    /// Sees changes from now on.
    pub(super) fn watch(&self) -> Watch<'_> {
        match self {
            Self::Memory(memory) => {
                let mut notified = Box::pin(memory.changed.notified());
                notified.as_mut().enable();
                Watch::Memory(notified)
            }
            Self::Folder(folder) => Watch::Folder(folder),
        }
    }

    /// Whether the folder can no longer be read or written.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Folder(folder) => folder.is_lost(),
        }
    }
}

/// Waits for a change.
pub(super) enum Watch<'a> {
    Memory(Pin<Box<Notified<'a>>>),
    Folder(&'a Folder),
}

impl Watch<'_> {
    /// Returns at the next change.
    pub(super) async fn wait(self) {
        match self {
            Self::Memory(notified) => notified.await,
            Self::Folder(folder) => folder.changed().await,
        }
    }
}
