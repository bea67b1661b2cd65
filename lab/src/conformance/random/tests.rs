use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::Expect;
use super::world::World;
use super::{STEPS, Sequences, argv, case, is_safe};
use crate::conformance::case::{Case, Step};

/// Enough for shares; a thousand take too long where nothing is optimised.
const SEEDS: std::ops::Range<u64> = 0..150;

fn cases() -> impl Iterator<Item = Case> {
    SEEDS.map(|seed| case(seed, STEPS))
}

fn words(step: &Step) -> Vec<&str> {
    match step {
        Step::Podman(argv) => argv.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What podman probably says to each step of a case; `None` where a step is not safe.
fn expectations(case: &Case) -> Option<Vec<Expect>> {
    let mut world = World::default();
    case.steps
        .iter()
        .map(|step| world.take(step).ok())
        .collect()
}

#[test]
fn a_seed_always_gives_the_same_and_others_give_others() {
    assert_eq!(case(7, STEPS), case(7, STEPS));
    assert_ne!(case(7, STEPS).steps, case(8, STEPS).steps);
}

#[test]
fn every_step_can_be_read_again() {
    for step in cases().flat_map(|case| case.steps) {
        assert_eq!(Step::parse(&step.to_string()), Ok(step));
    }
}

#[test]
fn sequences_are_as_long_as_asked() {
    for case in cases() {
        // The last move may consist of several steps.
        assert!(
            (30..=46).contains(&case.steps.len()),
            "{} has {}",
            case.name,
            case.steps.len()
        );
    }
    assert!(case(1, 5..=5).steps.len() < 12);
}

#[test]
fn about_a_third_is_refused() {
    let expected: Vec<Expect> = cases()
        .flat_map(|case| expectations(&case).expect("all of it is safe"))
        .collect();
    let refused = expected.iter().filter(|it| **it == Expect::Refused).count();
    let percent = refused * 100 / expected.len();
    assert!((25..=42).contains(&percent), "{percent} %");
}

#[test]
fn every_family_of_commands_comes_often() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut total = 0;
    for step in cases().flat_map(|case| case.steps) {
        total += 1;
        let name = match &step {
            Step::Podman(argv) => {
                argv::read(argv).map_or_else(|| "other".into(), |command| command.name)
            }
            other => other
                .to_string()
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        *counts.entry(name).or_default() += 1;
    }
    let count = |name: &str| counts.get(name).copied().unwrap_or_default();
    for name in [
        "create",
        "run",
        "start",
        "stop",
        "restart",
        "kill",
        "pause",
        "unpause",
        "rm",
        "ps",
        "inspect",
        "container inspect",
        "container exists",
        "logs",
        "wait",
        "exec",
        "healthcheck run",
        "rename",
        "volume create",
        "volume rm",
        "volume ls",
        "volume inspect",
        "volume exists",
        "volume prune",
        "network create",
        "network rm",
        "network ls",
        "network inspect",
        "network exists",
        "network connect",
        "secret create",
        "secret rm",
        "secret inspect",
        "secret ls",
        "images",
        "image exists",
        "image inspect",
        "tag",
        "rmi",
        "info",
        "version",
        "until",
        "kill-process",
        "file",
    ] {
        assert!(
            count(name) * 3000 > total,
            "`{name}` comes {} times in {total}: {counts:?}",
            count(name)
        );
    }
    // Power losses cost more than all the rest.
    assert!((2..=15).contains(&count("reboot")), "{}", count("reboot"));
}

#[test]
fn a_thousand_are_safe() {
    for seed in 0..1000 {
        let case = case(seed, STEPS);
        assert!(is_safe(&case), "{}", case.name);
    }
}

/// Not by the model, which could be wrong in itself: by the lines.
#[test]
fn an_end_is_waited_for_before_anybody_looks() {
    for case in cases() {
        for pair in case.steps.windows(3) {
            let line = pair[0].to_string();
            if line.starts_with("kill-process") {
                let waits = |step: &Step| matches!(step, Step::Until(..));
                assert!(
                    waits(&pair[1]) || waits(&pair[2]),
                    "{}: `{line}` then `{}`",
                    case.name,
                    pair[1]
                );
            }
        }
        let last = case
            .steps
            .last()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(!last.starts_with("kill-process"), "{}", case.name);
    }
}

#[test]
fn nothing_long_is_asked_for() {
    for step in cases().flat_map(|case| case.steps) {
        let words = words(&step);
        let Some(command) = argv::read(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        ) else {
            continue;
        };
        if let Some(time) = command.last("time") {
            assert!(matches!(time, "0" | "1" | "abc"), "{step}");
        }
        if matches!(command.name.as_str(), "run" | "create")
            && command.last("pull") != Some("never")
        {
            let known = ["$FIXTURE", "localhost/other:1", "localhost/other:2"];
            assert!(
                command
                    .operands
                    .iter()
                    .any(|it| known.contains(&it.as_str()))
                    || command.has_unknown_flag,
                "{step}"
            );
        }
        assert!(
            !(command.has("restart")
                && command.last("restart") == Some("always")
                && words.contains(&"exit")),
            "{step}"
        );
    }
}

fn safe(lines: &[&str]) -> bool {
    is_safe(&Case {
        name: "test".into(),
        needs: Vec::new(),
        steps: lines
            .iter()
            .map(|line| Step::parse(line).expect("a step"))
            .collect(),
    })
}

#[test]
fn races_are_seen() {
    let run = "podman run -d --name a $FIXTURE serve 8080";
    let check = "podman exec a /fixture check";
    assert!(safe(&[run, "podman stop -t 0 a"]));
    assert!(!safe(&[run, "podman stop -t 1 a"]), "it may not listen yet");
    assert!(safe(&[run, check, "podman stop -t 1 a"]));
    assert!(!safe(&[run, "podman logs a"]));
    assert!(safe(&[run, check, "podman logs a"]));
    assert!(
        !safe(&[run, "podman stop -t 0 a", "podman logs a"]),
        "the log may be empty"
    );
    assert!(!safe(&[run, "podman wait a"]), "for ever");
    assert!(!safe(&[run, "podman kill a"]), "nobody waits for it");
    assert!(safe(&[
        run,
        "podman kill a",
        "until a exited",
        "podman wait a"
    ]));
    assert!(!safe(&[
        run,
        "podman kill a",
        "podman ps",
        "until a exited"
    ]));
    assert!(!safe(&[run, check, "podman pause a", "podman stop -t 1 a"]));
    assert!(
        !safe(&[run, "podman rm -f -t 0 a nosuch"]),
        "4.3.1 keeps it"
    );
    assert!(safe(&[run, "podman rm -f -t 0 a", "podman rm -f nosuch"]));
    assert!(!safe(&[
        "podman run -d --name a --restart always $FIXTURE exit 1"
    ]));
    assert!(
        !safe(&["podman run --name a $FIXTURE serve 8080"]),
        "for ever"
    );
    assert!(!safe(&[
        "podman run -d --name a --restart always $FIXTURE serve 8080",
        "kill-process a",
        "until a exited"
    ]));
    assert!(!safe(&["podman rmi $FIXTURE"]), "the last name");
    assert!(!safe(&[
        "podman tag $FIXTURE localhost/other:1",
        "podman rmi $FIXTURE",
        "podman ps"
    ]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sequences_are_safe(case in Sequences { steps: 10..=20 }) {
        prop_assert!(is_safe(&case));
    }
}

#[test]
fn no_name_is_the_beginning_of_an_id() {
    for name in super::moves::CONTAINERS {
        assert!(!name.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
    }
}
