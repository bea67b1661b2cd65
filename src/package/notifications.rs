//! What the user should know of and did not ask for: kept until pushed out by newer ones.

use std::path::Path;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ledger::Change;
use super::{Packages, chain};
use crate::health_monitor::Decision;
use crate::store::Loaded;

/// The state file.
pub(crate) const FILE: &str = "notifications.json";
/// So many are kept.
pub const KEPT_NOTIFICATIONS: usize = 100;

/// How much a notification matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it when there is time.
    Warning,
    /// Something does not work.
    Error,
}

/// One thing that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// Its number; a later one has a higher one.
    pub id: u64,
    /// When, UTC.
    pub at: DateTime<Utc>,
    /// How much it matters.
    pub severity: Severity,
    /// The package it is about.
    pub package: Option<String>,
    /// The container it is about.
    pub container: Option<String>,
    /// What happened and what to do, for people.
    pub text: String,
}

/// What is to be told; number and time come when it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) severity: Severity,
    pub(crate) package: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) text: String,
}

impl News {
    pub(crate) fn new(severity: Severity, text: impl Into<String>) -> Self {
        Self {
            severity,
            package: None,
            container: None,
            text: text.into(),
        }
    }

    pub(crate) fn of(mut self, package: &str) -> Self {
        self.package = Some(package.to_owned());
        self
    }

    pub(crate) fn container(mut self, container: &str) -> Self {
        self.container = Some(container.to_owned());
        self
    }

    fn is_as(&self, kept: &Notification) -> bool {
        self.severity == kept.severity
            && self.package == kept.package
            && self.container == kept.container
            && self.text == kept.text
    }
}

impl Packages {
    /// The last [`KEPT_NOTIFICATIONS`] notifications, the oldest first. They outlive the daemon.
    #[must_use]
    pub fn notifications(&self) -> Vec<Notification> {
        self.book().notifications.clone()
    }

    /// Keeps a notification and tells of it. Where it cannot be saved it holds until the daemon ends, and is logged.
    pub(crate) fn notify(&self, news: News) {
        self.notify_unless(news, |_| false);
    }

    /// As [`Packages::notify`], unless the very same was said at or after `since`.
    pub(crate) fn notify_once_since(&self, news: News, since: DateTime<Utc>) {
        self.notify_unless(news, |kept| kept.at >= since);
    }

    /// As [`Packages::notify`], unless the very same is kept and `counts`.
    fn notify_unless(&self, news: News, counts: impl Fn(&Notification) -> bool) {
        let _writing = self.writing();
        let (notification, all) = {
            let mut book = self.book();
            if book
                .notifications
                .iter()
                .any(|kept| news.is_as(kept) && counts(kept))
            {
                return;
            }
            let id = book.notifications.last().map_or(1, |last| last.id + 1);
            let notification = Notification {
                id,
                at: self.clock.now(),
                severity: news.severity,
                package: news.package,
                container: news.container,
                text: news.text,
            };
            book.notifications.push(notification.clone());
            let excess = book.notifications.len().saturating_sub(KEPT_NOTIFICATIONS);
            book.notifications.drain(..excess);
            (notification, book.notifications.clone())
        };
        match notification.severity {
            Severity::Info => tracing::info!(text = notification.text, "notification"),
            Severity::Warning => tracing::warn!(text = notification.text, "notification"),
            Severity::Error => tracing::error!(text = notification.text, "notification"),
        }
        if let Err(error) = self.root.save(FILE, &all) {
            tracing::error!(error = chain(&error), "notifications are not saved");
        }
        self.ledger.tell(Change::Notification(notification));
    }
}

impl Packages {
    /// Says that the monitor gave up on a container, and remembers it. Killed between the two, it is not said again.
    pub(crate) fn gave_up(&self, decision: &Decision) {
        let now = self.clock.now();
        let last_attempt = {
            let book = self.book();
            let history = book.tracker.history(&decision.container);
            history.and_then(|history| history.last_attempt)
        };
        let hours = self.config.health.slow_lane.as_secs_f64() / 3600.0;
        let text = format!(
            "`{}`: {}; it is tried again every {hours} h, its log may say why it ends",
            decision.container, decision.reason
        );
        let news = News::new(Severity::Error, text)
            .of(&decision.package)
            .container(&decision.container);
        self.notify_once_since(news, last_attempt.unwrap_or(now));
        self.change_tracker(|tracker| tracker.give_up(&decision.container, now));
    }

    /// Says that a container the monitor had given up on has been up long enough to count as well again.
    pub(crate) fn recovered(&self, package: &str, container: &str) {
        let text = format!("`{container}` is well again, after it had been given up");
        self.notify(
            News::new(Severity::Info, text)
                .of(package)
                .container(container),
        );
    }
}

/// The content of a state file; of one that was corrupt, news.
pub(crate) fn taken<T>(
    loaded: Loaded<T>,
    package: Option<&str>,
    news: &mut Vec<News>,
) -> Option<T> {
    match loaded {
        Loaded::Value(value) => Some(value),
        Loaded::Absent => None,
        Loaded::Corrupt { moved_to, why } => {
            let item = corrupt_file(&moved_to, &why);
            news.push(match package {
                Some(package) => item.of(package),
                None => item,
            });
            None
        }
    }
}

/// What is said of a state file that could not be read.
pub(crate) fn corrupt_file(moved_to: &Path, why: &str) -> News {
    News::new(
        Severity::Error,
        format!(
            "a state file was corrupt and is begun anew; the old one lies at `{}` ({why})",
            moved_to.display()
        ),
    )
}
