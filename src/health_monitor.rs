//! What to do about each installed container: [`plan`], a pure function, and the [`Monitor`] that carries it out.

mod follow;
mod monitor;
mod observe;
mod pulse;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::catalog::{ContainerManifest, order_of_sorted};
use crate::clock::has_passed;
use crate::config::HealthConfig;
use crate::container::status::{ContainerState, ContainerStatus, Health};
use crate::restart_tracker::{RestartHistory, RestartTracker};

pub use monitor::Monitor;
pub use pulse::{Overdue, Pulse};

/// What is meant to be done about a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Start one that never ran.
    Start,
    /// Start one that ended, or stop and start one that runs badly.
    Restart,
    /// Remove what is left of it, make it anew from its manifest, start it.
    Recreate,
    /// Nothing now; later, or when a dependency is up. Costs no attempt.
    Wait,
    /// Give up, and say so, once.
    Notify,
    /// Nothing.
    Skip,
}

impl Action {
    /// Its name in answers and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Recreate => "recreate",
            Self::Wait => "wait",
            Self::Notify => "notify",
            Self::Skip => "skip",
        }
    }

    /// Whether it starts the container.
    #[must_use]
    pub fn starts(self) -> bool {
        match self {
            Self::Start | Self::Restart | Self::Recreate => true,
            Self::Wait | Self::Notify | Self::Skip => false,
        }
    }
}

/// What is meant to be done about one container, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decision {
    /// The container's name.
    pub container: String,
    /// Its package.
    pub package: String,
    /// What.
    pub action: Action,
    /// Why, for people and for the log.
    pub reason: Cow<'static, str>,
    /// For [`Action::Wait`] and the slow lane: when to look again at the latest.
    pub until: Option<DateTime<Utc>>,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} `{}`: {}", self.action, self.container, self.reason)
    }
}

/// When to try again and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Between two attempts at the same container. The first one is made at once.
    pub interval: TimeDelta,
    /// After so many attempts the monitor gives up.
    pub max_attempts: u32,
    /// Between two attempts after that.
    pub slow_lane: TimeDelta,
    /// Up for so long, attempts are forgotten.
    pub stability: TimeDelta,
}

impl From<&HealthConfig> for Policy {
    fn from(config: &HealthConfig) -> Self {
        let delta = |time| TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        Self {
            interval: delta(config.interval),
            max_attempts: config.max_restart_attempts,
            slow_lane: delta(config.slow_lane),
            stability: delta(config.stability),
        }
    }
}

/// An installed container.
#[derive(Debug, Clone, Copy)]
pub struct Installed<'a> {
    /// Its package.
    pub package: &'a str,
    /// What it is to be like.
    pub manifest: &'a ContainerManifest,
}

/// All that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// Every installed container.
    pub installed: &'a [Installed<'a>],
    /// What podman says, by name; a missing name is a missing container.
    pub statuses: &'a BTreeMap<String, ContainerStatus>,
    /// Containers that podman says run, and whose process is gone.
    pub dead: &'a BTreeSet<String>,
    /// What is remembered.
    pub tracker: &'a RestartTracker,
    /// Packages the user stopped.
    pub user_stopped: &'a BTreeSet<String>,
    /// Packages with an operation under way, and its name.
    pub busy: &'a BTreeMap<String, &'static str>,
    /// When to try again and when to give up.
    pub policy: Policy,
    /// The time.
    pub now: DateTime<Utc>,
}

/// One decision for each installed container, in start order. The same input gives the same plan.
#[must_use]
pub fn plan(input: &PlanInput<'_>) -> Vec<Decision> {
    let mut by_name: Vec<Installed<'_>> = input.installed.to_vec();
    by_name.sort_by(|one, other| one.manifest.name.cmp(&other.manifest.name));
    by_name.dedup_by(|one, other| one.manifest.name == other.manifest.name);
    let manifests: Vec<&ContainerManifest> =
        by_name.iter().map(|installed| installed.manifest).collect();
    // Decided in the order of the names, in which all that is read lies in memory, and then put into start order.
    let mut decisions: Vec<Option<Decision>> = by_name
        .iter()
        .zip(joined(&by_name, input.statuses))
        .map(|(installed, status)| Some(decide(input, &by_name, *installed, status)))
        .collect();
    order_of_sorted(&manifests)
        .into_iter()
        .filter_map(|index| decisions[index].take())
        .collect()
}

/// What podman says of each installed container, in their order. Both sides are sorted by name: one walk, no lookups.
fn joined<'a>(
    by_name: &[Installed<'_>],
    statuses: &'a BTreeMap<String, ContainerStatus>,
) -> Vec<Option<&'a ContainerStatus>> {
    let mut rest = statuses.iter().peekable();
    let status_of = |installed: &Installed<'_>| {
        let wanted = installed.manifest.name.as_str();
        while let Some((name, status)) = rest.peek() {
            match name.as_str().cmp(wanted) {
                Ordering::Less => drop(rest.next()),
                Ordering::Equal => return Some(*status),
                Ordering::Greater => return None,
            }
        }
        None
    };
    by_name.iter().map(status_of).collect()
}

/// The installed container of that name; `by_name` is sorted.
fn installed<'a>(by_name: &[Installed<'a>], name: &str) -> Option<Installed<'a>> {
    let found = by_name.binary_search_by(|installed| installed.manifest.name.as_str().cmp(name));
    found.ok().map(|index| by_name[index])
}

/// What a container needs, apart from whether it may have it now.
enum Need {
    Nothing(Cow<'static, str>),
    /// Nothing until then.
    Later(Cow<'static, str>, DateTime<Utc>),
    Act(Action, Cow<'static, str>),
}

fn decide(
    input: &PlanInput<'_>,
    by_name: &[Installed<'_>],
    this: Installed<'_>,
    status: Option<&ContainerStatus>,
) -> Decision {
    let name = this.manifest.name.as_str();
    let decision = |action, reason: Cow<'static, str>, until| Decision {
        container: name.to_owned(),
        package: this.package.to_owned(),
        action,
        reason,
        until,
    };
    if let Some(operation) = input.busy.get(this.package) {
        return decision(
            Action::Skip,
            format!("{operation} is under way").into(),
            None,
        );
    }
    if input.user_stopped.contains(this.package) {
        return decision(Action::Skip, "the user stopped it".into(), None);
    }
    let none = RestartHistory::default();
    // Most containers run, and need none.
    let history = || input.tracker.history(name).unwrap_or(&none);
    let policy = input.policy;
    let (action, reason) = match need(input, this, status) {
        Need::Nothing(reason) => return decision(Action::Skip, reason, None),
        Need::Later(reason, until) => {
            // Nothing comes of an earlier look where the next attempt is not due then.
            let due = next_attempt(history(), policy).map_or(until, |due| due.max(until));
            return decision(Action::Wait, reason, Some(due));
        }
        Need::Act(action, reason) => (action, reason),
    };
    if let Some(reason) = awaited(input, by_name, this.manifest) {
        return decision(Action::Wait, reason.into(), None);
    }
    let history = history();
    if history.attempts >= policy.max_attempts {
        return match (history.gave_up, history.last_attempt) {
            (None, _) => decision(
                Action::Notify,
                format!("gave up after {} attempts: {reason}", history.attempts).into(),
                history.last_attempt.map(|last| last + policy.slow_lane),
            ),
            (Some(_), Some(last)) if !has_passed(last, policy.slow_lane, input.now) => decision(
                Action::Skip,
                format!("gave up: {reason}").into(),
                Some(last + policy.slow_lane),
            ),
            (Some(_), _) => decision(action, format!("slow lane: {reason}").into(), None),
        };
    }
    if let Some(last) = history.last_attempt
        && !has_passed(last, policy.interval, input.now)
    {
        let next = history.attempts + 1;
        return decision(
            Action::Wait,
            format!(
                "{reason}; attempt {next} of {} is not due yet",
                policy.max_attempts
            )
            .into(),
            Some(last + policy.interval),
        );
    }
    decision(action, reason, None)
}

/// When the next attempt may be made; `None` where there was none yet, or where giving up comes first.
fn next_attempt(history: &RestartHistory, policy: Policy) -> Option<DateTime<Utc>> {
    let pause = match (history.attempts >= policy.max_attempts, history.gave_up) {
        (false, _) => policy.interval,
        (true, Some(_)) => policy.slow_lane,
        (true, None) => return None,
    };
    history.last_attempt.map(|last| last + pause)
}

fn need(input: &PlanInput<'_>, this: Installed<'_>, status: Option<&ContainerStatus>) -> Need {
    let name = this.manifest.name.as_str();
    let Some(status) = status else {
        return Need::Act(Action::Recreate, "the container is gone".into());
    };
    if input.dead.contains(name) {
        return Need::Act(
            Action::Recreate,
            "podman says it runs, and its process is gone".into(),
        );
    }
    match &status.state {
        ContainerState::Running if status.health == Some(Health::Unhealthy) => {
            Need::Act(Action::Restart, "it is unhealthy".into())
        }
        ContainerState::Running => Need::Nothing("it runs".into()),
        ContainerState::Paused => Need::Nothing("it is paused".into()),
        ContainerState::Removing => Need::Nothing("it is being removed".into()),
        // A state of a later podman: better left alone than treated as what it is not.
        ContainerState::Unknown(word) => {
            Need::Nothing(format!("podman calls it `{word}`, a state not known here").into())
        }
        ContainerState::Created | ContainerState::Initialized => {
            Need::Act(Action::Start, "it was made and does not run".into())
        }
        ContainerState::Stopping => stopping(input, this),
        ContainerState::Stopped | ContainerState::Exited if done(this.manifest, status) => {
            Need::Nothing("it ran once and is done".into())
        }
        ContainerState::Stopped => match status.finished_at {
            Some(at) if !has_passed(at, TIDIES_UP_WITHIN, input.now) => Need::Later(
                format!(
                    "it ended with exit code {}, and podman is not done with it",
                    status.exit_code
                )
                .into(),
                at + TIDIES_UP_WITHIN,
            ),
            Some(_) | None => ended(status),
        },
        ContainerState::Exited => ended(status),
    }
}

/// So long after the end of a container podman may still be tidying up, and start it again by its own restart policy: two
/// starts at once would make of the policy's quick retries attempts of the monitor.
const TIDIES_UP_WITHIN: TimeDelta = TimeDelta::seconds(2);

fn ended(status: &ContainerStatus) -> Need {
    Need::Act(
        Action::Restart,
        format!("it ended with exit code {}", status.exit_code).into(),
    )
}

/// `stopping` lasts for ever when the `podman stop` client was killed; a second stop ends it (measured: 4.3.1, 5.4.2 and 5.8.6).
fn stopping(input: &PlanInput<'_>, this: Installed<'_>) -> Need {
    let limit = TimeDelta::from_std(this.manifest.stop_grace()).unwrap_or(TimeDelta::MAX / 2)
        + TimeDelta::seconds(30);
    let since = input
        .tracker
        .history(&this.manifest.name)
        .and_then(|history| history.stopping_since);
    match since {
        Some(since) if has_passed(since, limit, input.now) => Need::Act(
            Action::Restart,
            "it is being stopped for longer than its grace".into(),
        ),
        Some(_) | None => Need::Nothing("somebody is stopping it".into()),
    }
}

fn done(manifest: &ContainerManifest, status: &ContainerStatus) -> bool {
    manifest.one_shot
        && status.exit_code == 0
        && status.finished_at.is_some()
        && matches!(
            status.state,
            ContainerState::Stopped | ContainerState::Exited
        )
}

/// Why a container must wait for its dependencies; `None` when all of them serve.
fn awaited(
    input: &PlanInput<'_>,
    by_name: &[Installed<'_>],
    manifest: &ContainerManifest,
) -> Option<String> {
    manifest.needs().find_map(|need| {
        let mut waits = None;
        for dependency in need {
            // Of several, those that are installed: usually one.
            let Some(other) = installed(by_name, dependency) else {
                continue;
            };
            if serves(
                other.manifest,
                input.statuses.get(dependency),
                input.dead.contains(dependency),
            ) {
                return None;
            }
            waits.get_or_insert_with(|| {
                if input.user_stopped.contains(other.package) {
                    format!("waits for `{dependency}`, which the user stopped")
                } else {
                    format!("waits for `{dependency}`")
                }
            });
        }
        Some(waits.unwrap_or_else(|| match need {
            [dependency] => format!("waits for `{dependency}`, which is not installed"),
            several => format!(
                "waits for one of `{}`, none of which is installed",
                several.join("`, `")
            ),
        }))
    })
}

/// Whether dependents of a container may start: it runs, and is healthy where it has a check; where it is to run
/// once, it did, and ended with 0.
#[must_use]
pub fn serves(manifest: &ContainerManifest, status: Option<&ContainerStatus>, dead: bool) -> bool {
    let Some(status) = status else { return false };
    if manifest.one_shot {
        return done(manifest, status);
    }
    if status.state != ContainerState::Running || dead {
        return false;
    }
    match status.health {
        Some(Health::Healthy) => true,
        Some(Health::Starting | Health::Unhealthy) => false,
        // Without an answer yet, only a container without a check of ours is taken as good.
        None => manifest.health.is_none(),
    }
}
