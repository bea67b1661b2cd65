//! `archipelago notifications`.

use serde_json::json;

use super::connection::{Connection, read};
use super::table::{Cell, render};
use super::view::Notification;
use super::{CliError, colour, output};

/// Shows what the daemon had to tell.
pub(super) async fn notifications(connection: &Connection) -> Result<(), CliError> {
    let answer = connection.ask("system.notifications", json!({})).await?;
    if connection.as_json {
        return output::json(&answer);
    }
    let notifications: Vec<Notification> = read("system.notifications", answer)?;
    output::text(&table(&notifications, colour::is_wanted()))
}

/// One line a notification. Pure.
fn table(notifications: &[Notification], in_colour: bool) -> String {
    if notifications.is_empty() {
        return "the daemon has nothing to tell\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = notifications.iter().map(row).collect();
    render(&["WHEN", "SEVERITY", "ABOUT", "WHAT"], &rows, in_colour)
}

/// The cells of one notification.
fn row(notification: &Notification) -> Vec<Cell> {
    let about = notification.container.as_ref();
    let about = about.or(notification.package.as_ref());
    vec![
        Cell::new(
            notification
                .at
                .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        ),
        Cell::coloured(
            &notification.severity,
            Some(colour_of(&notification.severity)),
        ),
        Cell::new(about.map_or("", String::as_str)),
        Cell::new(&notification.text),
    ]
}

fn colour_of(severity: &str) -> &'static str {
    match severity {
        "error" => "red",
        "warning" => "amber",
        // `info`, and what a later daemon may add.
        _ => "grey",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_the_nearest_thing_it_is_about() {
        let notifications: Vec<Notification> = serde_json::from_value(json!([
            { "id": 2, "at": "2026-01-02T03:04:05.678Z", "severity": "error", "package": "mempool",
              "container": "mempool-db", "text": "gave up after 10 attempts" },
            { "id": 1, "at": "2026-01-02T03:04:00Z", "severity": "info", "package": "files", "container": null,
              "text": "updated" },
        ]))
        .expect("notifications");
        assert_eq!(
            table(&notifications, false),
            "\
WHEN                  SEVERITY  ABOUT       WHAT
2026-01-02T03:04:05Z  error     mempool-db  gave up after 10 attempts
2026-01-02T03:04:00Z  info      files       updated
"
        );
        assert!(table(&notifications, true).contains("\x1b[31merror\x1b[0m"));
    }
}
