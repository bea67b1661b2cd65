//! The operations under way and the last ones that ended, and who is told of changes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::notifications::Notification;
use super::operation::{Operation, OperationState, OperationView, Progress};
use super::{Book, PackageError, Packages, chain};
use crate::clock::Clock;

/// So many operations that ended are kept.
pub const KEPT_OPERATIONS: usize = 50;
/// So many changes may be unread; a reader that is further behind is told that it missed some.
const UNREAD: usize = 256;
/// Progress is told of no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Something that a user interface shows has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An operation began, went on or ended: as it is now.
    Operation(OperationView),
    /// What [`Packages::entries`] gives may have changed.
    Packages,
    /// There is a new notification.
    Notification(Notification),
}

/// All operations there are. Under way is at most one a package.
pub(crate) struct Ledger {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    changes: broadcast::Sender<Change>,
}

struct Inner {
    next: u64,
    running: Vec<Entry>,
    ended: VecDeque<OperationView>,
}

struct Entry {
    view: OperationView,
    cancel: CancellationToken,
    told: Instant,
}

impl Ledger {
    /// An empty one. Ids go on from the seconds since 1970, so that no later daemon gives one again.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let next = u64::try_from(clock.now().timestamp()).unwrap_or(1);
        Self {
            clock,
            inner: Mutex::new(Inner {
                next,
                running: Vec::new(),
                ended: VecDeque::new(),
            }),
            changes: broadcast::channel(UNREAD).0,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change is a single assignment or insertion, so a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all who listen; that nobody does is no error.
    pub(crate) fn tell(&self, change: Change) {
        drop(self.changes.send(change));
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn begin(&self, package: &str, kind: Operation) -> (u64, CancellationToken) {
        let cancel = CancellationToken::new();
        let view = {
            let mut inner = self.inner();
            let view = OperationView {
                id: inner.next,
                kind,
                package: package.to_owned(),
                state: OperationState::Running,
                step: "begins".to_owned(),
                progress: None,
                cancellable: false,
                started_at: self.clock.now(),
                ended_at: None,
                error: None,
            };
            inner.next += 1;
            inner.running.push(Entry {
                view: view.clone(),
                cancel: cancel.clone(),
                told: Instant::now(),
            });
            view
        };
        let id = view.id;
        self.tell(Change::Operation(view));
        self.tell(Change::Packages);
        (id, cancel)
    }

    /// Changes the operation under way on `package`; without one, as in a heal by the monitor, nothing happens.
    fn change(&self, package: &str, change: impl FnOnce(&mut Entry) -> bool) {
        let tell = {
            let mut inner = self.inner();
            let found = inner
                .running
                .iter_mut()
                .find(|entry| entry.view.package == package);
            found.and_then(|entry| {
                change(entry).then(|| {
                    entry.told = Instant::now();
                    entry.view.clone()
                })
            })
        };
        if let Some(view) = tell {
            self.tell(Change::Operation(view));
        }
    }

    /// What the operation on `package` does from now on. Told at once.
    pub(crate) fn step(&self, package: &str, step: String) {
        tracing::debug!(package, step, "step");
        self.change(package, |entry| {
            let differs = entry.view.step != step || entry.view.progress.is_some();
            entry.view.step = step;
            entry.view.progress = None;
            differs
        });
    }

    /// How much of the step is done. Told of now and then.
    pub(crate) fn progress(&self, package: &str, progress: Progress) {
        self.change(package, |entry| {
            let differs = entry.view.progress != Some(progress);
            let first = entry.view.progress.is_none();
            entry.view.progress = Some(progress);
            differs && (first || entry.told.elapsed() >= TELL_EVERY)
        });
    }

    fn end(&self, id: u64, state: OperationState, error: Option<String>) {
        let ended_at: DateTime<Utc> = self.clock.now();
        let view = {
            let mut inner = self.inner();
            let Some(place) = inner.running.iter().position(|entry| entry.view.id == id) else {
                return;
            };
            let mut view = inner.running.remove(place).view;
            view.state = state;
            view.cancellable = false;
            view.ended_at = Some(ended_at);
            view.error = error;
            inner.ended.push_back(view.clone());
            let excess = inner.ended.len().saturating_sub(KEPT_OPERATIONS);
            inner.ended.drain(..excess);
            view
        };
        self.tell(Change::Operation(view));
        self.tell(Change::Packages);
    }

    fn all(&self) -> Vec<OperationView> {
        let inner = self.inner();
        let running = inner.running.iter().map(|entry| &entry.view);
        let mut all: Vec<OperationView> = inner.ended.iter().chain(running).cloned().collect();
        all.sort_by_key(|view| view.id);
        all
    }

    fn cancel(&self, id: u64) -> Result<(), PackageError> {
        let inner = self.inner();
        if let Some(entry) = inner.running.iter().find(|entry| entry.view.id == id) {
            if !entry.view.cancellable {
                return Err(PackageError::NotCancellable {
                    operation: id,
                    why: format!(
                        "{} of `{}` is past the point: {}",
                        entry.view.kind.name(),
                        entry.view.package,
                        entry.view.step
                    ),
                });
            }
            entry.cancel.cancel();
            return Ok(());
        }
        match inner.ended.iter().find(|view| view.id == id) {
            Some(view) => Err(PackageError::NotCancellable {
                operation: id,
                why: format!(
                    "{} of `{}` has ended already",
                    view.kind.name(),
                    view.package
                ),
            }),
            None => Err(PackageError::NoSuchOperation { operation: id }),
        }
    }
}

impl Packages {
    /// All operations under way, and the last [`KEPT_OPERATIONS`] that ended since the daemon started; the oldest first.
    #[must_use]
    pub fn operations(&self) -> Vec<OperationView> {
        self.ledger.all()
    }

    /// One operation.
    ///
    /// # Errors
    /// [`PackageError::NoSuchOperation`] where none of that id is known, or no longer.
    pub fn operation(&self, id: u64) -> Result<OperationView, PackageError> {
        let all = self.ledger.all();
        all.into_iter()
            .find(|view| view.id == id)
            .ok_or(PackageError::NoSuchOperation { operation: id })
    }

    /// Cancels an operation that pulls images, or waits between two attempts to. It is undone like one that failed, and
    /// ends as [`OperationState::Cancelled`]. Returns at once.
    ///
    /// # Errors
    /// [`PackageError::NotCancellable`] at every other step; [`PackageError::NoSuchOperation`].
    pub fn cancel(&self, id: u64) -> Result<(), PackageError> {
        self.ledger.cancel(id)
    }

    /// Tells of every change from now on. A reader that falls too far behind is told so by the channel, and should read
    /// everything anew.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.ledger.listen()
    }

    /// Registers an operation; a second one on the same package is refused, and all but an install are where there is no
    /// such package: nothing is kept of ids that somebody made up.
    pub(crate) fn begin(
        &self,
        package: &str,
        operation: Operation,
    ) -> Result<Running, PackageError> {
        {
            let mut book = self.book();
            if let Some(running) = book.operations.get(package) {
                return Err(PackageError::Busy {
                    package: package.to_owned(),
                    running: running.name(),
                });
            }
            if operation != Operation::Install && !book.records.contains_key(package) {
                return Err(PackageError::NotInstalled {
                    package: package.chars().take(80).collect(),
                });
            }
            book.operations.insert(package.to_owned(), operation);
        }
        let (id, cancel) = self.ledger.begin(package, operation);
        Ok(Running {
            book: Arc::clone(&self.book),
            ledger: Arc::clone(&self.ledger),
            wake: Arc::clone(&self.wake),
            package: package.to_owned(),
            id,
            cancel,
            outcome: None,
        })
    }

    /// Tells that what a user interface shows may have changed.
    pub(crate) fn tell_shown(&self) {
        self.ledger.tell(Change::Packages);
    }

    /// Says what the operation on `package` does from now on.
    pub(crate) fn step(&self, package: &str, step: impl Into<String>) {
        self.ledger.step(package, step.into());
    }
}

/// An operation under way; dropping it ends it, as failed where no outcome was given.
pub(crate) struct Running {
    book: Arc<Mutex<Book>>,
    ledger: Arc<Ledger>,
    wake: Arc<Notify>,
    package: String,
    id: u64,
    cancel: CancellationToken,
    outcome: Option<(OperationState, Option<String>)>,
}

impl Running {
    /// The operation's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Ends it with this result, which is passed on.
    pub(crate) fn end<T>(mut self, result: Result<T, PackageError>) -> Result<T, PackageError> {
        self.outcome = Some(match &result {
            Ok(_) => (OperationState::Succeeded, None),
            Err(PackageError::Cancelled { .. }) => (OperationState::Cancelled, None),
            Err(error) => (OperationState::Failed, Some(chain(error))),
        });
        result
    }

    /// Does work that may be cancelled until it is done.
    ///
    /// # Errors
    /// Those of the work; [`PackageError::Cancelled`], the work being dropped where it was.
    pub(crate) async fn cancellable<T>(
        &self,
        work: impl Future<Output = Result<T, PackageError>>,
    ) -> Result<T, PackageError> {
        self.may_be_cancelled(true);
        let result = tokio::select! {
            biased;
            () = self.cancel.cancelled() => None,
            result = work => Some(result),
        };
        self.may_be_cancelled(false);
        // Who was told that it is cancelled must find it so: also where the work was done in the same moment.
        match result {
            Some(result) if !self.cancel.is_cancelled() => result,
            Some(_) | None => Err(PackageError::Cancelled {
                package: self.package.clone(),
            }),
        }
    }

    fn may_be_cancelled(&self, cancellable: bool) {
        self.ledger.change(&self.package, |entry| {
            let differs = entry.view.cancellable != cancellable;
            entry.view.cancellable = cancellable;
            differs
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.book
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .operations
            .remove(&self.package);
        let (state, error) = self.outcome.take().unwrap_or_else(|| {
            (
                OperationState::Failed,
                Some(chain(&PackageError::Interrupted)),
            )
        });
        self.ledger.end(self.id, state, error);
        self.wake.notify_one();
    }
}
