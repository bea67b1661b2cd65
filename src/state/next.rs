//! What archipelago will do about a container, and when: a decision of [`plan`](crate::health_monitor::plan), for people.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::health_monitor::{Action, Decision};
use crate::restart_tracker::RestartHistory;

/// What happens next to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextStep {
    /// As `restart 3 of 10`, ``waits for `mempool-db` ``, `gave up after 10 attempts; next try`.
    pub text: String,
    /// When that is due: at once where it is past. Nothing where it depends on something else than time.
    pub due: Option<DateTime<Utc>>,
}

impl NextStep {
    /// The same at the same time, in other words.
    pub(super) fn with_text(&self, words: &dyn Fn(&str) -> String) -> Self {
        Self {
            text: words(&self.text),
            due: self.due,
        }
    }
}

/// What follows from a decision; nothing where the container is left alone.
pub(super) fn next_step(
    decision: &Decision,
    history: &RestartHistory,
    is_healing: bool,
    max_attempts: u32,
    now: DateTime<Utc>,
) -> Option<NextStep> {
    let step = |text: String, due| Some(NextStep { text, due });
    let given_up = || {
        format!(
            "gave up after {}; next try",
            counted(history.attempts.min(max_attempts))
        )
    };
    let restart = |number: u32| format!("restart {number} of {max_attempts}");
    match decision.action {
        // The attempt was counted before it was begun.
        Action::Skip if is_healing => {
            step(format!("{} is under way", restart(history.attempts)), None)
        }
        Action::Skip if decision.until.is_some() => step(given_up(), decision.until),
        Action::Skip => None,
        Action::Notify => step(given_up(), decision.until),
        Action::Wait if decision.until.is_some() && history.gave_up.is_some() => {
            step(given_up(), decision.until)
        }
        Action::Wait if decision.until.is_some() => {
            step(restart(history.attempts + 1), decision.until)
        }
        Action::Wait => step(decision.reason.to_string(), None),
        Action::Start | Action::Restart | Action::Recreate if history.gave_up.is_some() => {
            step(given_up(), Some(now))
        }
        Action::Start | Action::Restart | Action::Recreate => {
            step(restart(history.attempts + 1), Some(now))
        }
    }
}

fn counted(attempts: u32) -> String {
    match attempts {
        1 => "1 attempt".to_owned(),
        more => format!("{more} attempts"),
    }
}
