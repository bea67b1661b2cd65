//! podman's events wake the monitor. They only say "look": what is the case is read anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Monitor;
use crate::chain::chain;
use crate::container::podman::{ContainerEvent, EventNews};

/// How soon podman is asked for its events again after it stopped telling them; twice as long each time, up to
/// [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// See [`FIRST_WAIT`].
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A stream that stood so long was a good one: the waits begin anew.
const GOOD: Duration = Duration::from_secs(60);
/// After an end podman tidies up, or starts the container again, and tells that too. Where it does not come to that, and
/// where the stream did not stand yet, this look sees it.
const LATE_LOOK: Duration = Duration::from_secs(2);

/// What is to be done about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Response {
    Nothing,
    LookNow,
    LookLater,
}

/// What an event of an installed container means; `is_news` says whether its health word differs from what the
/// monitor took it for.
fn respond(event: &ContainerEvent, is_news: bool) -> Response {
    match event.status.as_str() {
        // podman has come to rest: `cleanup` follows `died` unless podman starts the container again by itself.
        "cleanup" | "remove" | "start" | "restart" | "create" | "pause" | "unpause" | "rename" => {
            Response::LookNow
        }
        "health_status" if is_news => Response::LookNow,
        // It may not run again, and it may: podman's own restart policy comes first.
        "died" => Response::LookLater,
        // Every check is an event, and every program that is run inside a container.
        _ => Response::Nothing,
    }
}

impl Monitor {
    /// Follows podman's events, for ever. A stream that ends is followed anew, and by a look at everything.
    pub async fn follow_events(&self) {
        let mut wait = FIRST_WAIT;
        let mut was_lost = false;
        loop {
            let begun = Instant::now();
            let outcome = self
                .packages
                .podman
                .follow(&mut |news| self.take(&news))
                .await;
            if begun.elapsed() >= GOOD {
                wait = FIRST_WAIT;
                was_lost = false;
            }
            let error = outcome.as_ref().err().map(|error| chain(error));
            if was_lost {
                tracing::debug!(error, ?wait, "podman tells no events");
            } else {
                tracing::warn!(error, "podman stopped telling events, it is asked again");
            }
            was_lost = true;
            self.look_at_everything();
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn take(&self, news: &EventNews) {
        match news {
            EventNews::Following => {
                self.look_at_everything();
                self.look_later();
            }
            EventNews::Event(event) => {
                let is_ours = self
                    .packages
                    .book()
                    .installed()
                    .any(|(_, manifest)| manifest.name == event.name);
                if !is_ours {
                    return;
                }
                let is_news = event.health.is_some() && event.health != self.health_of(&event.name);
                let response = respond(event, is_news);
                tracing::debug!(container = event.name, event = event.status, ?response);
                match response {
                    Response::Nothing => {}
                    Response::LookNow => {
                        self.packages.podman.forget(&event.name);
                        self.packages.events.notify_one();
                    }
                    Response::LookLater => self.look_later(),
                }
            }
        }
    }

    /// Nothing that was seen before counts any more.
    fn look_at_everything(&self) {
        self.packages.podman.forget_all();
        self.packages.events.notify_one();
    }

    fn look_later(&self) {
        if self.is_late_look_due.swap(true, Ordering::Relaxed) {
            return;
        }
        let packages = Arc::clone(&self.packages);
        let is_due = Arc::clone(&self.is_late_look_due);
        self.tasks.spawn(async move {
            sleep(LATE_LOOK).await;
            is_due.store(false, Ordering::Relaxed);
            packages.events.notify_one();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_change_a_decision_wakes_the_monitor() {
        let response = |status: &str, is_news| {
            let event = ContainerEvent {
                name: "a".to_owned(),
                status: status.to_owned(),
                health: None,
            };
            respond(&event, is_news)
        };
        for (status, is_news, expected) in [
            ("cleanup", false, Response::LookNow),
            ("remove", false, Response::LookNow),
            ("died", false, Response::LookLater),
            ("health_status", true, Response::LookNow),
            ("health_status", false, Response::Nothing),
            ("exec", false, Response::Nothing),
            ("exec_died", true, Response::Nothing),
            ("a_word_of_a_later_podman", false, Response::Nothing),
        ] {
            assert_eq!(response(status, is_news), expected, "{status}");
        }
    }
}
