use std::collections::BTreeMap;

use super::*;

fn at(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(1_795_416_000_000 + millis)
}

/// Exited with `code` after a run of ten seconds, as podman 5 tells it.
fn exited(code: i32) -> ContainerStatus {
    ContainerStatus {
        id: "1".repeat(64),
        name: "app".to_owned(),
        image: "localhost/app:1".to_owned(),
        state: ContainerState::Exited,
        pid: 0,
        exit_code: code,
        oom_killed: Some(false),
        error: None,
        created_at: at(0).expect("in range"),
        started_at: at(1_000),
        finished_at: at(11_000),
        health: None,
        restart_count: 0,
        labels: BTreeMap::new(),
    }
}

fn created() -> ContainerStatus {
    ContainerStatus {
        state: ContainerState::Created,
        started_at: None,
        finished_at: None,
        ..exited(0)
    }
}

fn reason(container: &ContainerStatus) -> Option<ExitReason> {
    ExitReason::of(container, &Evidence::default())
}

/// Why a container does not run, as each podman tells it: what it says, what that means, the word for it.
#[test]
fn every_end_has_its_reason_on_every_podman() {
    let before_5 = |container: ContainerStatus| ContainerStatus {
        oom_killed: None,
        error: None,
        ..container
    };
    let out_of_memory = ContainerStatus {
        oom_killed: Some(true),
        ..exited(137)
    };
    let refused = ContainerStatus {
        error: Some("crun: executable file `/x` not found".to_owned()),
        ..created()
    };
    let interrupted_5 = ContainerStatus {
        finished_at: None,
        ..exited(0)
    };
    let interrupted_4 = before_5(ContainerStatus {
        state: ContainerState::Created,
        ..interrupted_5.clone()
    });
    let start_failed = |error: &str| ExitReason::StartFailed {
        error: error.to_owned(),
    };
    let table = [
        (
            "4.3.1",
            before_5(created()),
            ExitReason::NeverStarted,
            "waiting",
        ),
        ("5.x", created(), ExitReason::NeverStarted, "waiting"),
        (
            "5.x",
            refused,
            start_failed("crun: executable file `/x` not found"),
            "crashed",
        ),
        (
            "4.3.1",
            before_5(exited(0)),
            ExitReason::CleanExit,
            "stopped",
        ),
        ("5.x", exited(0), ExitReason::CleanExit, "stopped"),
        (
            "4.3.1",
            before_5(exited(137)),
            ExitReason::OutOfMemory,
            "killed (OOM)",
        ),
        (
            "5.x",
            out_of_memory,
            ExitReason::OutOfMemory,
            "killed (OOM)",
        ),
        ("5.x", exited(137), ExitReason::Killed, "killed"),
        (
            "4.3.1",
            before_5(exited(3)),
            ExitReason::Crashed { code: 3 },
            "crashed",
        ),
        (
            "5.x",
            exited(143),
            ExitReason::Crashed { code: 143 },
            "crashed",
        ),
        ("4.3.1", interrupted_4, ExitReason::PowerLost, "interrupted"),
        ("5.x", interrupted_5, ExitReason::PowerLost, "interrupted"),
        ("4.3.1", before_5(exited(-1)), ExitReason::Lost, "crashed"),
        ("5.x", exited(-1), ExitReason::Lost, "crashed"),
    ];
    for (version, container, expected, word) in table {
        let found = reason(&container);
        assert_eq!(found.as_ref(), Some(&expected), "{version}: {container:?}");
        assert_eq!(expected.shown_as(), word, "{version}");
    }
}

#[test]
fn an_intended_stop_is_one_whatever_the_code() {
    let evidence = Evidence {
        user_stopped: true,
        ..Evidence::default()
    };
    for code in [0, 3, 137, 143, -1] {
        let found = ExitReason::of(&exited(code), &evidence);
        assert_eq!(found, Some(ExitReason::UserStopped), "code {code}");
    }
    // Also when power was lost afterwards.
    let interrupted = ContainerStatus {
        finished_at: None,
        ..exited(0)
    };
    let found = ExitReason::of(&interrupted, &evidence);
    assert_eq!(found, Some(ExitReason::UserStopped));
}

#[test]
fn a_failed_start_of_ours_is_told_where_podman_keeps_no_error() {
    let evidence = Evidence {
        start_failed: Some("address already in use"),
        ..Evidence::default()
    };
    for container in [created(), exited(0)] {
        assert_eq!(
            ExitReason::of(&container, &evidence),
            Some(ExitReason::StartFailed {
                error: "address already in use".to_owned()
            })
        );
    }
}

#[test]
fn an_error_text_of_an_ended_container_is_no_failed_start() {
    let container = ContainerStatus {
        error: Some("container state improper".to_owned()),
        ..exited(0)
    };
    assert_eq!(reason(&container), Some(ExitReason::CleanExit));
}

#[test]
fn an_oom_killed_child_does_not_make_a_clean_exit_an_oom() {
    let container = ContainerStatus {
        oom_killed: Some(true),
        ..exited(0)
    };
    assert_eq!(reason(&container), Some(ExitReason::CleanExit));
}

#[test]
fn an_end_before_the_start_is_power_loss_or_a_short_life() {
    let ended = |finished: i64| ContainerStatus {
        started_at: at(100_000),
        finished_at: at(finished),
        ..exited(0)
    };
    let boot = |booted: Option<i64>, ran_before| Evidence {
        boot: BootEvidence {
            booted_at: booted.and_then(at),
            ran_before,
        },
        ..Evidence::default()
    };
    let table = [
        (
            "an earlier run's end, boot unknown",
            ended(50_000),
            boot(None, false),
            true,
        ),
        (
            "an earlier run's end, booted since",
            ended(50_000),
            boot(Some(200_000), false),
            true,
        ),
        (
            "started after the boot",
            ended(50_000),
            boot(Some(90_000), false),
            false,
        ),
        (
            "lived for a millisecond",
            ended(99_999),
            boot(None, false),
            false,
        ),
        (
            "lived for a millisecond before the boot",
            ended(99_999),
            boot(Some(200_000), false),
            false,
        ),
        (
            "restarted by podman, then power loss",
            ended(99_800),
            boot(Some(200_000), true),
            true,
        ),
        (
            "in the snapshot, started since",
            ended(99_800),
            boot(Some(90_000), true),
            false,
        ),
    ];
    for (case, container, evidence, power_lost) in table {
        let expected = if power_lost {
            ExitReason::PowerLost
        } else {
            ExitReason::CleanExit
        };
        assert_eq!(
            ExitReason::of(&container, &evidence),
            Some(expected),
            "{case}"
        );
    }
    // Power loss leaves 0: a code of its own is that of a program that ended.
    let crashed = ContainerStatus {
        exit_code: 3,
        ..ended(50_000)
    };
    assert_eq!(reason(&crashed), Some(ExitReason::Crashed { code: 3 }));
}

#[test]
fn a_running_container_has_a_reason_only_when_its_process_is_gone() {
    let running = ContainerStatus {
        state: ContainerState::Running,
        pid: 4711,
        finished_at: None,
        ..exited(0)
    };
    let looked = |process_alive| Evidence {
        process_alive,
        ..Evidence::default()
    };
    assert_eq!(ExitReason::of(&running, &looked(None)), None);
    assert_eq!(ExitReason::of(&running, &looked(Some(true))), None);
    assert_eq!(
        ExitReason::of(&running, &looked(Some(false))),
        Some(ExitReason::Lost)
    );
}

#[test]
fn no_reason_is_given_on_the_way_from_state_to_state() {
    for state in [
        ContainerState::Initialized,
        ContainerState::Stopping,
        ContainerState::Removing,
        ContainerState::Unknown("restarting".to_owned()),
    ] {
        let container = ContainerStatus {
            state,
            ..exited(137)
        };
        assert_eq!(reason(&container), None, "{:?}", container.state);
    }
}
