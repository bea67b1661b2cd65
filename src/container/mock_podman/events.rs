//! `events`: podman's event log, followed.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::{Order, option};
use super::container::{Container, News};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::thing::Thing;
use super::{MockPodman, read};
use crate::container::status::has_label;

/// An entry of the event log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Logged {
    /// What happened to a container.
    Event {
        at: DateTime<Utc>,
        id: String,
        name: String,
        image: String,
        labels: BTreeMap<String, String>,
        news: News,
    },
    /// What happened to something else.
    Thing { at: DateTime<Utc>, thing: Thing },
    /// A line that a test wrote.
    Line(String),
}

impl Logged {
    pub(super) fn new(at: DateTime<Utc>, container: &Container, news: News) -> Self {
        Self::Event {
            at,
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            labels: container.labels.clone(),
            news,
        }
    }

    pub(super) fn raw(line: &str) -> Self {
        Self::Line(line.to_owned())
    }

    fn passes(&self, wanted: &[(String, String)]) -> bool {
        match self {
            Self::Line(_) => true,
            Self::Thing { thing, .. } => wanted.iter().all(|(key, value)| thing.passes(key, value)),
            Self::Event {
                id,
                name,
                labels,
                news,
                ..
            } => wanted.iter().all(|(key, value)| match key.as_str() {
                "type" => value == "container",
                "label" => has_label(labels, value),
                "event" => *value == news.status,
                "container" => value == name || id.starts_with(value),
                _ => false,
            }),
        }
    }

    fn render(&self, is_4: bool) -> String {
        let (at, id, name, image, labels, news) = match self {
            Self::Line(line) => return line.clone(),
            Self::Thing { at, thing } => {
                let mut event = thing.document();
                put_time(&mut event, *at, is_4);
                return event.to_string();
            }
            Self::Event {
                at,
                id,
                name,
                image,
                labels,
                news,
            } => (at, id, name, image, labels, news),
        };
        let mut event = json!({
            "ID": id,
            "Image": image,
            "Name": name,
            "Status": news.status,
            "Type": "container",
            "Attributes": labels,
        });
        put_time(&mut event, *at, is_4);
        // podman 4.3 leaves out a 0.
        if let Some(code) = news.exit_code.filter(|code| !is_4 || *code != 0) {
            event["ContainerExitCode"] = json!(code);
        }
        if let Some(word) = news.health {
            event["health_status"] = json!(word.as_str());
        }
        event.to_string()
    }
}

fn put_time(event: &mut Value, at: DateTime<Utc>, is_4: bool) {
    if is_4 {
        event["Time"] = json!(at.to_rfc3339_opts(SecondsFormat::Nanos, true));
    } else {
        event["time"] = json!(at.timestamp());
        event["timeNano"] = json!(at.timestamp_nanos_opt());
    }
}

/// `podman events --format json`: what happens from now on, for ever. A test can end it.
pub(super) async fn follow(
    mock: &MockPodman,
    args: &[&str],
    on_line: &mut (dyn FnMut(String) + Send),
) -> Answer {
    let flags = [option("format", None), option("filter", None)];
    let parsed = read("events", args, &flags, Order::Mixed)?;
    if parsed.last("format") != Some("json") || !parsed.operands.is_empty() {
        return Err(not_implemented(format!(
            "`podman events {}`",
            args.join(" ")
        )));
    }
    let wanted: Vec<(String, String)> = parsed
        .all("filter")
        .map(|filter| match filter.split_once('=') {
            Some((key @ ("type" | "label" | "event" | "container"), value)) => {
                Ok((key.to_owned(), value.to_owned()))
            }
            _ => Err(not_implemented(format!(
                "`podman events --filter {filter}`"
            ))),
        })
        .collect::<Result<_, Refused>>()?;
    let (mut next, streams, refuses) =
        mock.with(|state, _| (state.log.len(), state.streams, state.faults.no_events));
    if refuses {
        return Err(refuse(125, "mock_podman was told to refuse events"));
    }
    loop {
        let news = |state: &State| {
            let lines: Vec<String> = state.log[next.min(state.log.len())..]
                .iter()
                .filter(|event| event.passes(&wanted))
                .map(|event| event.render(state.is_4()))
                .collect();
            let has_ended = state.streams != streams;
            (next != state.log.len() || has_ended).then_some((state.log.len(), lines, has_ended))
        };
        let Some((end, lines, has_ended)) = mock.wait_for(None, news).await? else {
            // Without a deadline it only ends with an answer.
            continue;
        };
        next = end;
        lines.into_iter().for_each(&mut *on_line);
        if has_ended {
            return Ok(Reply::silent());
        }
    }
}
