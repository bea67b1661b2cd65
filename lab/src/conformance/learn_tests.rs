use super::{differences, draft, flag, nearest, questions};
use crate::conformance::case::Step;
use crate::conformance::transcript::{Outcome, Played, Transcript};

fn versions() -> Vec<String> {
    ["4.3.1", "5.4.2", "5.8.6"].map(str::to_owned).to_vec()
}

#[test]
fn the_nearest_is_the_newest_that_is_not_newer() {
    for (version, expected) in [
        ("5.4.2", "5.4.2"),
        ("5.10.0", "5.8.6"),
        ("5.8.6-dev", "5.8.6"),
        ("5.5.0", "5.4.2"),
        ("6.0.0", "5.8.6"),
        ("4.9.3", "4.3.1"),
        ("3.4.4", "4.3.1"),
    ] {
        let known = versions();
        let found = nearest(&known, version).map(String::as_str);
        assert_eq!(found, Some(expected), "{version}");
    }
    assert_eq!(nearest(&[], "5.4.2"), None);
}

#[test]
fn flags_are_read_from_help() {
    for (line, expected) in [
        (
            "  -a, --all                  Remove all containers",
            Some("-a,--all"),
        ),
        (
            "  -t, --time uint            Seconds to wait (default 10)",
            Some("-t,--time=uint"),
        ),
        (
            "      --cidfile stringArray   Read the container ID",
            Some("--cidfile=stringArray"),
        ),
        (
            "      --depend               Remove what depends",
            Some("--depend"),
        ),
        ("Options:", None),
        ("  podman rm [options] CONTAINER [CONTAINER...]", None),
        ("  podman rm --force 860a4b23", None),
        ("", None),
    ] {
        assert_eq!(flag(line).as_deref(), expected, "{line}");
    }
}

fn transcript(case: &str, said: &[(&str, i32, &str)]) -> Transcript {
    let played = said.iter().map(|(line, code, stdout)| Played {
        step: Step::parse(line).expect("a step"),
        outcome: Outcome {
            code: *code,
            stdout: (*stdout).to_owned(),
            ..Outcome::default()
        },
    });
    Transcript {
        case: case.to_owned(),
        played: played.collect(),
        after: Default::default(),
    }
}

#[test]
fn differences_of_one_kind_are_one_group() {
    let old = |name: &str, code| {
        transcript(
            name,
            &[
                ("podman rm a", code, ""),
                ("podman rm -f b", code, ""),
                ("podman volume rm v", 1, ""),
                ("podman ps", 0, ""),
            ],
        )
    };
    let known = [old("x::one", 1), old("x::two", 1), old("x::gone", 1)];
    let new = [old("x::one", 2), old("x::two", 2), old("x::new", 2)];
    let groups = differences("5.9.0", &known, &new);
    let found: Vec<_> = groups
        .iter()
        .map(|group| (group.what.as_str(), group.count))
        .collect();
    assert_eq!(found, [("podman rm: exit code", 4)]);
    assert!(differences("5.9.0", &known, &known).is_empty());
}

/// A podman that knows everything it is asked.
fn answers() -> Transcript {
    let mut answers = Transcript {
        case: questions().name,
        played: Vec::new(),
        after: Default::default(),
    };
    for step in questions().steps {
        let line = step.to_string();
        let stdout = if line.ends_with("--help") {
            "Options:\n  -f, --force   Do it\n"
        } else if line.contains("info") || line.contains("version") {
            "{\"a\": 1}"
        } else {
            "[{\"b\": 2}, {\"b\": 3}]"
        };
        answers.played.push(Played {
            step,
            outcome: Outcome {
                stdout: stdout.into(),
                ..Outcome::default()
            },
        });
    }
    answers
}

#[test]
fn a_draft_has_a_file_for_every_document() {
    let files = draft(&answers()).expect("all is answered");
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "container-running.json",
            "container.json",
            "df.json",
            "flags.txt",
            "image.json",
            "images.json",
            "info.json",
            "network.json",
            "networks.json",
            "ps.json",
            "secret.json",
            "stats.json",
            "version.json",
            "volume.json"
        ]
    );
    assert_eq!(files["container.json"], "{\n  \"b\": 2\n}\n");
    assert_eq!(files["info.json"], "{\n  \"a\": 1\n}\n");
    assert!(files["flags.txt"].contains("\nrm: -f,--force\n"));
}

#[test]
fn a_document_that_is_missing_is_told_with_what_podman_said() {
    let mut answers = answers();
    for played in &mut answers.played {
        if played.step.to_string().contains("secret inspect s") {
            played.outcome = Outcome {
                code: 125,
                stdout: String::new(),
                stderr: "Error: no such secret".into(),
                ms: 0,
            };
        }
    }
    let error = draft(&answers).expect_err("a document is missing");
    assert_eq!(
        error.to_string(),
        "`podman secret inspect s` ends with 125 and prints no document for secret.json: Error: no such secret"
    );
}
