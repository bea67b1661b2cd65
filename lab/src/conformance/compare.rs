//! Two transcripts of one case: where the podmans differ.

use std::collections::BTreeSet;

use serde_json::Value;

use super::case::Step;
use super::divergence::{Differs, Divergence, Place};
use super::exceptions::Exceptions;
use super::identities::Identities;
use super::json::{Documents, documents};
use super::lines;
use super::normal::Given;
use super::transcript::{LOOKS, Outcome, Played, Transcript};
use super::{events, rules};

/// Where `mock` differs from `real`, both transcripts of one case, but for the exceptions of this version of podman.
///
/// Nothing is taken for equal because it cannot be read: what is no JSON on both sides is compared as text.
pub fn compare(
    real: &Transcript,
    mock: &Transcript,
    version: &str,
    exceptions: &Exceptions,
) -> Vec<Divergence> {
    let mut all = Comparison {
        case: &real.case,
        real: given(real),
        mock: given(mock),
        identities: Identities::default(),
        found: Vec::new(),
    };
    all.transcripts(real, mock);
    all.found
        .retain(|divergence| !exceptions.accept(divergence, version));
    all.found
}

struct Comparison<'a> {
    case: &'a str,
    real: Given,
    mock: Given,
    identities: Identities,
    found: Vec<Divergence>,
}

/// A command whose outcome is compared.
struct Command<'a> {
    argv: Vec<&'a str>,
    place: Place,
}

impl Comparison<'_> {
    fn add(&mut self, place: &Place, differs: Differs) {
        self.found.push(differs.at(self.case, place));
    }

    fn transcripts(&mut self, real: &Transcript, mock: &Transcript) {
        if real.case != mock.case {
            self.add(&Place::Case, Differs::new("name", &real.case, &mock.case));
        }
        if real.played.is_empty() && real.after.is_empty() {
            let nothing = Differs::new("nothing was played", "(empty)", "(anything)");
            self.add(&Place::Case, nothing);
        }
        if steps(real) != steps(mock) {
            let differs = Differs::new("steps", steps(real).join("\n"), steps(mock).join("\n"));
            self.add(&Place::Case, differs);
        }
        for (index, (real_played, mock_played)) in real.played.iter().zip(&mock.played).enumerate()
        {
            let step = &real_played.step;
            let place = Place::Step(index + 1, step.to_string());
            match argv(real, step) {
                Some(argv) => {
                    let argv = argv.iter().map(String::as_str).collect();
                    let command = Command { argv, place };
                    self.outcomes(&command, &real_played.outcome, &mock_played.outcome);
                }
                None => self.deeds(&place, real_played, mock_played),
            }
        }
        self.looks(real, mock);
    }

    fn looks(&mut self, real: &Transcript, mock: &Transcript) {
        let names: BTreeSet<&String> = real.after.keys().chain(mock.after.keys()).collect();
        for name in names {
            let place = Place::Look(name.clone());
            match (real.after.get(name), mock.after.get(name)) {
                (Some(real), Some(mock)) => {
                    let argv = LOOKS
                        .iter()
                        .find(|(look, _)| look == name)
                        .map_or(Vec::new(), |(_, argv)| argv.to_vec());
                    self.outcomes(&Command { argv, place }, real, mock);
                }
                (Some(_), None) => self.add(&place, Differs::new("look", "taken", "(not there)")),
                (None, _) => self.add(&place, Differs::new("look", "(not there)", "taken")),
            }
        }
    }

    /// Steps that are no commands have to work: what follows would not be what the case is about.
    fn deeds(&mut self, place: &Place, real: &Played, mock: &Played) {
        let said = |outcome: &Outcome| match outcome.code {
            0 => "done".to_owned(),
            code => format!("{code} {}", outcome.stderr.trim()),
        };
        let (real, mock) = (&real.outcome, &mock.outcome);
        if real.code != 0 || mock.code != 0 {
            let what = if real.code == 0 {
                "the step"
            } else {
                "the step does not work on real podman: mend the case"
            };
            self.add(place, Differs::new(what, said(real), said(mock)));
        }
    }

    fn outcomes(&mut self, command: &Command<'_>, real: &Outcome, mock: &Outcome) {
        let place = &command.place;
        if real.code != mock.code {
            let said = |outcome: &Outcome| {
                let line = outcome.stderr.lines().last().unwrap_or_default();
                format!("{} {line}", outcome.code).trim_end().to_owned()
            };
            self.add(place, Differs::new("exit code", said(real), said(mock)));
        }
        let is_late_exec = command.argv.contains(&"exec")
            && !takes_other_time(real.ms.saturating_sub(LATE_EXEC_MS), mock.ms);
        if takes_other_time(real.ms, mock.ms) && !is_late_exec {
            let ms = |outcome: &Outcome| format!("{} ms", outcome.ms);
            self.add(place, Differs::new("time", ms(real), ms(mock)));
        }
        self.stdout(command, &real.stdout, &mock.stdout);
        let differs = lines::stderr(
            &command.argv,
            (&real.stderr, &mock.stderr),
            (&self.real, &self.mock),
            &mut self.identities,
        );
        if let Some(differs) = differs {
            self.add(place, differs);
        }
    }

    fn stdout(&mut self, command: &Command<'_>, real: &str, mock: &str) {
        let place = &command.place;
        let family = rules::family(&command.argv);
        // A log has a line for each event, some of which come now and then: how many lines there are says nothing.
        let is_log = family == "events";
        let has_none = is_log && (real.is_empty() != mock.is_empty());
        let read =
            |text: &str| documents(text).or_else(|| (has_none && text.is_empty()).then(Vec::new));
        let (Some(real_documents), Some(mock_documents)) = (read(real), read(mock)) else {
            let differs = lines::stdout(
                &command.argv,
                (real, mock),
                (&self.real, &self.mock),
                &mut self.identities,
            );
            if let Some(differs) = differs {
                self.add(place, differs);
            }
            return;
        };
        let has_other_end = real.ends_with('\n') != mock.ends_with('\n');
        let has_other_shape = if is_log {
            has_other_end && !has_none
        } else {
            shape(real) != shape(mock)
        };
        if has_other_shape {
            self.add(place, Differs::new("stdout", shape(real), shape(mock)));
        }
        let mut all = Documents::new(&family, (&self.real, &self.mock), &mut self.identities);
        if family == "events" {
            events::compare(&mut all, &real_documents, &mock_documents);
        } else if let ([real], [mock]) = (&real_documents[..], &mock_documents[..]) {
            all.compare("stdout", real, mock);
        } else {
            let (real, mock) = (Value::Array(real_documents), Value::Array(mock_documents));
            all.compare("stdout", &real, &mock);
        }
        let differ = std::mem::take(&mut all.differ);
        for differs in differ {
            self.add(place, differs);
        }
    }
}

/// On a busy machine podman 5 may miss the end of an exec; it then looks for its event for so long.
const LATE_EXEC_MS: u64 = 5_000;

/// Times that a person would notice: retries, grace periods. A busy machine makes everything slower by less.
fn takes_other_time(one: u64, other: u64) -> bool {
    let (quick, slow) = (one.min(other), one.max(other));
    slow > 2_500 + 2 * quick
}

fn steps(transcript: &Transcript) -> Vec<String> {
    transcript
        .played
        .iter()
        .map(|played| played.step.to_string())
        .collect()
}

/// How documents are laid out: programs that read lines depend on it.
fn shape(text: &str) -> &'static str {
    match (text.trim_end().lines().count() > 1, text.ends_with('\n')) {
        (false, true) => "JSON on one line",
        (false, false) => "JSON on one line without an end",
        (true, true) => "JSON on several lines",
        (true, false) => "JSON on several lines, the last without an end",
    }
}

/// The command whose outcome a step has; that of a `join` is the one that was spawned, which has none of its own yet.
fn argv<'a>(transcript: &'a Transcript, step: &'a Step) -> Option<&'a [String]> {
    match step {
        Step::Podman(argv) | Step::KillClient(_, argv) => Some(argv),
        Step::Join(label) => transcript
            .played
            .iter()
            .find_map(|played| match &played.step {
                Step::Spawn(spawned, argv) if spawned == label => Some(&argv[..]),
                _ => None,
            }),
        Step::Spawn(..)
        | Step::Until(..)
        | Step::UntilRestarted(..)
        | Step::UntilHealthy(..)
        | Step::KillProcess(_)
        | Step::KillMonitor(_)
        | Step::Reboot
        | Step::Registry(_)
        | Step::TakePort(_)
        | Step::File(..) => None,
    }
}

/// What has to be known before texts are read: what is asked for, and which names podman made up.
fn given(transcript: &Transcript) -> Given {
    let argv = transcript.played.iter().flat_map(|played| {
        match &played.step {
            Step::Podman(argv) | Step::KillClient(_, argv) | Step::Spawn(_, argv) => &argv[..],
            _ => &[],
        }
        .iter()
        .map(String::as_str)
    });
    let outcomes = transcript.played.iter().map(|played| &played.outcome);
    let mut names = Vec::new();
    for outcome in outcomes.chain(transcript.after.values()) {
        for document in documents(&outcome.stdout).unwrap_or_default() {
            collect_names(&document, &mut names);
        }
    }
    Given::new(argv, names)
}

fn collect_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect_names(value, names)),
        Value::Object(map) => {
            if let Some(Value::String(name)) = map.get("Name") {
                names.push(name.clone());
            }
            if let Some(Value::Array(list)) = map.get("Names") {
                names.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
