//! Health checks in virtual time: each that runs is an event of its container.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::app::Ending;
use super::container::{Container, Event, News};
use crate::container::status::ContainerState;

/// A container's health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HealthCheck {
    /// `CMD` and words, or `CMD-SHELL` and a line for a shell.
    pub(super) test: Vec<String>,
    /// Zero: nobody but the user runs it.
    pub(super) interval: Duration,
    pub(super) retries: u32,
    pub(super) start_period: Duration,
}

/// The first check runs so long after the start: systemd starts it with the timer.
const FIRST_CHECK: TimeDelta = TimeDelta::milliseconds(100);
/// How long a check takes.
pub(super) const CHECK_TAKES: Duration = Duration::from_millis(100);
/// What `fixture check` says of an app that was told to be ill.
const UNHEALTHY: &str = "fixture: unhealthy: `HTTP/1.1 503 Service Unavailable`\n";
/// podman remembers so many checks.
const LOG_ENTRIES: usize = 5;

/// podman's word for what checks have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HealthWord {
    Starting,
    Healthy,
    Unhealthy,
    /// Of podman 5.8, since a pause has ended.
    Reset,
    /// The empty one: after a reboot.
    Forgotten,
}

impl HealthWord {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Reset => "reset",
            Self::Forgotten => "",
        }
    }
}

/// A check that has run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    end: DateTime<Utc>,
    has_passed: bool,
    output: String,
}

/// What the checks have found so far. It lies in `/run`, and outlives starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HealthTrack {
    word: HealthWord,
    /// How many checks have failed in a row.
    streak: u32,
    /// The last checks, the oldest first.
    log: Vec<Entry>,
}

impl HealthTrack {
    /// What there is after a reboot.
    pub(super) fn forgotten() -> Self {
        Self {
            word: HealthWord::Forgotten,
            streak: 0,
            log: Vec::new(),
        }
    }

    /// A check has run; failures of the start period do not count.
    fn note(&mut self, entry: Entry, retries: u32, counts: bool) {
        if entry.has_passed {
            self.word = HealthWord::Healthy;
            self.streak = 0;
        } else if counts {
            self.streak = self.streak.saturating_add(1);
            if self.streak >= retries {
                self.word = HealthWord::Unhealthy;
            }
        }
        if self.log.len() == LOG_ENTRIES {
            self.log.remove(0);
        }
        self.log.push(entry);
    }
}

/// What came of the program of a check.
enum Outcome {
    Passed,
    /// With what it wrote.
    Failed(String),
    /// It is not in the image, or the container has no process.
    DidNotStart,
}

impl Container {
    /// From now on its program answers that all is well, or not.
    pub(super) fn set_health(&mut self, is_good: bool) {
        self.told_well = Some(is_good);
    }

    /// The health word; empty after a reboot, `None` without a check or before the first start.
    pub(super) fn health_word(&self) -> Option<&'static str> {
        self.check.as_ref()?;
        self.health.as_ref().map(|track| track.word.as_str())
    }

    /// `State.Health` of `inspect`; `None`: as in the recorded document. `ends_lines`: what checks wrote keeps its last newline.
    pub(super) fn health_document(&self, ends_lines: bool) -> Option<Value> {
        // Also before the first check, but not with `none` for a command.
        self.check.as_ref()?;
        let forgotten = HealthTrack::forgotten();
        let track = self.health.as_ref().unwrap_or(&forgotten);
        let entry = |entry: &Entry| {
            let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Nanos, true);
            let output = match entry.output.strip_suffix('\n') {
                Some(output) if !ends_lines => output,
                Some(_) | None => &entry.output,
            };
            json!({
                "Start": time(entry.end - CHECK_TAKES),
                "End": time(entry.end),
                "ExitCode": i32::from(!entry.has_passed),
                "Output": output,
            })
        };
        let log = track.log.iter().map(entry).collect::<Vec<_>>();
        Some(json!({
            "Status": track.word.as_str(),
            "FailingStreak": track.streak,
            "Log": if log.is_empty() { Value::Null } else { json!(log) },
        }))
    }

    /// It has started: checks are due. Their log and streak are still those of the last run.
    pub(super) fn begin_checks(&mut self, now: DateTime<Utc>) {
        let Some(check) = &self.check else { return };
        if !check.interval.is_zero() {
            self.events.push((now + FIRST_CHECK, Event::Health));
        }
        self.health.get_or_insert_with(HealthTrack::forgotten).word = HealthWord::Starting;
    }

    /// A pause has ended: what was known of its health counts no more.
    pub(super) fn reset_health(&mut self) {
        if let Some(track) = &mut self.health {
            track.word = HealthWord::Reset;
        }
    }

    /// The timer's check, and the next.
    pub(super) fn check_by_timer(&mut self, now: DateTime<Utc>, is_4: bool) {
        let Some(check) = &self.check else { return };
        let next = now + check.interval.max(CHECK_TAKES);
        self.events.push((next, Event::Health));
        if self.state == ContainerState::Running {
            self.run_check(now, is_4);
        }
    }

    /// Runs the check once, and does what is to be done about an unhealthy container. `is_4`: as podman 4.3 tells of it.
    /// True: it has passed.
    pub(super) fn run_check(&mut self, now: DateTime<Utc>, is_4: bool) -> bool {
        let Some(check) = &self.check else {
            return false;
        };
        let outcome = self.outcome(&check.test);
        let counts = self
            .started_at
            .is_none_or(|started| started + check.start_period <= now);
        let retries = check.retries;
        let has_passed = matches!(outcome, Outcome::Passed);
        let output = match &outcome {
            Outcome::Failed(output) => output.clone(),
            Outcome::Passed | Outcome::DidNotStart => String::new(),
        };
        let entry = Entry {
            end: now,
            has_passed,
            output,
        };
        let track = self.health.get_or_insert_with(HealthTrack::forgotten);
        let before = track.word;
        track.note(entry, retries, counts);
        let after = track.word;
        let tell = |health| News {
            status: "health_status".into(),
            exit_code: None,
            health: Some(health),
        };
        match (is_4, outcome) {
            (false, _) => self.news.push(tell(after)),
            // podman 4.3 tells the word before the check when its program has started, and then of the program's end.
            (true, Outcome::Passed | Outcome::Failed(_)) => {
                self.news.push(tell(before));
                self.news.push(News {
                    status: "exec_died".into(),
                    exit_code: Some(i32::from(!has_passed)),
                    health: None,
                });
            }
            // A session that did not start stays.
            (true, Outcome::DidNotStart) => {
                let (end, begin) = self.id.split_at(self.sessions.len() % 64 + 1);
                self.sessions.push(format!("{begin}{end}"));
            }
        }
        if !has_passed && after == HealthWord::Unhealthy {
            self.act_on_failure(now);
        }
        has_passed
    }

    fn outcome(&self, test: &[String]) -> Outcome {
        let words: Vec<&str> = test.iter().map(String::as_str).collect();
        match words[..] {
            _ if self.is_ghost => Outcome::DidNotStart,
            // Of other images' programs the mock knows nothing but what it was told.
            _ if !self.holds_fixture && self.is_well() => Outcome::Passed,
            _ if !self.holds_fixture => Outcome::Failed(String::new()),
            ["CMD", "/fixture", "check"] => self.ill().map_or(Outcome::Passed, Outcome::Failed),
            ["CMD", "/fixture", "check", "--port", port] => {
                self.ill_at(port).map_or(Outcome::Passed, Outcome::Failed)
            }
            ["CMD", "/fixture", ..] => Outcome::Failed(String::new()),
            // There is no other program, and no shell.
            _ => Outcome::DidNotStart,
        }
    }

    /// Why nobody finds out where its program serves: what `fixture check` and `poke` say.
    pub(super) fn serves_nothing(&self) -> Option<String> {
        let first = if self.told_well.is_some() {
            return None;
        } else if self.init {
            // The tiny init is PID 1.
            "/run/podman-init -- /fixture"
        } else if self.app.is_healthy() {
            return None;
        } else {
            "/fixture"
        };
        Some(format!(
            "fixture: no --port, and PID 1 does not tell one: it is not `fixture serve PORT` but `{first} {}`\n",
            self.command.join(" ")
        ))
    }

    /// What `fixture check` says of it, where it does not pass.
    pub(super) fn ill(&self) -> Option<String> {
        self.serves_nothing().or_else(|| self.sick())
    }

    /// The same where it is told the port.
    pub(super) fn ill_at(&self, port: impl std::fmt::Display) -> Option<String> {
        if self.app.is_healthy() || self.told_well.is_some() {
            return self.sick();
        }
        Some(format!(
            "fixture: no answer from port {port}: Connection refused (os error 111)\n"
        ))
    }

    /// What it says of what it asked.
    fn sick(&self) -> Option<String> {
        (!self.is_well()).then(|| UNHEALTHY.to_owned())
    }

    /// `--health-on-failure`.
    fn act_on_failure(&mut self, now: DateTime<Utc>) {
        match self.options.health_on_failure.as_deref() {
            Some("kill") => {
                self.tell("kill");
                self.kill(now);
            }
            // It is stopped so or so; the cleanup starts it again.
            Some("stop" | "restart") => {
                self.is_stopped_on_purpose = true;
                self.state = ContainerState::Stopping;
                self.signal(now, 15);
                let killed = Ending {
                    after: Duration::from_secs(self.stop_timeout),
                    code: 137,
                    oom: false,
                    last_words: Vec::new(),
                };
                self.will_end(now, killed);
            }
            Some(_) | None => {}
        }
    }

    /// Whether the cleanup starts it again because its checks failed, whatever the restart policy.
    pub(super) fn restarts_for_health(&self) -> bool {
        self.options.health_on_failure.as_deref() == Some("restart")
            && self
                .health
                .as_ref()
                .is_some_and(|track| track.word == HealthWord::Unhealthy)
    }
}

#[cfg(test)]
mod tests;
