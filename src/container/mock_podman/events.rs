//! `events`: podman's event log, followed.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::{Flag, Order, Parsed, option, switch};
use super::container::{Container, News};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::template::{Kind, Subject, Template};
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

    /// When it was; a line that a test wrote has no time.
    fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Event { at, .. } | Self::Thing { at, .. } => Some(*at),
            Self::Line(_) => None,
        }
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

/// Which events somebody wants to see, and how.
struct Wanted {
    filters: Vec<(String, String)>,
    shape: Shape,
    is_4: bool,
}

enum Shape {
    Json,
    Template(Template),
    /// podman's own line for people.
    Line,
}

impl Wanted {
    fn of(parsed: &Parsed, is_4: bool) -> Result<Self, Refused> {
        let mut filters = Vec::new();
        for filter in parsed.all("filter") {
            let key = filter.split('=').next().unwrap_or(filter);
            match filter.split_once('=') {
                Some((
                    key @ ("type" | "label" | "event" | "container" | "image" | "volume"
                    | "network"),
                    value,
                )) => {
                    filters.push((key.to_owned(), value.to_owned()));
                }
                _ if matches!(key, "pod" | "label!" | "until" | "since") => {
                    return Err(not_implemented(format!(
                        "`podman events --filter {filter}`"
                    )));
                }
                // podman 4.3 then shows nothing, and says nothing.
                _ if is_4 => filters.push(("nothing".to_owned(), String::new())),
                _ => {
                    return Err(refuse(
                        125,
                        format!("failed to parse event filters: {key} is an invalid filter"),
                    ));
                }
            }
        }
        let shape = match parsed.last("format") {
            None | Some("") => Shape::Line,
            Some("json") => Shape::Json,
            Some(format) => Shape::Template(Template::parse(format).map_err(|error| {
                not_implemented(format!(
                    "`podman events` with the format `{format}`: {error:?}"
                ))
            })?),
        };
        Ok(Self {
            filters,
            shape,
            is_4,
        })
    }

    /// The event as a line, if it is wanted.
    fn line(&self, event: &Logged) -> Option<Result<String, Refused>> {
        // Values of one key are alternatives, but all labels must be there.
        let passes = self.filters.iter().all(|(key, value)| {
            let one = |value: &str| event.passes(&[(key.clone(), value.to_owned())]);
            if key == "label" {
                one(value)
            } else {
                let mut values = self.filters.iter().filter(|(other, _)| other == key);
                values.any(|(_, value)| one(value))
            }
        });
        passes.then(|| match &self.shape {
            Shape::Json => Ok(event.render(self.is_4)),
            Shape::Template(template) => {
                let document = serde_json::from_str(&event.render(self.is_4)).unwrap_or_default();
                template.render(&Row(document)).map_err(|error| {
                    not_implemented(format!("this format of `podman events`: {error:?}"))
                })
            }
            Shape::Line => Err(not_implemented("`podman events` without `--format`")),
        })
    }
}

struct Row(Value);

impl Subject for Row {
    fn document(&self) -> &Value {
        &self.0
    }

    fn method(&self, name: &str, _: &[Value]) -> Option<Value> {
        match name {
            "Name" | "Image" | "ID" | "Network" => {
                let key = if name == "Network" { "network" } else { name };
                Some(self.0.get(key).cloned().unwrap_or_else(|| json!("")))
            }
            _ => None,
        }
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "Attributes" => Kind::Map,
            _ => Kind::Plain,
        }
    }
}

/// A time of `--since` (`before`) or `--until`: RFC 3339, or how long before, or after, now.
fn moment(text: &str, now: DateTime<Utc>, before: bool) -> Result<DateTime<Utc>, Refused> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let span = units.iter().find_map(|(unit, millis)| {
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        TimeDelta::try_milliseconds(number.checked_mul(*millis)?)
    });
    match span {
        Some(span) if before => Ok(now - span),
        Some(span) => Ok(now + span),
        None => Err(not_implemented(format!(
            "the time `{text}` of `podman events`"
        ))),
    }
}

const FLAGS: &[Flag] = &[
    option("format", None),
    option("filter", Some('f')),
    option("since", None),
    option("until", None),
    switch("stream", None),
    switch("no-trunc", None),
];

/// `podman events`: what has happened, where `--since` or `--until` ask for it, and what happens from now on: until then, or
/// for ever, unless `--stream=false`. A test can end it.
pub(super) async fn follow(
    mock: &MockPodman,
    args: &[&str],
    on_line: &mut (dyn FnMut(String) + Send),
) -> Answer {
    let parsed = read("events", args, FLAGS, Order::Mixed)?;
    let now = mock.now();
    let since = parsed
        .last("since")
        .map(|text| moment(text, now, true))
        .transpose()?;
    let until = parsed
        .last("until")
        .map(|text| moment(text, now, false))
        .transpose()?;
    let streams_on = parsed.last("stream").is_none_or(|word| word != "false");
    let is_history = since.is_some() || until.is_some() || !streams_on;
    let (mut next, streams, refuses, wanted) = mock.with(|state, _| {
        let begin = if is_history { 0 } else { state.log.len() };
        let wanted = Wanted::of(&parsed, state.is_4());
        (begin, state.streams, state.faults.no_events, wanted)
    });
    let wanted = wanted?;
    if refuses {
        return Err(refuse(125, "mock_podman was told to refuse events"));
    }
    let is_in_time = |event: &Logged| {
        event.at().is_none_or(|at| {
            since.is_none_or(|since| since <= at) && until.is_none_or(|until| at <= until)
        })
    };
    let lines = |log: &[Logged]| -> Result<Vec<String>, Refused> {
        let wanted = log
            .iter()
            .filter(|event| is_in_time(event))
            .filter_map(|event| wanted.line(event));
        wanted.collect()
    };
    if !streams_on {
        let lines = mock.with(|state, _| lines(&state.log))?;
        return Ok(Reply::stdout(
            lines.into_iter().map(|line| line + "\n").collect(),
        ));
    }
    loop {
        let news = |state: &State| {
            let lines = lines(&state.log[next.min(state.log.len())..]);
            let has_ended = state.streams != streams;
            (next != state.log.len() || has_ended).then_some((state.log.len(), lines, has_ended))
        };
        let Some((end, lines, has_ended)) = mock.wait_for(until, news).await? else {
            // Its time is over.
            return Ok(Reply::silent());
        };
        next = end;
        lines?.into_iter().for_each(&mut *on_line);
        if has_ended {
            return Ok(Reply::silent());
        }
    }
}
