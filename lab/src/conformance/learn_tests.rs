use super::{differences, nearest};
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
