//! podman's event stream: what happens to containers, while it happens.

use std::time::Duration;

use hyper::Method;
use serde::Deserialize;

use super::{Call, Podman, PodmanError};
use crate::container::runtime::{OutputLine, OutputStream};
use crate::container::socket::rest;
use crate::container::status::Health;

/// A stream has no end of its own; the command is started anew once a year.
const FOR_EVER: Duration = Duration::from_secs(365 * 86400);

/// Something that happened to a container. It says "look": what is the case is read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The container's name.
    pub name: String,
    /// podman's word: `create`, `start`, `died`, `cleanup`, `remove`, `health_status` …
    pub status: String,
    /// For `health_status`: what podman says it is. podman 4.3 gives the word before the check.
    pub health: Option<Health>,
}

/// What comes over a stream of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventNews {
    /// It stands: what happens from now on is told. The command line does not say so; there it comes when the command is
    /// started, which needs a moment.
    Following,
    /// Something happened.
    Event(ContainerEvent),
}

impl Podman {
    /// Follows what happens to containers until podman ends the stream; over the socket where it answers. Lines that cannot
    /// be read are logged and left out.
    ///
    /// # Errors
    /// As every command.
    pub async fn follow(
        &self,
        on_news: &mut (dyn FnMut(EventNews) + Send),
    ) -> Result<(), PodmanError> {
        if let Some(socket) = &self.socket {
            let mut has_begun = false;
            let mut on_line = |line: Option<&str>| match line {
                None => {
                    has_begun = true;
                    on_news(EventNews::Following);
                }
                Some(line) => read(line, on_news),
            };
            let result = socket
                .lines(Method::GET, &rest::events(), &mut on_line)
                .await;
            socket.note(&result);
            if has_begun {
                if let Err(error) = result {
                    tracing::debug!(error = crate::chain::chain(&error), "events ended");
                }
                return Ok(());
            }
        }
        let call =
            Call::new(["events", "--format=json", "--filter=type=container"]).limit(FOR_EVER);
        on_news(EventNews::Following);
        let mut stderr = String::new();
        let mut on_line = |line: OutputLine| match line.stream {
            OutputStream::Stdout => read(&line.text, on_news),
            OutputStream::Stderr => stderr = line.text,
        };
        match self.run_by_line(&call, &mut on_line).await? {
            0 => Ok(()),
            code => Err(call.refused(&crate::container::runtime::CommandOutput {
                code,
                stdout: Vec::new(),
                stderr: stderr.into_bytes(),
            })),
        }
    }
}

fn read(line: &str, on_news: &mut (dyn FnMut(EventNews) + Send)) {
    if line.is_empty() {
        return;
    }
    match parse_event(line) {
        Ok(event) => on_news(EventNews::Event(event)),
        Err(error) => {
            const SHOWN: usize = 200;
            let line: String = line.chars().take(SHOWN).collect();
            tracing::warn!(%error, line, "podman sent an event that cannot be read");
        }
    }
}

/// An event as the command line (4.3.1, 5.4.2, 5.8.6) or the socket writes it, which takes Docker's names.
#[derive(Deserialize)]
struct Written {
    #[serde(alias = "Status")]
    status: String,
    #[serde(rename = "Name")]
    name: Option<String>,
    #[serde(rename = "Actor")]
    actor: Option<Actor>,
    #[serde(alias = "HealthStatus", default)]
    health_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Actor {
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    name: Option<String>,
}

fn parse_event(line: &str) -> Result<ContainerEvent, serde_json::Error> {
    let written: Written = serde_json::from_str(line)?;
    let of_actor = written.actor.and_then(|actor| actor.attributes.name);
    Ok(ContainerEvent {
        // One without a name is nobody's.
        name: written.name.or(of_actor).unwrap_or_default(),
        status: written.status,
        health: written.health_status.as_deref().and_then(Health::from_word),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_each_podman_writes_on_either_way() {
        let event = |name: &str, status: &str, health| ContainerEvent {
            name: name.to_owned(),
            status: status.to_owned(),
            health,
        };
        for (line, expected) in [
            // 4.3.1, command line
            (
                r#"{"ID":"0b","Image":"x","Name":"h1","Status":"health_status","Time":"2026-11-25T01:33:41.808250791Z","Type":"container","health_status":"healthy","Attributes":{"io.archipelago.package":"x"}}"#,
                event("h1", "health_status", Some(Health::Healthy)),
            ),
            // 5.4.2, command line
            (
                r#"{"ContainerExitCode":137,"ID":"62","Image":"x","Name":"p1","Status":"died","time":1795570432,"timeNano":1795570432148197705,"Type":"container","Attributes":null}"#,
                event("p1", "died", None),
            ),
            // 4.3.1 and 5.8.6, socket
            (
                r#"{"status":"cleanup","id":"2d","from":"x","Type":"container","Action":"cleanup","Actor":{"ID":"2d","Attributes":{"containerExitCode":"0","image":"x","name":"p1","podId":""}},"scope":"local","time":1795571542,"timeNano":1795571542000000000}"#,
                event("p1", "cleanup", None),
            ),
            (
                r#"{"status":"health_status","id":"2d","Type":"container","Action":"health_status","Actor":{"ID":"2d","Attributes":{"name":"h1"}},"scope":"local","time":1,"timeNano":1,"HealthStatus":"unhealthy"}"#,
                event("h1", "health_status", Some(Health::Unhealthy)),
            ),
        ] {
            assert_eq!(parse_event(line).expect(line), expected);
        }
        for line in ["Error: x", "[]", "{}", r#"{"Status":1}"#] {
            assert!(parse_event(line).is_err(), "{line}");
        }
    }
}
