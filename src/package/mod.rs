//! Install, uninstall, start, stop and restart of packages, and what is kept of them.
//!
//! [`Packages`] is what the API and the health monitor work on. One operation a package at a time: a second one is
//! refused. The monitor takes turns with operations, and gives way to them.

mod book;
mod error;
mod hooks;
mod image;
mod install;
mod intent;
mod keep;
mod ledger;
mod lifecycle;
mod make;
mod notifications;
mod operation;
mod pull;
mod reconcile;
mod record;
mod render;
mod request;
mod secrets;
mod spec;
mod uninstall;
mod update;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as TurnMutex, Notify, OwnedMutexGuard};

use crate::catalog::{ContainerManifest, start_order};
use crate::clock::Clock;
use crate::config::Config;
use crate::container::podman::{Podman, PodmanError};
use crate::container::status::ContainerStatus;
use crate::crash_recovery;
use crate::host::Host;
use crate::metrics::Meter;
use crate::state::{self, PackageDataEntry};
use crate::store::{Store, StoreError};

pub use crate::chain::chain;
pub(crate) use book::Book;
pub use error::PackageError;
pub use hooks::HOOK_WAIT;
pub use install::InstallOptions;
pub use intent::UserStopped;
pub use ledger::{Change, KEPT_OPERATIONS};
use ledger::{Ledger, Running};
pub use notifications::{KEPT_NOTIFICATIONS, Notification, Severity};
pub(crate) use notifications::{News, corrupt_file, taken};
pub use operation::{Operation, OperationState, OperationView, Progress, ProgressUnit};
pub use pull::{PULL_ATTEMPTS, PULL_WAITS};
pub use reconcile::{Outdated, ReconcileReport, Stranger};
pub use record::{Made, PackageRecord, Phase, Previous};
pub use render::RenderError;
pub use request::{Request, Submitted};
pub use secrets::SECRET_LENGTH;
pub(crate) use secrets::generate as generate_secret;
pub use spec::{
    NETWORK, PACKAGE_LABEL, SHARED_LABEL, SPEC_LABEL, container_spec, package_filter, secret_name,
    spec_hash,
};
pub use uninstall::UninstallOptions;
pub use update::UpdateOptions;
pub use watch::LOG_LINES;

/// State file of the [`RestartTracker`](crate::restart_tracker::RestartTracker).
pub const TRACKER_FILE: &str = "restart-tracker.json";

/// The packages of this machine.
pub struct Packages {
    pub(crate) podman: Podman,
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) root: Store,
    records: Store,
    pub(crate) secrets: Store,
    book: Arc<Mutex<Book>>,
    ledger: Arc<Ledger>,
    /// Held from a change of what several packages share until its file is written: files are never older than memory.
    writing: Mutex<()>,
    turns: Mutex<BTreeMap<String, Arc<TurnMutex<()>>>>,
    /// Held from looking whether the shared network is needed until it is made or removed.
    network: TurnMutex<()>,
    /// Counts what is worth counting.
    pub(crate) meter: Meter,
    /// Wakes the monitor.
    pub(crate) wake: Arc<Notify>,
    /// Wakes the monitor too, after a moment in which more may happen.
    pub(crate) events: Notify,
}

impl Packages {
    /// Reads all state files below `config.state_dir`. Corrupt ones are moved aside and reported.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be made, read or written.
    pub fn open(
        config: Config,
        podman: Podman,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
    ) -> Result<Self, StoreError> {
        let root = Store::open(&config.state_dir, Arc::clone(&clock))?;
        let records_store = root.sub("packages")?;
        let secrets = root.sub("secrets")?;
        let mut records = BTreeMap::new();
        let mut news = Vec::new();
        for id in records_store.json_names()? {
            let loaded = records_store.load(&keep::file_name(&id))?;
            if let Some(record) = taken(loaded, Some(&id), &mut news) {
                records.insert(id, record);
            }
        }
        let lost_records = records_store.lost()?.into_iter();
        let stopped = taken(root.load(intent::FILE)?, None, &mut news).unwrap_or_default();
        let tracker = taken(root.load(TRACKER_FILE)?, None, &mut news).unwrap_or_default();
        let snapshot = taken(root.load(crash_recovery::SNAPSHOT_FILE)?, None, &mut news);
        let kept = root.load(notifications::FILE)?;
        let book = Book {
            records,
            stopped,
            tracker,
            snapshot,
            notifications: taken(kept, None, &mut news).unwrap_or_default(),
            lost_records: lost_records
                .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
                .collect(),
            lost_intents: root.lost()?.iter().any(|name| name == intent::FILE),
            ..Book::default()
        };
        let ledger = Arc::new(Ledger::new(Arc::clone(&clock)));
        let packages = Self {
            podman,
            config,
            clock,
            host,
            root,
            records: records_store,
            secrets,
            book: Arc::new(Mutex::new(book)),
            ledger,
            writing: Mutex::new(()),
            turns: Mutex::new(BTreeMap::new()),
            network: TurnMutex::new(()),
            meter: Meter::default(),
            wake: Arc::new(Notify::new()),
            events: Notify::new(),
        };
        for item in news {
            packages.notify(item);
        }
        Ok(packages)
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // Every change is a single assignment or insertion, so a panic elsewhere leaves it whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn_of(&self, package: &str) -> Arc<TurnMutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(package.to_owned()).or_default())
    }

    /// Waits until the monitor is done with the package.
    pub(crate) async fn turn(&self, package: &str) -> OwnedMutexGuard<()> {
        self.turn_of(package).lock_owned().await
    }

    /// The package's turn, if nobody has it.
    pub(crate) fn try_turn(&self, package: &str) -> Option<OwnedMutexGuard<()>> {
        self.turn_of(package).try_lock_owned().ok()
    }

    /// What podman says of every container with a package label, by name.
    ///
    /// # Errors
    /// [`PodmanError`]; `system.health` shows it too.
    pub(crate) async fn look(&self) -> Result<BTreeMap<String, ContainerStatus>, PodmanError> {
        let result = self.podman.list(PACKAGE_LABEL).await;
        let error = result.as_ref().err().map(|error| chain(error));
        let before = std::mem::replace(&mut self.book().podman_error, error.clone());
        if error != before {
            self.tell_shown();
        }
        let statuses = match result {
            Ok(statuses) => statuses,
            // On podman 4.3 one broken container makes the list of all fail; the others are still watched.
            Err(error @ PodmanError::Refused { .. }) => {
                let names: Vec<String> = {
                    let book = self.book();
                    let installed = book.installed();
                    installed
                        .map(|(_, manifest)| manifest.name.clone())
                        .collect()
                };
                if names.is_empty() {
                    return Err(error);
                }
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                tracing::error!(
                    error = chain(&error),
                    "podman cannot list containers, they are looked at one by one; is one of them broken? `podman rm --force` it"
                );
                self.podman.look_at(&names).await?
            }
            Err(error) => return Err(error),
        };
        Ok(statuses
            .into_iter()
            .map(|status| (status.name.clone(), status))
            .collect())
    }

    /// Every installed package, and those on their way in or out, as a UI shows them.
    ///
    /// # Errors
    /// [`PodmanError`] when podman cannot be asked.
    pub async fn entries(&self) -> Result<Vec<PackageDataEntry>, PodmanError> {
        let statuses = self.look().await?;
        let (healing, mut dead) = {
            let book = self.book();
            (book.healing.clone(), book.dead.clone())
        };
        // Somebody may have made it anew since the monitor looked.
        dead.retain(|name| {
            statuses
                .get(name)
                .is_some_and(|status| self.is_dead(status))
        });
        let plan = self.plan(&statuses, &dead, &healing);
        let boot_id = self.host.boot_id();
        let book = self.book();
        let ran_before = book
            .snapshot
            .iter()
            .filter(|snapshot| book.recovering && snapshot.boot_id != boot_id)
            .flat_map(|snapshot| snapshot.containers.iter().cloned())
            .collect();
        Ok(state::entries(&state::StateInput {
            records: &book.records,
            statuses: &statuses,
            tracker: &book.tracker,
            stopped: &book.stopped,
            operations: &book.operations,
            healing: &healing,
            dead: &dead,
            ran_before: &ran_before,
            plan: &plan,
            max_attempts: self.config.health.max_restart_attempts,
            now: self.clock.now(),
        }))
    }
}

/// Containers of one package, in start order.
pub(crate) fn in_order(containers: &[ContainerManifest]) -> Vec<&ContainerManifest> {
    start_order(containers)
        .into_iter()
        .filter_map(|name| containers.iter().find(|container| container.name == name))
        .collect()
}
