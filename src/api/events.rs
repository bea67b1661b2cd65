//! `GET /events`: what a user interface shows, as server-sent events.
//!
//! | event | data | when |
//! |---|---|---|
//! | `health` | as `system.health` | its `status` or `podman_error` changed |
//! | `packages` | as `package.list` | any of it changed |
//! | `operation` | as `operation.get` | it began, went on or ended |
//! | `notification` | one of `system.notifications` | it is new |
//!
//! Each stream begins with all there is of these, the oldest first; operations and notifications have ids, so that who
//! comes again can tell what is new. Who reads too slowly is given all there is anew, and so misses no last word. Between
//! events there are comments, so that a dead connection is noticed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::rpc::Health;
use super::{Context, refuse};
use crate::package::{Change, Packages, chain};

/// Most streams open at a time.
const STREAMS: usize = 64;
/// Between two comments where nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Changes that come so close together are shown together.
const TOGETHER: Duration = Duration::from_millis(100);
/// So many events may be unread.
const UNREAD: usize = 256;

/// What all streams are told.
#[derive(Debug, Clone)]
enum Told {
    /// The packages, and how often they were shown before: a stream that was shown later ones passes over these.
    Packages(Shown),
    /// How the daemon is. A stream passes over what it was told before.
    Health(Arc<Health>),
    /// Any other event, by its name.
    Other(&'static str, Arc<str>),
    /// Some were lost.
    Lost,
}

/// The packages as JSON.
#[derive(Debug, Clone, Default)]
struct Shown {
    number: u64,
    data: Arc<str>,
}

/// Turns changes into events for everybody who listens. Packages are looked at only while somebody does.
pub(crate) struct Feed {
    packages: Arc<Packages>,
    told: broadcast::Sender<Told>,
    /// What was last shown. Held from a look until that is told: of two looks the later one is told later.
    shown: Mutex<Shown>,
    stale: Notify,
    slots: Arc<Semaphore>,
    ending: CancellationToken,
}

impl Feed {
    /// A feed whose streams end at `ending`.
    pub(crate) fn new(packages: Arc<Packages>, ending: CancellationToken) -> Self {
        Self {
            packages,
            told: broadcast::channel(UNREAD).0,
            shown: Mutex::default(),
            stale: Notify::new(),
            slots: Arc::new(Semaphore::new(STREAMS)),
            ending,
        }
    }

    /// Streams open now.
    pub(crate) fn streams(&self) -> usize {
        STREAMS - self.slots.available_permits()
    }

    /// For ever.
    pub(crate) async fn run(&self) {
        tokio::join!(self.pass_on(), self.keep_shown());
    }

    async fn pass_on(&self) {
        let mut changes = self.packages.changes();
        loop {
            match changes.recv().await {
                Ok(Change::Operation(operation)) => self.tell("operation", &operation),
                Ok(Change::Notification(notification)) => self.tell("notification", &notification),
                Ok(Change::Packages) => self.stale.notify_one(),
                Err(RecvError::Lagged(_)) => {
                    self.send(Told::Lost);
                    self.stale.notify_one();
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn keep_shown(&self) {
        loop {
            self.stale.notified().await;
            if self.told.receiver_count() == 0 {
                continue;
            }
            sleep(TOGETHER).await;
            self.show().await;
            self.send(Told::Health(Arc::new(Health::of(&self.packages))));
        }
    }

    /// Looks, and tells everybody where it is not as it was. Where podman cannot be asked: what was shown last, if anything.
    async fn show(&self) -> Option<Shown> {
        let mut shown = self.shown.lock().await;
        match self.packages.entries().await {
            Ok(entries) => {
                let data = json(&entries);
                if *shown.data != *data {
                    *shown = Shown {
                        number: shown.number + 1,
                        data,
                    };
                    self.send(Told::Packages(shown.clone()));
                }
            }
            Err(error) => tracing::debug!(error = chain(&error), "nothing new to show"),
        }
        (shown.number > 0).then(|| shown.clone())
    }

    fn tell(&self, name: &'static str, value: &impl Serialize) {
        if self.told.receiver_count() > 0 {
            self.send(Told::Other(name, json(value)));
        }
    }

    fn send(&self, told: Told) {
        // That nobody listens is no error.
        drop(self.told.send(told));
    }
}

fn json(value: &impl Serialize) -> Arc<str> {
    serde_json::to_string(value)
        .unwrap_or_else(|error| {
            // Our own types, with texts as keys: not reached.
            tracing::error!(%error, "cannot be written as JSON");
            "null".to_owned()
        })
        .into()
}

/// `GET /events`.
pub(super) async fn serve(State(context): State<Context>) -> Response {
    let feed = context.feed;
    let Ok(slot) = Arc::clone(&feed.slots).try_acquire_owned() else {
        let text = format!("{STREAMS} streams are open; close one, or try again later");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &text);
    };
    let events = stream::unfold(Stream::new(feed, slot), Stream::next);
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// What one client is sent.
struct Stream {
    feed: Arc<Feed>,
    told: broadcast::Receiver<Told>,
    ready: VecDeque<Event>,
    /// The packages have not been sent since the stream began, or since events were lost.
    owes_packages: bool,
    number: u64,
    health: Option<Arc<Health>>,
    _slot: OwnedSemaphorePermit,
}

impl Stream {
    fn new(feed: Arc<Feed>, slot: OwnedSemaphorePermit) -> Self {
        let mut stream = Self {
            told: feed.told.subscribe(),
            feed,
            ready: VecDeque::new(),
            owes_packages: true,
            number: 0,
            health: None,
            _slot: slot,
        };
        stream.begin();
        stream
    }

    /// All there is: first what can be told without asking podman.
    fn begin(&mut self) {
        // From here on nothing is missed; what happens meanwhile may be told twice.
        self.told = self.feed.told.subscribe();
        self.ready.clear();
        self.health = None;
        let packages = Arc::clone(&self.feed.packages);
        let health = self.health(Arc::new(Health::of(&packages)));
        self.ready.extend(health);
        for operation in packages.operations() {
            self.ready.push_back(event("operation", &json(&operation)));
        }
        for notification in packages.notifications() {
            self.ready
                .push_back(event("notification", &json(&notification)));
        }
        self.owes_packages = true;
    }

    /// An event, where this is news to the client.
    fn health(&mut self, health: Arc<Health>) -> Option<Event> {
        let before = self.health.replace(Arc::clone(&health));
        let is_known = before.is_some_and(|before| before.shows_as(&health));
        (!is_known).then(|| event("health", &json(&*health)))
    }

    /// The next event; `None` when the daemon ends.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let ending = self.feed.ending.clone();
        let event = tokio::select! {
            biased;
            () = ending.cancelled() => return None,
            event = self.event() => event?,
        };
        Some((Ok(event), self))
    }

    async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if std::mem::take(&mut self.owes_packages) {
                let Some(shown) = self.feed.show().await else {
                    continue;
                };
                self.number = shown.number;
                return Some(event("packages", &shown.data));
            }
            match self.told.recv().await {
                Ok(Told::Packages(shown)) if shown.number <= self.number => {}
                Ok(Told::Packages(shown)) => {
                    self.number = shown.number;
                    return Some(event("packages", &shown.data));
                }
                Ok(Told::Health(health)) => {
                    if let Some(event) = self.health(health) {
                        return Some(event);
                    }
                }
                Ok(Told::Other(name, data)) => return Some(event(name, &data)),
                Ok(Told::Lost) | Err(RecvError::Lagged(_)) => self.begin(),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn event(name: &str, data: &str) -> Event {
    Event::default().event(name).data(data)
}
