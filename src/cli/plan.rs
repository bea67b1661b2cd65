//! `archipelago plan`.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::connection::{Connection, read};
use super::table::{Cell, render};
use super::view::Decision;
use super::{CliError, colour, output, time};
use crate::clock::{Clock, SystemClock};

/// Asks what the monitor would do now.
pub(super) async fn plan(connection: &Connection) -> Result<(), CliError> {
    let plan = connection.ask("system.plan", json!({})).await?;
    if connection.as_json {
        return output::json(&plan);
    }
    let decisions: Vec<Decision> = read("system.plan", plan)?;
    output::text(&table(&decisions, SystemClock.now(), colour::is_wanted()))
}

/// One line a container, in start order. Pure.
fn table(decisions: &[Decision], now: DateTime<Utc>, in_colour: bool) -> String {
    if decisions.is_empty() {
        return "no container is installed; there is nothing to watch\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = decisions
        .iter()
        .map(|decision| {
            let due = decision.until.map(|due| time::until(due, now));
            vec![
                Cell::new(&decision.container),
                Cell::new(&decision.package),
                Cell::coloured(&decision.action, Some(colour_of(&decision.action))),
                Cell::new(due.unwrap_or_default()),
                Cell::new(&decision.reason),
            ]
        })
        .collect();
    render(
        &["CONTAINER", "PACKAGE", "ACTION", "LOOKS AGAIN", "WHY"],
        &rows,
        in_colour,
    )
}

fn colour_of(action: &str) -> &'static str {
    match action {
        "start" | "restart" | "recreate" => "blue",
        "wait" => "amber",
        "notify" => "red",
        // `skip`, and what a later daemon may add.
        _ => "grey",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_has_its_action_and_its_reason() {
        let decisions: Vec<Decision> = serde_json::from_value(json!([
            { "container": "db", "package": "mempool", "action": "restart", "reason": "it ended with exit code 1", "until": null },
            { "container": "api", "package": "mempool", "action": "wait", "reason": "waits for `db`", "until": null },
            { "container": "web", "package": "mempool", "action": "wait",
              "reason": "it ended with exit code 2; attempt 3 of 10 is not due yet", "until": "1970-01-01T00:02:00Z" },
        ]))
        .expect("a plan");
        assert_eq!(
            table(&decisions, DateTime::UNIX_EPOCH, false),
            "\
CONTAINER  PACKAGE  ACTION   LOOKS AGAIN  WHY
db         mempool  restart               it ended with exit code 1
api        mempool  wait                  waits for `db`
web        mempool  wait     in 2 min     it ended with exit code 2; attempt 3 of 10 is not due yet
"
        );
        let painted = table(&decisions, DateTime::UNIX_EPOCH, true);
        assert!(painted.contains("\x1b[34mrestart\x1b[0m"), "{painted}");
        assert!(painted.contains("\x1b[33mwait\x1b[0m"), "{painted}");
    }
}
