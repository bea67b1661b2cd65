//! Two event logs: what happened to each thing, in its order.
//!
//! podman's processes write the log side by side, so its order is no order of time and differs from run to run. What
//! happened to one container is compared in the order of its times; what happened to two is not ordered between them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::divergence::Differs;
use super::json::Documents;
use super::normal::{Given, normal};

/// What the same case has on one run and not on the next: a stop and podman's own cleaning up after the end run side by side,
/// and whoever comes first writes the event. `died`, between them, is always there.
pub(super) const UNSTEADY: &[&str] = &["stop", "cleanup"];

/// Compares all events of two logs.
pub(super) fn compare(documents: &mut Documents<'_>, real: &[Value], mock: &[Value]) {
    let real = by_thing(real, documents.real);
    let mock = by_thing(mock, documents.mock);
    let none = Vec::new();
    let things = real
        .keys()
        .chain(mock.keys().filter(|thing| !real.contains_key(*thing)));
    for thing in things {
        let (real, mock) = (
            real.get(thing).unwrap_or(&none),
            mock.get(thing).unwrap_or(&none),
        );
        let (one, other) = (line(real), line(mock));
        if one != other {
            let what = format!("events of {thing}");
            documents.differ.push(Differs::new(what, one, other));
            continue;
        }
        for (index, (real, mock)) in real.iter().zip(mock).enumerate() {
            let status = word(real, "Status");
            let at = format!("event {} of {thing}, {status}: ", index + 1);
            documents.compare(&at, real, mock);
        }
    }
}

fn by_thing<'a>(events: &'a [Value], given: &Given) -> BTreeMap<String, Vec<&'a Value>> {
    let mut things: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let is_steady =
        |event: &&Value| !UNSTEADY.contains(&word(event, "Status")) && !is_lost_by_4_3_1(event);
    for event in events.iter().filter(is_steady) {
        let name = match word(event, "Name") {
            // A container that is called so; elsewhere it is a state that is soon another.
            "stopped" => "stopped".to_owned(),
            name => normal(name, given).text,
        };
        let thing = format!("{} {name}", word(event, "Type"));
        things.entry(thing).or_default().push(event);
    }
    for (thing, events) in &mut things {
        if thing.starts_with("container ") {
            events.sort_by_key(|event| time(event));
            *events = steady_ends(events);
        } else {
            events.sort_by_key(|event| word(event, "Status"));
        }
    }
    things
}

/// podman 4.3.1 writes what happened to images in passing, and ends before that is written where it has nothing else to do:
/// always where the command is refused then, and now and then where it is not.
fn is_lost_by_4_3_1(event: &Value) -> bool {
    word(event, "Type") == "image"
        && ["pull", "untag", "remove"].contains(&word(event, "Status"))
        && event["Time"].is_string()
}

/// The end of an exec right behind its beginning, and once: podman writes it once or twice, and now or a bit later.
fn steady_ends<'a>(events: &[&'a Value]) -> Vec<&'a Value> {
    let is_end = |event: &&&Value| word(event, "Status") == "exec_died";
    let mut used = vec![false; events.len()];
    let mut steady = Vec::new();
    for (at, event) in events
        .iter()
        .enumerate()
        .filter(|(_, event)| !is_end(event))
    {
        steady.push(*event);
        if word(event, "Status") == "exec" {
            let mut later = (at + 1..events.len()).filter(|at| is_end(&&events[*at]) && !used[*at]);
            if let Some(end) = later.next() {
                used[end] = true;
                steady.push(events[end]);
            }
        }
    }
    steady
}

/// One of the two; RFC 3339 of one zone sorts as its times do, where fractions are of one length.
fn time(event: &Value) -> (i64, String) {
    let nano = event["timeNano"].as_i64().unwrap_or_default();
    let text = word(event, "Time").trim_end_matches('Z');
    let (second, fraction) = text.split_once('.').unwrap_or((text, ""));
    (nano, format!("{second}.{fraction:0<9}"))
}

fn word<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

fn line(events: &[&Value]) -> String {
    let words: Vec<&str> = events.iter().map(|event| word(event, "Status")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{line, steady_ends};

    fn steady(statuses: &str) -> String {
        let events: Vec<Value> = statuses
            .split(' ')
            .map(|status| json!({ "Status": status }))
            .collect();
        line(&steady_ends(&events.iter().collect::<Vec<_>>()))
    }

    #[test]
    fn the_end_of_an_exec_counts_once_and_at_its_beginning() {
        let expected = "start, exec, exec_died, died";
        assert_eq!(steady("start exec exec_died died"), expected);
        assert_eq!(steady("start exec exec_died exec_died died"), expected);
        assert_eq!(steady("start exec died exec_died exec_died"), expected);
        // One that never ends is another thing.
        assert_eq!(steady("start exec died"), "start, exec, died");
    }
}
