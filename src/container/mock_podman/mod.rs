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
//! dispatch.rs -> front.rs (flags.rs, operands.rs) -> args.rs -> one file a command family (create, lifecycle, stop, remove, look, list, images, volumes, networks, secrets,
//!            events)
//!         -> store.rs (memory, or folder.rs) -> state.rs / container.rs / health.rs (what is remembered), app.rs (what programs do) -> render.rs
//! ```

mod app;
mod args;
mod behaviour;
mod container;
mod create;
mod dispatch;
mod events;
mod exec;
mod faults;
mod filters;
mod flags;
mod folder;
mod front;
mod given;
mod health;
mod healthcheck;
mod human;
mod image_list;
mod image_remove;
mod image_store;
mod images;
mod info;
mod inspect;
mod inspected;
mod lifecycle;
mod list;
mod look;
mod mounts;
mod networks;
mod operands;
mod options;
mod profile;
pub mod program;
mod ps;
mod pull;
mod pull_texts;
mod quirks;
mod reference;
mod registry;
mod remove;
mod rename;
mod render;
mod reply;
mod rule;
mod secret_list;
mod secrets;
mod seen;
mod start;
mod state;
mod stop;
mod store;
mod subnets;
mod table;
mod template;
mod thing;
mod values;
mod verbs;
mod volumes;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::behaviour::{Behaviour, NotABehaviour};
pub use self::faults::PullFault;
pub use self::folder::FolderError;
use self::folder::{Folder, Log};
pub use self::registry::{NotAnAnswer, RegistryAnswer};
use self::reply::{Refused, not_implemented, refuse};
pub use self::rule::{FaultEffect, FaultRule, NotAFault};
pub use self::seen::MockContainer;
use self::state::State;
use self::store::{Memory, Store};
use super::podman::PodmanVersion;

/// podman from memory. A clone is another handle on the same podman.
#[derive(Clone)]
pub struct MockPodman {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    calls: Mutex<Vec<Call>>,
}

/// A command line that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it began.
    pub at: DateTime<Utc>,
    /// The arguments after `podman`.
    pub args: Vec<String>,
}

/// A podman as it was at a moment: its time does not go on.
#[derive(Clone)]
pub struct Moment {
    state: State,
    now: DateTime<Utc>,
    calls: Vec<Call>,
}

impl Moment {
    /// A podman that goes on from there: it is that time again.
    #[must_use]
    pub fn podman(self) -> MockPodman {
        MockPodman {
            shared: Arc::new(Shared {
                store: Store::Memory(Memory::new(self.state, self.now)),
                calls: Mutex::new(self.calls),
            }),
        }
    }
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
                store: Store::Memory(Memory::new(State::new(version, base), base)),
                calls: Mutex::new(Vec::new()),
            }),
        };
        mock.add_image(FIXTURE_IMAGE);
        mock
    }

    /// The podman whose state is in the folder at `path`, which other processes may use at the same time; a new one of
    /// `version` (5.4.2 where there is none) where the folder has no state yet. Its time is that of the machine.
    fn in_folder(
        path: &Path,
        version: Option<PodmanVersion>,
        log: Log,
    ) -> Result<Self, FolderError> {
        Ok(Self {
            shared: Arc::new(Shared {
                store: Store::Folder(Folder::open(path, version, log)?),
                calls: Mutex::new(Vec::new()),
            }),
        })
    }

    /// Another podman in the same state and at the same time, which from now on goes its own way. Command lines that are
    /// under way are not.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.moment().podman()
    }

    /// What there is right now, to go on from later. Command lines that are under way are not in it.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let (state, now) = self.shared.store.look(|state, now| (state.clone(), now));
        Moment {
            state,
            now,
            calls: self.timed_calls(),
        }
    }

    /// The time of day in the mock: its base and what tokio's clock has run since.
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.store.now()
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
        self.shared.store.with(change)
    }

    /// Waits until `look` gives something, or until `deadline`.
    async fn wait_for<T>(
        &self,
        deadline: Option<DateTime<Utc>>,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Result<Option<T>, Refused> {
        let store = &self.shared.store;
        let boot = store.look(|state, _| state.boot);
        loop {
            let changed = store.watch();
            let seen = store.look(|state, now| {
                if state.boot != boot {
                    return Err(Refused::PowerLost);
                }
                if let Some(found) = look(state) {
                    return Ok(Seen::End(Some(found)));
                }
                if deadline.is_some_and(|deadline| deadline <= now) {
                    return Ok(Seen::End(None));
                }
                let next = [state.next_event(), deadline].into_iter().flatten().min();
                Ok(Seen::Nothing { next })
            })?;
            let next = match seen {
                Seen::End(found) => return Ok(found),
                Seen::Nothing { next } => next,
            };
            if store.is_lost() {
                return Err(Refused::PowerLost);
            }
            match next {
                Some(next) => tokio::select! {
                    () = changed.wait() => {}
                    () = self.sleep_until(next) => {}
                },
                None => changed.wait().await,
            }
        }
    }

    /// What a command takes besides what it waits for. The time of a machine runs by itself: there nobody waits for it.
    async fn overhead(&self, time: Duration) -> Result<(), Refused> {
        match self.shared.store {
            Store::Memory(_) => self.take_time(time).await,
            Store::Folder(_) => Ok(()),
        }
    }

    /// Lets a command take its time; the power may go meanwhile.
    async fn take_time(&self, time: Duration) -> Result<(), Refused> {
        let end = self.now() + time;
        self.wait_for(Some(end), |_| None::<()>).await?;
        Ok(())
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        let wait = (at - self.now()).to_std().unwrap_or(Duration::ZERO);
        tokio::time::sleep(wait).await;
    }
}

/// What a waiting command sees when it looks.
enum Seen<T> {
    /// What it waits for, or none when its time is over.
    End(Option<T>),
    /// Something happens at `next`, unless somebody changes something before.
    Nothing { next: Option<DateTime<Utc>> },
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
