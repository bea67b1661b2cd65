//! Over what a real podman 5.4.2 printed: it agrees with itself, and with nothing that was changed.

use std::time::{Duration, Instant};

use super::*;
use crate::conformance::rules::{How, how};

fn recorded() -> Vec<Transcript> {
    serde_json::from_str(include_str!("compare_tests.json")).expect("they were recorded")
}

fn one(case: &str) -> Transcript {
    let all = recorded();
    let found = all.into_iter().find(|transcript| transcript.case == case);
    found.expect("it was recorded")
}

fn differ(real: &Transcript, mock: &Transcript) -> Vec<Divergence> {
    compare(real, mock, "5.4.2", &Exceptions::default())
}

/// All outcomes of commands, whatever their place.
fn outcomes(transcript: &mut Transcript) -> Vec<(Vec<String>, &mut Outcome)> {
    let argv = |step: &Step| match step {
        Step::Podman(argv) => Some(argv.clone()),
        _ => None,
    };
    let played = transcript
        .played
        .iter_mut()
        .filter_map(|played| Some((argv(&played.step)?, &mut played.outcome)));
    let looks = transcript.after.iter_mut().map(|(name, outcome)| {
        let (_, argv) = LOOKS.iter().find(|(look, _)| look == name).expect("a look");
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        (argv, outcome)
    });
    played.chain(looks).collect()
}

#[test]
fn a_podman_agrees_with_itself() {
    for transcript in recorded() {
        let found = differ(&transcript, &transcript);
        assert!(found.is_empty(), "{}", found[0]);
    }
}

#[test]
fn another_run_has_other_ids_and_times_and_agrees() {
    for transcript in recorded() {
        let mut other = transcript.clone();
        for (_, outcome) in outcomes(&mut other) {
            for text in [&mut outcome.stdout, &mut outcome.stderr] {
                *text = renamed_ids(text)
                    .replace("2026-11-27T00:2", "2031-02-03T04:1")
                    .replace("2026-11-27T00:3", "2031-02-03T04:2");
            }
        }
        assert_ne!(other, transcript);
        let found = differ(&transcript, &other);
        assert!(found.is_empty(), "{}", found[0]);
    }
}

/// Other digits in all ids, the same in all places.
fn renamed_ids(text: &str) -> String {
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| {
            let digits = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let is_id = matches!(digits.len(), 12 | 25 | 64)
                && digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !is_id {
                return word.to_owned();
            }
            let other = |c: char| match c {
                '0'..='9' => char::from(b'9' - (c as u8 - b'0')),
                'a'..='f' => char::from(b'f' - (c as u8 - b'a')),
                c => c,
            };
            word.chars().map(other).collect()
        })
        .collect()
}

#[test]
fn every_exit_code_counts() {
    for transcript in recorded() {
        let count = outcomes(&mut transcript.clone()).len();
        for index in 0..count {
            let mut other = transcript.clone();
            outcomes(&mut other)[index].1.code += 1;
            assert!(!differ(&transcript, &other).is_empty());
        }
    }
}

#[test]
fn every_line_counts() {
    for mut transcript in recorded() {
        for (argv, outcome) in outcomes(&mut transcript) {
            // Of which a test of its own takes each.
            if argv[0] == "events" && documents(&outcome.stdout).is_some() {
                continue;
            }
            let real = alone(&argv, outcome);
            for of_stdout in [true, false] {
                let mut other = outcome.clone();
                let text = if of_stdout {
                    &mut other.stdout
                } else {
                    &mut other.stderr
                };
                let without_last = text.lines().count().saturating_sub(1);
                let less: Vec<&str> = text.lines().take(without_last).collect();
                if text.is_empty() {
                    "something\n".clone_into(text);
                } else {
                    *text = less.join("\n");
                }
                let found = differ(&real, &alone(&argv, &other));
                assert!(!found.is_empty(), "{argv:?}");
            }
        }
    }
}

/// The ways to all leaves of a document, and the keys on them.
fn leaves(value: &Value, pointer: &str, keys: &[String], all: &mut Vec<(String, Vec<String>)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                let keys = [keys, std::slice::from_ref(key)].concat();
                leaves(value, &pointer, &keys, all);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                leaves(value, &format!("{pointer}/{index}"), keys, all);
            }
        }
        _ => all.push((pointer.to_owned(), keys.to_vec())),
    }
}

/// What a mock could say instead: another value of the same type, then another type.
fn others(value: &Value) -> Vec<Value> {
    let same = match value {
        Value::Null => Value::Bool(false),
        Value::Bool(is) => Value::Bool(!is),
        Value::Number(number) => (number.as_i64().unwrap_or_default() + 1).into(),
        Value::String(text) => format!("{text}x").into(),
        Value::Array(_) => Value::Null,
        Value::Object(_) => Value::Null,
    };
    let type_of = match value {
        Value::Number(number) => number.to_string().into(),
        _ => 4711.into(),
    };
    vec![same, type_of]
}

fn documents_differ(family: &str, real: &Value, mock: &Value) -> bool {
    let given = Given::default();
    let mut identities = Identities::default();
    let mut both = Documents::new(family, (&given, &given), &mut identities);
    if family == "events" {
        let list = |value: &Value| value.as_array().expect("a list").clone();
        events::compare(&mut both, &list(real), &list(mock));
    } else {
        both.compare("stdout", real, mock);
    }
    !both.differ.is_empty()
}

/// Whether this is of an event that comes and goes.
fn is_unsteady(family: &str, all: &Value, pointer: &str) -> bool {
    let first = pointer
        .split('/')
        .nth(1)
        .and_then(|index| index.parse::<usize>().ok());
    let status = first.and_then(|index| all[index]["Status"].as_str());
    family == "events" && status.is_some_and(|status| events::UNSTEADY.contains(&status))
}

/// A case of one command.
fn alone(argv: &[String], outcome: &Outcome) -> Transcript {
    Transcript {
        case: "alone::x".into(),
        played: vec![Played {
            step: Step::Podman(argv.to_vec()),
            outcome: outcome.clone(),
        }],
        after: Default::default(),
    }
}

#[test]
fn an_empty_log_lacks_what_the_other_has_but_for_what_podman_4_3_loses() {
    let argv: Vec<String> = ["events", "--format", "json"].map(str::to_owned).into();
    let log = |stdout: &str| Outcome {
        stdout: stdout.to_owned(),
        ..Outcome::default()
    };
    let found = |line: &str| differ(&alone(&argv, &log("")), &alone(&argv, &log(line)));
    let pull = "{\"Name\":\"x\",\"Status\":\"pull\",\"Time\":\"2026-11-27T00:20:31Z\",\"Type\":\"image\"}\n";
    assert!(found(pull).is_empty(), "{}", found(pull)[0]);
    let [lost] = &found(&pull.replace("pull", "tag"))[..] else {
        panic!("one event is one divergence");
    };
    assert_eq!(lost.what, "events of image x");
}

#[test]
fn every_leaf_of_every_document_counts() {
    let (mut values, mut types, mut keys_gone) = (0, 0, 0);
    // One of each kind.
    let mut seen = BTreeSet::new();
    for transcript in recorded() {
        let count = outcomes(&mut transcript.clone()).len();
        for index in 0..count {
            let mut copy = transcript.clone();
            let (argv, outcome) = outcomes(&mut copy).swap_remove(index);
            let like = outcome.stdout.clone();
            let Some(documents) = documents(&like) else {
                continue;
            };
            let family = rules::family(&argv);
            if !seen.insert(family.clone()) {
                continue;
            }
            let mut paths = Vec::new();
            let all = Value::Array(documents);
            leaves(&all, "", &[], &mut paths);
            let mut changed = all.clone();
            for (pointer, keys) in paths {
                if is_unsteady(&family, &all, &pointer) {
                    continue;
                }
                let leaf = all.pointer(&pointer).expect("it is there").clone();
                let how = (0..=keys.len()).find_map(|end| how(&family, &keys[..end]));
                for (other, is_value) in others(&leaf).into_iter().zip([true, false]) {
                    let is_free = matches!(how, Some(How::Kind | How::Type))
                        && (is_value || keys.iter().any(|key| key.contains("History")));
                    if is_free {
                        continue;
                    }
                    *changed.pointer_mut(&pointer).expect("it is there") = other.clone();
                    let found = documents_differ(&family, &all, &changed);
                    *changed.pointer_mut(&pointer).expect("it is there") = leaf.clone();
                    assert!(found, "{argv:?} {pointer}: {other} for {leaf}");
                    if is_value {
                        values += 1;
                    } else {
                        types += 1;
                    }
                }
                // Without the key.
                let (parent, key) = pointer.rsplit_once('/').expect("it has one");
                if let Some(Value::Object(map)) = changed.pointer_mut(parent) {
                    let key = key.replace("~1", "/").replace("~0", "~");
                    map.remove(&key);
                    let found = documents_differ(&family, &all, &changed);
                    assert!(
                        found || keys.iter().any(|key| key.contains("History")),
                        "{argv:?} {pointer} is gone"
                    );
                    if let Some(Value::Object(map)) = changed.pointer_mut(parent) {
                        map.insert(key, leaf);
                    }
                    keys_gone += 1;
                }
            }
        }
    }
    assert!(
        values > 250 && types > 250 && keys_gone > 250,
        "{values} {types} {keys_gone}"
    );
}

#[test]
fn every_event_counts() {
    let transcript = one("events::life");
    let lines = transcript.after["events"].stdout.lines().count();
    assert!(lines > 10);
    for gone in 0..lines {
        let line = transcript.after["events"].stdout.lines().nth(gone);
        if line.is_some_and(|line| line.contains("\"stop\"") || line.contains("\"cleanup\"")) {
            continue;
        }
        let mut other = transcript.clone();
        let events = other.after.get_mut("events").expect("a look");
        events.stdout = events
            .stdout
            .lines()
            .enumerate()
            .filter(|(index, _)| *index != gone)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        assert!(!differ(&transcript, &other).is_empty(), "event {gone}");
    }
}

#[test]
fn the_order_of_events_of_two_things_does_not_count() {
    let transcript = one("events::life");
    let mut other = transcript.clone();
    let events = other.after.get_mut("events").expect("a look");
    let mut lines: Vec<&str> = events.stdout.lines().collect();
    lines.reverse();
    events.stdout = lines.join("\n") + "\n";
    let found = differ(&transcript, &other);
    assert!(found.is_empty(), "{}", found[0]);
}

#[test]
fn another_container_under_the_same_name_is_seen() {
    let transcript = one("stop::stop_obeyed");
    let mut other = transcript.clone();
    let inspect = other.after.get_mut("inspect").expect("a look");
    let mut document: Value = serde_json::from_str(&inspect.stdout).expect("it is JSON");
    document[0]["Id"] = "0".repeat(64).into();
    inspect.stdout = serde_json::to_string_pretty(&document).expect("it is JSON") + "\n";
    let found = differ(&transcript, &other);
    assert!(
        found
            .iter()
            .any(|divergence| divergence.what == "stdout[a].Id"),
        "{found:?}"
    );
}

#[test]
fn what_is_no_json_on_one_side_differs() {
    let transcript = one("stop::stop_obeyed");
    for garbage in ["", "[", "[]", "{}", "null", "garbage"] {
        let mut other = transcript.clone();
        other.after.get_mut("ps").expect("a look").stdout = format!("{garbage}\n");
        assert!(!differ(&transcript, &other).is_empty(), "{garbage}");
    }
}

#[test]
fn steps_and_looks_that_are_missing_differ() {
    let transcript = one("stop::stop_obeyed");
    let mut other = transcript.clone();
    other.played.pop();
    assert!(!differ(&transcript, &other).is_empty());
    let mut other = transcript.clone();
    other.after.remove("volumes");
    assert!(!differ(&transcript, &other).is_empty());
    assert!(!differ(&other, &transcript).is_empty());
    let nothing = Transcript {
        case: "a::b".into(),
        played: Vec::new(),
        after: Default::default(),
    };
    assert!(!differ(&nothing, &nothing).is_empty());
}

#[test]
fn a_grace_period_that_the_mock_does_not_wait_for_is_seen() {
    let transcript = one("stop::stop_obeyed");
    let mut other = transcript.clone();
    other.played[1].outcome.ms += 10_000;
    let found = differ(&transcript, &other);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].what, "time");
}

#[test]
fn an_exec_whose_end_podman_has_missed_may_take_five_seconds_more_and_nothing_else_may() {
    let transcript = one("health::by_hand");
    let late = |step: &str, ms: u64| {
        let mut real = transcript.clone();
        let mut played = real.played.iter_mut();
        let found = played.find(|played| played.step.to_string().starts_with(step));
        found.expect("such a step").outcome.ms += ms;
        differ(&real, &transcript)
    };
    let found = late("podman exec", 5_300);
    assert!(found.is_empty(), "{}", found[0]);
    assert_eq!(late("podman exec", 9_000).len(), 1);
    assert_eq!(late("podman run", 5_300).len(), 1);
}

#[test]
fn stopped_is_exited_that_is_not_over_yet() {
    let transcript = one("stop::stop_obeyed");
    let mut other = transcript.clone();
    for outcome in other.after.values_mut() {
        outcome.stdout = outcome.stdout.replace("\"exited\"", "\"stopped\"");
    }
    assert_ne!(transcript, other);
    let found = differ(&transcript, &other);
    assert!(found.is_empty(), "{}", found[0]);
}

#[test]
fn five_hundred_commands_are_compared_in_no_time() {
    let all = recorded();
    let begin = Instant::now();
    let mut commands = 0;
    while commands < 500 {
        for transcript in &all {
            differ(transcript, transcript);
            commands += transcript.played.len() + transcript.after.len();
        }
    }
    let took = begin.elapsed();
    eprintln!("{commands} commands in {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}
