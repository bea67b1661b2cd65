//! `archipelago events`: the daemon's event stream, a line an event.

mod sse;

use serde_json::{Value, json};

use super::connection::Connection;
use super::table::one_line;
use super::{CliError, output};
use crate::client::ClientError;

/// Prints events until Ctrl-C, or until the daemon ends.
pub(super) async fn events(connection: &Connection) -> Result<(), CliError> {
    let mut stream = connection.client.open("/events").await?;
    let mut parser = sse::Parser::default();
    loop {
        let bytes = tokio::select! {
            bytes = stream.next() => bytes?,
            pressed = tokio::signal::ctrl_c() => {
                return pressed.map_err(|source| CliError::System { doing: "listen for Ctrl-C", source });
            }
        };
        let Some(bytes) = bytes else { return Ok(()) };
        for event in parser.feed(&bytes) {
            let data: Value = serde_json::from_str(&event.data)
                .map_err(|source| ClientError::Unreadable { source })?;
            if connection.as_json {
                output::text(&format!(
                    "{}\n",
                    json!({ "event": event.name, "data": data })
                ))?;
            } else {
                output::text(&line(&event.name, &data))?;
            }
        }
    }
}

/// An event for people. Pure.
fn line(name: &str, data: &Value) -> String {
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let text = match name {
        "packages" => {
            let packages: Vec<String> = data
                .as_array()
                .into_iter()
                .flatten()
                .map(|package| format!("{} {}", word(&package["id"]), word(&package["state"])))
                .collect();
            if packages.is_empty() {
                "none is installed".to_owned()
            } else {
                packages.join(", ")
            }
        }
        "operation" => {
            let end = match data["error"].as_str() {
                Some(error) => error,
                None => data["step"].as_str().unwrap_or_default(),
            };
            format!(
                "{} {} {} {}: {end}",
                data["id"],
                word(&data["kind"]),
                word(&data["package"]),
                word(&data["state"])
            )
        }
        "health" => match data["podman_error"].as_str() {
            Some(error) => format!("{}: {error}", word(&data["status"])),
            None => word(&data["status"]),
        },
        "notification" => format!("{}: {}", word(&data["severity"]), word(&data["text"])),
        // What a later daemon may add.
        _ => data.to_string(),
    };
    format!("{name}: {}\n", one_line(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let packages =
            json!([{ "id": "a", "state": "running" }, { "id": "b", "state": "stopped" }]);
        assert_eq!(
            line("packages", &packages),
            "packages: a running, b stopped\n"
        );
        let operation = json!({
            "id": 3, "kind": "install", "package": "a", "state": "running", "step": "pulling x", "error": null,
        });
        assert_eq!(
            line("operation", &operation),
            "operation: 3 install a running: pulling x\n"
        );
        let health = json!({ "status": "podman failed", "podman_error": "no such file" });
        assert_eq!(
            line("health", &health),
            "health: podman failed: no such file\n"
        );
        let notification = json!({ "severity": "error", "text": "gave up\non it" });
        assert_eq!(
            line("notification", &notification),
            "notification: error: gave up on it\n"
        );
    }
}
