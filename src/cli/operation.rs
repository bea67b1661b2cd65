//! Commands that change something: begun at the daemon, followed until they end. Ctrl-C asks the daemon to cancel, a
//! second one leaves.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::connection::{Connection, read};
use super::progress::Display;
use super::table::{Cell, render};
use super::view::Operation;
use super::{CliError, colour, output};
use crate::client::ClientError;

/// Between two looks at an operation.
const LOOK: Duration = Duration::from_millis(150);

/// Begins an operation and follows it to its end.
pub(super) async fn run(
    connection: &Connection,
    method: &'static str,
    mut params: Value,
) -> Result<(), CliError> {
    // Before it begins: Ctrl-C must not end this process while the daemon works on unseen.
    let mut interrupts = signal(SignalKind::interrupt()).map_err(|source| CliError::System {
        doing: "listen for Ctrl-C",
        source,
    })?;
    params["wait"] = json!(false);
    let begun = connection.ask(method, params).await?;
    let id: u64 = read(method, begun["operation"].clone())?;
    let mut display = Display::new(connection.as_json);
    let followed = follow(connection, id, &mut display, &mut interrupts).await;
    display.end();
    let answer = followed?;
    if connection.as_json {
        output::json(&answer)?;
    }
    let operation: Operation = read("operation.get", answer)?;
    let done = outcome(operation)?;
    if connection.as_json {
        Ok(())
    } else {
        output::text(&format!("{done}\n"))
    }
}

/// Looks at an operation until it has ended; its last `operation.get`.
async fn follow(
    connection: &Connection,
    id: u64,
    display: &mut Display,
    interrupts: &mut Signal,
) -> Result<Value, CliError> {
    let mut has_asked = false;
    loop {
        let answer = connection.ask("operation.get", json!({ "id": id })).await?;
        let operation: Operation = read("operation.get", answer.clone())?;
        if operation.has_ended() {
            return Ok(answer);
        }
        display.show(&operation);
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = interrupts.recv() => {
                if has_asked {
                    return Err(CliError::Interrupted { id });
                }
                has_asked = true;
                let asked = connection.ask("operation.cancel", json!({ "id": id })).await;
                display.say(&what_ctrl_c_did(asked.as_ref().err()));
            }
        }
    }
}

/// What is told after the first Ctrl-C. Pure.
fn what_ctrl_c_did(refused: Option<&ClientError>) -> String {
    match refused {
        None => "the daemon was asked to cancel; Ctrl-C again leaves without waiting".to_owned(),
        Some(error) => format!("{error}; it goes on, Ctrl-C again leaves it to the daemon"),
    }
}

/// The last line of an operation that succeeded, or why it did not. Pure.
fn outcome(operation: Operation) -> Result<String, CliError> {
    let Operation {
        kind,
        package,
        state,
        error,
        ..
    } = operation;
    match (state.as_str(), error) {
        ("succeeded", _) => Ok(format!("{} `{package}`", past(&kind))),
        ("cancelled", _) => Err(CliError::Cancelled { kind, package }),
        (_, error) => Err(CliError::OperationFailed {
            error: error.unwrap_or(state),
            kind,
            package,
        }),
    }
}

fn past(kind: &str) -> &str {
    match kind {
        "install" => "installed",
        "update" => "updated",
        "uninstall" => "uninstalled",
        "start" => "started",
        "stop" => "stopped",
        "restart" => "restarted",
        // What a later daemon may add.
        other => other,
    }
}

/// `archipelago operations`.
pub(super) async fn list(connection: &Connection, id: Option<u64>) -> Result<(), CliError> {
    let (method, params) = match id {
        Some(id) => ("operation.get", json!({ "id": id })),
        None => ("operation.list", json!({})),
    };
    let answer = connection.ask(method, params).await?;
    if connection.as_json {
        return output::json(&answer);
    }
    let operations: Vec<Operation> = match id {
        Some(_) => vec![read(method, answer)?],
        None => read(method, answer)?,
    };
    output::text(&table(&operations, colour::is_wanted()))
}

/// One line an operation. Pure.
fn table(operations: &[Operation], in_colour: bool) -> String {
    if operations.is_empty() {
        return "no operation since the daemon started\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = operations
        .iter()
        .map(|operation| {
            let colour = match operation.state.as_str() {
                "running" => "blue",
                "succeeded" => "green",
                "failed" => "red",
                // `cancelled`, and what a later daemon may add.
                _ => "grey",
            };
            vec![
                Cell::new(operation.id.to_string()),
                Cell::new(&operation.kind),
                Cell::new(&operation.package),
                Cell::coloured(&operation.state, Some(colour)),
                Cell::new(operation.error.as_deref().unwrap_or(&operation.step)),
            ]
        })
        .collect();
    render(
        &["ID", "OPERATION", "PACKAGE", "STATE", "STEP"],
        &rows,
        in_colour,
    )
}

/// `archipelago cancel`.
pub(super) async fn cancel(connection: &Connection, id: u64) -> Result<(), CliError> {
    let answer = connection
        .ask("operation.cancel", json!({ "id": id }))
        .await?;
    if connection.as_json {
        output::json(&answer)
    } else {
        output::text(&format!("operation {id} was asked to end\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::exit_code;
    use super::*;

    fn operation(value: Value) -> Operation {
        serde_json::from_value(value).expect("an operation")
    }

    fn ended(state: &str, error: Value) -> Operation {
        operation(json!({
            "id": 7, "kind": "install", "package": "files", "state": state, "step": "", "error": error,
        }))
    }

    #[test]
    fn each_end_has_its_words_and_its_code() {
        let words = outcome(ended("succeeded", Value::Null)).expect("a success");
        assert_eq!(words, "installed `files`");
        let failed = outcome(ended("failed", json!("no space left"))).expect_err("a failure");
        assert_eq!(
            failed.to_string(),
            "install of `files` failed: no space left"
        );
        assert_eq!(failed.exit_code(), exit_code::CALL_FAILED);
        let cancelled = outcome(ended("cancelled", Value::Null)).expect_err("no success");
        assert_eq!(cancelled.to_string(), "install of `files` was cancelled");
        assert_eq!(cancelled.exit_code(), exit_code::CANCELLED);
    }

    #[test]
    fn a_refused_cancel_is_told_with_its_reason() {
        let error = ClientError::Failed {
            error: json!({ "code": 1, "message": "it is past its pulls" }),
        };
        assert_eq!(
            what_ctrl_c_did(Some(&error)),
            "it is past its pulls; it goes on, Ctrl-C again leaves it to the daemon"
        );
    }

    #[test]
    fn operations_are_listed_with_step_or_error() {
        let operations = [
            operation(json!({
                "id": 2, "kind": "install", "package": "files", "state": "running", "step": "pulling x (1 of 2)",
                "progress": { "done": 1, "total": 2, "unit": "bytes" }, "error": null,
            })),
            operation(json!({
                "id": 1, "kind": "stop", "package": "lnd", "state": "failed", "step": "stopping", "error": "podman hangs",
            })),
        ];
        assert_eq!(
            table(&operations, false),
            "\
ID  OPERATION  PACKAGE  STATE    STEP
2   install    files    running  pulling x (1 of 2)
1   stop       lnd      failed   podman hangs
"
        );
    }
}
