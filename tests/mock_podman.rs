//! MockPodman answers as podman was seen to answer. The numbers in names of sections are those of the checklist of
//! measured facts that the mock is held to.

use std::time::Duration;

use archipelago::container::mock_podman::{FIXTURE_IMAGE, MockContainer, MockPodman, PullFault};
use archipelago::container::podman::PodmanVersion;
use archipelago::container::runtime::{CommandExecutor, CommandOutput, ExecuteError, OutputLine};
use archipelago::container::status::{ContainerState, ContainerStatus, Health, parse_inspect};
use tokio::time::{Instant, sleep};

const V4: PodmanVersion = PodmanVersion::new(4, 3, 1);
const V5: PodmanVersion = PodmanVersion::new(5, 4, 2);
const V58: PodmanVersion = PodmanVersion::new(5, 8, 6);

fn each_version() -> impl Iterator<Item = MockPodman> {
    [V4, V5, V58].into_iter().map(MockPodman::with_version)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace()
        .map(|word| {
            if word == "FIXTURE" {
                FIXTURE_IMAGE
            } else {
                word
            }
        })
        .collect()
}

async fn run(mock: &MockPodman, line: &str) -> CommandOutput {
    mock.execute("podman", &words(line))
        .await
        .unwrap_or_else(|error| panic!("{line}: {error}: {:?}", std::error::Error::source(&error)))
}

/// Exit code, standard output, standard error without its log lines.
async fn says(mock: &MockPodman, line: &str) -> (i32, String, String) {
    let output = run(mock, line).await;
    let text = |bytes| String::from_utf8(bytes).expect("the mock prints text");
    (output.code, text(output.stdout), text(output.stderr))
}

async fn ok(mock: &MockPodman, line: &str) -> String {
    let (code, stdout, stderr) = says(mock, line).await;
    assert_eq!(code, 0, "{line}: {stderr}");
    stdout
}

async fn refused(mock: &MockPodman, line: &str, code: i32, text: &str) {
    let (found, stdout, stderr) = says(mock, line).await;
    assert_eq!(found, code, "{line}: {stdout}{stderr}");
    assert!(stderr.contains(text), "{line}: {stderr}");
}

async fn status(mock: &MockPodman, name: &str) -> ContainerStatus {
    let output = run(mock, &format!("container inspect {name}")).await;
    parse_inspect(&output.stdout, V5)
        .expect("podman's JSON")
        .remove(0)
}

async fn seconds(count: f64) {
    sleep(Duration::from_secs_f64(count)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_implemented_is_an_error_that_quotes_it() {
    let mock = MockPodman::new();
    ok(&mock, "run -d --name a FIXTURE serve 80").await;
    for (line, quoted) in [
        ("system prune -f", "system prune -f"),
        ("ps --pod", "--pod"),
        ("ps -a --sort size", "size"),
        ("ps -a --filter pod=x", "pod=x"),
        ("volume mount x", "volume mount"),
        ("images --sort size", "--sort"),
        ("inspect --format {{.State}} a", "{{.State}}"),
        ("create --privileged FIXTURE", "--privileged"),
    ] {
        let error = mock
            .execute("podman", &words(line))
            .await
            .expect_err("never a silent success");
        let source = std::error::Error::source(&error)
            .expect("the reason")
            .to_string();
        assert!(
            source.contains("mock_podman does not implement"),
            "{source}"
        );
        assert!(source.contains(quoted), "{line}: {source}");
    }
    let error = mock
        .execute("docker", &["ps"])
        .await
        .expect_err("not podman");
    assert!(matches!(error, ExecuteError::DidNotStart { program, .. } if program == "docker"));
}

/// 1, 3, 5, 6, 7, 8, 10, 32.
#[tokio::test(start_paused = true)]
async fn create_start_and_remove_answer_as_podman() {
    for mock in each_version() {
        let id = ok(&mock, "create --name a FIXTURE serve 80").await;
        assert_eq!(id.trim().len(), 64);
        let created = status(&mock, "a").await;
        assert_eq!(
            (created.state, created.started_at),
            (ContainerState::Created, None)
        );
        refused(&mock, "create --name a FIXTURE", 125, id.trim()).await;
        assert_eq!(ok(&mock, "start a").await, "a\n");
        refused(&mock, "rm a", 2, "container state improper").await;
        refused(&mock, "start a unknown", 125, "no such container").await;
        refused(&mock, "stop a unknown", 125, "no such container").await;
        refused(&mock, "rm unknown", 1, "no such container").await;
        assert_eq!(
            says(&mock, "rm -f unknown").await,
            (0, String::new(), String::new())
        );
        assert_eq!(status(&mock, "a").await.state, ContainerState::Running);
        assert_eq!(run(&mock, "container exists a").await.code, 0);
        assert_eq!(run(&mock, "container exists unknown").await.code, 1);
        assert_eq!(
            run(&mock, &format!("container exists {}", &id[..8]))
                .await
                .code,
            0
        );
    }
    let mock = MockPodman::with_version(V4);
    ok(&mock, "run -d --name a FIXTURE serve 80").await;
    assert_eq!(ok(&mock, "start a").await, "");
    let mock = MockPodman::new();
    ok(&mock, "run -d --name a FIXTURE serve 80").await;
    assert_eq!(ok(&mock, "start a").await, "a\n");
}

/// 9.
#[tokio::test(start_paused = true)]
async fn a_forced_removal_with_an_unknown_name_spares_the_others_on_podman_4() {
    for (mock, left) in [
        (MockPodman::with_version(V4), 1),
        (MockPodman::with_version(V5), 0),
        (MockPodman::with_version(V58), 0),
    ] {
        ok(&mock, "run -d --name a FIXTURE serve 80").await;
        ok(&mock, "rm -f a unknown").await;
        assert_eq!(mock.containers().len(), left);
    }
}

/// 2, 3, 5.
#[tokio::test(start_paused = true)]
async fn a_failed_start_leaves_the_container_created() {
    for mock in each_version() {
        ok(
            &mock,
            "run -d --name holder -p 127.0.0.1:8081:80 FIXTURE serve 80",
        )
        .await;
        ok(
            &mock,
            "create --name port -p 0.0.0.0:8081:80 FIXTURE serve 80",
        )
        .await;
        refused(&mock, "start port", 125, "address already in use").await;
        refused(
            &mock,
            "run -d --name port2 -p 8081:80 FIXTURE",
            126,
            "address already in use",
        )
        .await;
        ok(
            &mock,
            "create --name gone --entrypoint /no/such/bin FIXTURE",
        )
        .await;
        refused(
            &mock,
            "start gone",
            125,
            "executable file `/no/such/bin` not found",
        )
        .await;
        refused(
            &mock,
            "run -d --name gone2 --entrypoint /no/such/bin FIXTURE",
            127,
            "not found",
        )
        .await;
        mock.fail_start("told", 1);
        ok(&mock, "create --name told FIXTURE serve 80").await;
        refused(&mock, "start told", 125, "unable to start container").await;
        for name in ["port", "port2", "gone", "gone2", "told"] {
            let failed = status(&mock, name).await;
            assert_eq!(failed.state, ContainerState::Created, "{name}");
            assert_eq!((failed.exit_code, failed.started_at), (0, None), "{name}");
        }
        ok(&mock, "start told").await;
        mock.take_port(9000);
        refused(
            &mock,
            "run -d -p 9000:80 FIXTURE",
            126,
            "address already in use",
        )
        .await;
    }
    // The error text is podman 5's.
    for (version, is_told) in [(V4, false), (V5, true)] {
        let mock = MockPodman::with_version(version);
        mock.fail_start("a", 1);
        assert_ne!(run(&mock, "run -d --name a FIXTURE").await.code, 0);
        assert_eq!(
            status(&mock, "a").await.error.is_some(),
            is_told,
            "{version}"
        );
    }
}

/// 4, 15.
#[tokio::test(start_paused = true)]
async fn a_refused_create_leaves_no_container() {
    let mock = MockPodman::new();
    mock.fail_pull("registry.example/absent:1", 2);
    refused(
        &mock,
        "create --pull=never registry.example/absent:1",
        125,
        "image not known",
    )
    .await;
    refused(
        &mock,
        "run -d registry.example/absent:1",
        125,
        "pinging container registry",
    )
    .await;
    refused(
        &mock,
        "create --network nosuch FIXTURE",
        125,
        "network not found",
    )
    .await;
    refused(
        &mock,
        "create --secret nosuch,type=env,target=X FIXTURE",
        125,
        "no such secret",
    )
    .await;
    refused(
        &mock,
        "create -v fresh:/data --restart bogus FIXTURE",
        125,
        "not a valid restart policy",
    )
    .await;
    refused(
        &mock,
        "create -v /no/such/dir:/data FIXTURE",
        125,
        "no such file or directory",
    )
    .await;
    refused(
        &mock,
        "create --name bad/name FIXTURE",
        125,
        "names must match",
    )
    .await;
    assert_eq!(mock.containers(), []);
    refused(&mock, "volume inspect fresh", 125, "no such volume").await;
}

/// 11, 35, 36, 38.
#[tokio::test(start_paused = true)]
async fn lists_are_podmans_json_in_every_state() {
    for mock in each_version() {
        assert_eq!(ok(&mock, "ps -a --format json").await, "[]\n");
        assert_eq!(says(&mock, "container inspect x").await.1, "[]\n");
        ok(&mock, "create --name a -p 8080:80 FIXTURE serve 80").await;
        let json: serde_json::Value =
            serde_json::from_str(&ok(&mock, "ps -a --format json").await).expect("JSON");
        let row = &json[0];
        assert_eq!(row["Names"], serde_json::json!(["a"]));
        assert!(row["Labels"].is_null() && row["Created"].is_i64());
        assert_eq!(row["StartedAt"], -62_135_596_800_i64);
        assert_eq!(row["Ports"][0]["host_port"], 8080);
        let (code, stdout, stderr) = says(&mock, "container inspect a unknown").await;
        assert_eq!(code, 125);
        assert_eq!(parse_inspect(stdout.as_bytes(), V5).expect("JSON").len(), 1);
        assert!(stderr.contains("no such container"), "{stderr}");
    }
    let restarts = |json: &str| json.contains("\"Restarts\"");
    for (version, expected) in [(V4, false), (V5, true), (V58, true)] {
        let mock = MockPodman::with_version(version);
        ok(&mock, "create FIXTURE").await;
        assert_eq!(restarts(&ok(&mock, "ps -a --format json").await), expected);
    }
}

/// 19, 39.
#[tokio::test(start_paused = true)]
async fn filters_choose_by_label_name_and_state() {
    let mock = MockPodman::new();
    ok(&mock, "run -d --name c-one -l k=v FIXTURE serve 80").await;
    ok(&mock, "create --name c-one-more -l k=w FIXTURE serve 80").await;
    let names = async |filter: &str| {
        let mut names: Vec<String> = ok(&mock, &format!("ps -a --format {{{{.Names}}}} {filter}"))
            .await
            .lines()
            .map(str::to_owned)
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names("--filter label=k").await, "c-one c-one-more");
    assert_eq!(names("--filter label=k=w").await, "c-one-more");
    assert_eq!(names("--filter name=one").await, "c-one c-one-more");
    assert_eq!(names("--filter name=^c-one$").await, "c-one");
    assert_eq!(
        names("--filter name=^c-one$ --filter name=more").await,
        "c-one c-one-more"
    );
    assert_eq!(names("--filter status=created").await, "c-one-more");
    refused(
        &mock,
        "ps --filter status=stopping",
        125,
        "unknown container state",
    )
    .await;
    assert_eq!(ok(&mock, "ps --format {{.Names}}").await, "c-one\n");
}

/// 13, 14.
#[tokio::test(start_paused = true)]
async fn a_pull_takes_its_time_and_fails_as_often_as_told() {
    for mock in each_version() {
        let reference = "registry.example/app:1";
        mock.fail_pull(reference, 2);
        for _ in 0..2 {
            let before = Instant::now();
            let (code, stdout, stderr) = says(&mock, &format!("pull {reference}")).await;
            assert_eq!((code, stdout.as_str()), (125, ""));
            assert!(
                stderr.contains("level=warning msg=\"Failed, retrying"),
                "{stderr}"
            );
            assert_eq!(before.elapsed().as_secs(), 3);
        }
        mock.pull_delay_ms(7_000);
        let before = Instant::now();
        let id = ok(&mock, &format!("pull {reference}")).await;
        assert_eq!((id.trim().len(), before.elapsed().as_secs()), (64, 7));
        assert_eq!(
            run(&mock, &format!("image exists {reference}")).await.code,
            0
        );
        mock.fail_pull_with(reference, 1, PullFault::ManifestUnknown);
        let before = Instant::now();
        refused(&mock, &format!("pull {reference}"), 125, "manifest unknown").await;
        assert!(before.elapsed() < Duration::from_secs(1));
    }
    let mock = MockPodman::new();
    mock.lose_pulled_image("registry.example/app:1");
    ok(&mock, "pull registry.example/app:1").await;
    assert_eq!(
        run(&mock, "image exists registry.example/app:1").await.code,
        1
    );
    refused(
        &mock,
        "pull registry.example/App:1",
        125,
        "must be lowercase",
    )
    .await;
    refused(&mock, "pull shortname", 125, "did not resolve to an alias").await;
}

/// 16, 17, 18, 22, 26.
#[tokio::test(start_paused = true)]
async fn a_stop_returns_when_the_process_is_gone() {
    for mock in each_version() {
        for (name, flags, app, line, code, at_least, at_most, warns) in [
            ("obeys", "", "serve 80", "stop obeys", 0, 0.0, 1.0, false),
            (
                "slow",
                "",
                "slow-stop 5",
                "stop -t 60 slow",
                0,
                5.0,
                6.0,
                false,
            ),
            (
                "ignores",
                "",
                "ignore-term",
                "stop -t 20 ignores",
                137,
                20.0,
                20.3,
                true,
            ),
            (
                "default",
                "",
                "ignore-term",
                "stop default",
                137,
                10.0,
                10.3,
                true,
            ),
            (
                "own",
                "--stop-timeout=600",
                "ignore-term",
                "stop own",
                137,
                600.0,
                600.3,
                true,
            ),
            (
                "zero",
                "",
                "ignore-term",
                "stop -t 0 zero",
                137,
                0.0,
                0.3,
                false,
            ),
        ] {
            ok(
                &mock,
                &format!("run -d --name {name} {flags} FIXTURE {app}"),
            )
            .await;
            let before = Instant::now();
            let (rc, stdout, stderr) = says(&mock, line).await;
            let took = before.elapsed().as_secs_f64();
            assert_eq!((rc, stdout.trim()), (0, name));
            assert!(took >= at_least && took < at_most, "{line}: {took}");
            assert_eq!(
                stderr.contains("resorting to SIGKILL"),
                warns,
                "{line}: {stderr}"
            );
            let stopped = status(&mock, name).await;
            assert_eq!(
                (stopped.state, stopped.exit_code),
                (ContainerState::Exited, code),
                "{line}"
            );
            // Stopped again, nothing happens.
            assert_eq!(ok(&mock, line).await.trim(), name);
        }
        mock.add_image("docker.io/library/alpine:3");
        ok(
            &mock,
            "run -d --name sleeps docker.io/library/alpine:3 sleep 1000",
        )
        .await;
        ok(
            &mock,
            "run -d --name init --init docker.io/library/alpine:3 sleep 1000",
        )
        .await;
        ok(&mock, "stop -t 1 sleeps init").await;
        assert_eq!(status(&mock, "sleeps").await.exit_code, 137);
        assert_eq!(status(&mock, "init").await.exit_code, 143);
        ok(&mock, "create --name fresh FIXTURE serve 80").await;
        ok(&mock, "stop fresh").await;
        assert_eq!(status(&mock, "fresh").await.state, ContainerState::Created);
    }
}

/// 19, 20.
#[tokio::test(start_paused = true)]
async fn a_container_that_stops_is_stopping_and_a_second_stop_overtakes() {
    let mock = MockPodman::new();
    ok(&mock, "run -d --name a FIXTURE ignore-term").await;
    let before = Instant::now();
    let first = tokio::spawn({
        let mock = mock.clone();
        async move { ok(&mock, "stop -t 600 a").await }
    });
    seconds(1.0).await;
    assert_eq!(status(&mock, "a").await.state, ContainerState::Stopping);
    assert_eq!(ok(&mock, "ps --format {{.Names}}").await, "");
    refused(&mock, "start a", 125, "container state improper").await;
    refused(
        &mock,
        "exec a /fixture check",
        255,
        "container state improper",
    )
    .await;
    ok(&mock, "stop -t 1 a").await;
    assert_eq!(first.await.expect("no panic"), "a\n");
    assert!(before.elapsed() < Duration::from_secs(5));
}

/// 21.
#[tokio::test(start_paused = true)]
async fn a_stop_whose_client_is_killed_leaves_the_container_stopping() {
    let mock = MockPodman::new();
    ok(&mock, "run -d --name a FIXTURE ignore-term").await;
    let stop = mock.execute("podman", &["stop", "-t", "10", "a"]);
    assert!(
        tokio::time::timeout(Duration::from_secs(2), stop)
            .await
            .is_err()
    );
    seconds(3600.0).await;
    let stuck = status(&mock, "a").await;
    assert_eq!(stuck.state, ContainerState::Stopping);
    assert_ne!(stuck.pid, 0);
    ok(&mock, "stop -t 1 a").await;
    assert_eq!(status(&mock, "a").await.state, ContainerState::Exited);
}

/// 23, 25, 26, 31.
#[tokio::test(start_paused = true)]
async fn programs_end_as_they_are_told() {
    for mock in each_version() {
        ok(&mock, "run -d --name exits FIXTURE exit 3 --after 2").await;
        ok(&mock, "run -d --name eats -m 64m FIXTURE oom").await;
        ok(&mock, "run -d --name eats-much FIXTURE oom").await;
        ok(&mock, "run -d --name usage FIXTURE dance").await;
        seconds(1.9).await;
        assert_eq!(status(&mock, "exits").await.state, ContainerState::Running);
        seconds(0.2).await;
        // podman tidies up a moment later; the code is right already.
        let just_ended = status(&mock, "exits").await;
        assert_eq!(
            (just_ended.state, just_ended.exit_code),
            (ContainerState::Stopped, 3)
        );
        seconds(1.0).await;
        for (name, code) in [
            ("exits", 3),
            ("eats", 137),
            ("eats-much", 70),
            ("usage", 64),
        ] {
            let ended = status(&mock, name).await;
            assert_eq!(
                (ended.state, ended.exit_code),
                (ContainerState::Exited, code),
                "{name}"
            );
            assert!(ended.finished_at > ended.started_at, "{name}");
        }
        assert_eq!(says(&mock, "logs exits").await.2, "exiting with 3\n");
        let is_4 = ok(&mock, "version --format {{.Server.Version}}")
            .await
            .starts_with('4');
        let flag = status(&mock, "eats").await.oom_killed;
        assert_eq!(flag, Some(!is_4));
        refused(&mock, "kill exits", 125, "is in state exited").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_fixture_obeys_pokes() {
    for mock in each_version() {
        for name in ["oom", "exit", "kill"] {
            ok(
                &mock,
                &format!("run -d --name {name} -m 64m FIXTURE serve 80"),
            )
            .await;
        }
        ok(&mock, "exec oom /fixture poke oom").await;
        ok(&mock, "exec exit /fixture poke exit 7").await;
        assert!(mock.kill_process("kill"));
        seconds(1.0).await;
        for (name, code) in [("oom", 137), ("exit", 7), ("kill", 137)] {
            assert_eq!(status(&mock, name).await.exit_code, code, "{name}");
            refused(
                &mock,
                &format!("exec {name} /fixture check"),
                255,
                "improper",
            )
            .await;
        }
        refused(
            &mock,
            "exec unknown /fixture check",
            125,
            "no such container",
        )
        .await;
    }
}

/// 40.
#[tokio::test(start_paused = true)]
async fn files_live_as_long_as_what_they_are_on() {
    let mock = MockPodman::new();
    ok(&mock, "run -d --name a -v data:/data FIXTURE serve 80").await;
    ok(&mock, "exec a /fixture write /data/x kept").await;
    ok(&mock, "exec a /fixture write /x lost").await;
    mock.power_loss();
    ok(&mock, "start a").await;
    assert_eq!(ok(&mock, "exec a /fixture cat /x").await, "lost");
    ok(&mock, "rm -f -v -t 0 a").await;
    ok(
        &mock,
        "run -d --name a -v data:/data -v /scratch FIXTURE serve 80",
    )
    .await;
    assert_eq!(ok(&mock, "exec a /fixture cat /data/x").await, "kept");
    assert_eq!(run(&mock, "exec a /fixture cat /x").await.code, 1);
    let count = async || ok(&mock, "volume ls -q").await.lines().count();
    assert_eq!(count().await, 2);
    // An anonymous volume goes with `-v` only.
    ok(&mock, "rm -f a").await;
    assert_eq!(count().await, 2);
    ok(&mock, "run -d --name b -v /scratch FIXTURE serve 80").await;
    assert_eq!(count().await, 3);
    ok(&mock, "rm -f -v b").await;
    assert_eq!(count().await, 2);
}

/// 55, with systemd, as on a node.
#[tokio::test(start_paused = true)]
async fn health_follows_the_checks() {
    for mock in each_version() {
        ok(
            &mock,
            "run -d --name a --health-cmd=[\"/fixture\",\"check\"] --health-interval=10s --health-retries=3 FIXTURE serve 80 --unhealthy-after 35",
        )
        .await;
        assert_eq!(status(&mock, "a").await.health, Some(Health::Starting));
        seconds(1.0).await;
        assert_eq!(status(&mock, "a").await.health, Some(Health::Healthy));
        // Ill from 35 s on; the checks at 40 and 50 s are two of three.
        seconds(58.0).await;
        assert_eq!(status(&mock, "a").await.health, Some(Health::Healthy));
        seconds(2.0).await;
        assert_eq!(status(&mock, "a").await.health, Some(Health::Unhealthy));
        assert_eq!(run(&mock, "exec a /fixture check").await.code, 1);
        ok(&mock, "exec a /fixture poke healthy").await;
        seconds(10.0).await;
        assert_eq!(status(&mock, "a").await.health, Some(Health::Healthy));
        ok(&mock, "restart -t 5 a").await;
        assert_eq!(status(&mock, "a").await.health, Some(Health::Starting));
        ok(&mock, "run -d --name none FIXTURE serve 80").await;
        assert_eq!(status(&mock, "none").await.health, None);
    }
}

/// 27, 29.
#[tokio::test(start_paused = true)]
async fn podmans_own_restarts_are_counted_and_end_with_a_stop() {
    for mock in each_version() {
        ok(
            &mock,
            "run -d --name few --restart on-failure:3 FIXTURE flap",
        )
        .await;
        ok(&mock, "run -d --name ever --restart always FIXTURE flap").await;
        ok(
            &mock,
            "run -d --name clean --restart on-failure:3 FIXTURE exit 0",
        )
        .await;
        ok(
            &mock,
            "run -d --name killed --restart always FIXTURE serve 80",
        )
        .await;
        assert!(mock.kill_process("killed"));
        seconds(60.0).await;
        let few = status(&mock, "few").await;
        assert_eq!(
            (few.state, few.restart_count, few.exit_code),
            (ContainerState::Exited, 3, 1)
        );
        assert!(status(&mock, "ever").await.restart_count > 40);
        assert_eq!(status(&mock, "clean").await.restart_count, 0);
        let killed = status(&mock, "killed").await;
        assert_eq!(
            (killed.state, killed.restart_count),
            (ContainerState::Running, 1)
        );
        // The end of the earlier run stays, before the start.
        assert!(killed.finished_at < killed.started_at);
        ok(&mock, "stop -t 1 ever").await;
        ok(&mock, "kill killed").await;
        seconds(60.0).await;
        for name in ["ever", "killed"] {
            assert_eq!(
                status(&mock, name).await.state,
                ContainerState::Exited,
                "{name}"
            );
        }
        // A start by hand turns podman's restarts on again, and counts from nought.
        ok(&mock, "start few").await;
        assert_eq!(status(&mock, "few").await.restart_count, 0);
        ok(&mock, "start killed").await;
        assert!(mock.kill_process("killed"));
        seconds(60.0).await;
        assert_eq!(status(&mock, "few").await.restart_count, 3);
        let killed = status(&mock, "killed").await;
        assert_eq!(killed.state, ContainerState::Running);
    }
}

/// 49.
#[tokio::test(start_paused = true)]
async fn after_a_power_loss_nothing_runs_and_podman_has_its_own_idea_why() {
    for (version, state) in [
        (V4, ContainerState::Created),
        (V5, ContainerState::Exited),
        (V58, ContainerState::Exited),
    ] {
        let mock = MockPodman::with_version(version);
        ok(&mock, "run -d --name up --restart always FIXTURE serve 80").await;
        ok(&mock, "run -d --name stopped FIXTURE serve 80").await;
        ok(&mock, "run -d --name ended FIXTURE exit 3").await;
        ok(&mock, "create --name fresh FIXTURE serve 80").await;
        ok(&mock, "run -d --name brief --rm FIXTURE serve 80").await;
        ok(&mock, "stop stopped").await;
        let waiting = tokio::spawn({
            let mock = mock.clone();
            async move { mock.execute("podman", &["wait", "up"]).await }
        });
        seconds(1.0).await;
        let before = [status(&mock, "ended").await, status(&mock, "stopped").await];
        mock.power_loss();
        let up = status(&mock, "up").await;
        assert_eq!((up.state, up.exit_code, up.pid), (state, 0, 0), "{version}");
        assert!(
            up.started_at.is_some() && up.finished_at.is_none(),
            "{version}"
        );
        assert_eq!(
            [status(&mock, "ended").await, status(&mock, "stopped").await],
            before
        );
        assert_eq!(status(&mock, "fresh").await.state, ContainerState::Created);
        let is_there = run(&mock, "container exists brief").await.code == 0;
        assert_eq!(is_there, version == V4, "{version}");
        let lost = waiting
            .await
            .expect("no panic")
            .expect_err("it was under way");
        assert!(matches!(lost, ExecuteError::LostOutput { .. }));
        seconds(60.0).await;
        assert_eq!(status(&mock, "up").await.pid, 0, "nothing starts by itself");
        ok(&mock, "start up").await;
        // The end of an earlier run, before the start, is kept.
        assert!(mock.kill_process("up"));
        seconds(10.0).await;
        mock.power_loss();
        let up = status(&mock, "up").await;
        assert!(up.started_at.is_some(), "{version}");
        assert!(up.finished_at.is_some(), "{version}");
        assert!(up.finished_at < up.started_at, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn time_stands_still_for_a_paused_container() {
    for mock in each_version() {
        ok(&mock, "run -d --name a FIXTURE exit 3 --after 10").await;
        seconds(4.0).await;
        ok(&mock, "pause a").await;
        seconds(600.0).await;
        assert_eq!(status(&mock, "a").await.state, ContainerState::Paused);
        ok(&mock, "unpause a").await;
        seconds(5.0).await;
        assert_eq!(status(&mock, "a").await.state, ContainerState::Running);
        seconds(2.0).await;
        let ended = status(&mock, "a").await;
        assert_eq!((ended.state, ended.exit_code), (ContainerState::Exited, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_tells_in_its_log_which_signal_came() {
    for mock in each_version() {
        ok(&mock, "run -d --name a FIXTURE ignore-term").await;
        ok(&mock, "kill -s INT a").await;
        ok(&mock, "kill -s HUP a").await;
        assert_eq!(
            ok(&mock, "logs a").await,
            "ignoring SIGTERM\nSIGINT: ignored\n"
        );
        ok(&mock, "run -d --name b --stop-signal INT FIXTURE serve 80").await;
        ok(&mock, "stop b").await;
        assert_eq!(
            ok(&mock, "logs b").await,
            "serving on 80\nSIGINT: stopping\n"
        );
        // A tiny init has the default actions that PID 1 lacks.
        ok(&mock, "run -d --name c --init FIXTURE serve 80").await;
        ok(&mock, "kill -s HUP c").await;
        seconds(1.0).await;
        assert_eq!(status(&mock, "c").await.exit_code, 129);
        refused(&mock, "kill -s NOSIG c", 125, "invalid signal: NOSIG").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_one_is_done_for_the_others() {
    for mock in each_version() {
        ok(&mock, "run -d --name a FIXTURE serve 80").await;
        ok(&mock, "create --name b FIXTURE serve 80").await;
        for command in ["pause", "unpause", "kill"] {
            let (code, stdout, stderr) = says(&mock, &format!("{command} b a")).await;
            assert_eq!((code, stdout.as_str()), (125, "a\n"), "{command}");
            assert_eq!(stderr.lines().count(), 1, "{command}: {stderr}");
        }
    }
}

/// A boot that podman does not see: what ran is as if it ran, and cannot be stopped.
#[tokio::test(start_paused = true)]
async fn a_power_loss_that_keeps_run_leaves_containers_that_seem_to_run() {
    for mock in each_version() {
        let is_4 = ok(&mock, "version --format {{.Client.Version}}").await == "4.3.1\n";
        ok(&mock, "run -d --name up FIXTURE serve 80").await;
        ok(&mock, "create --name fresh FIXTURE serve 80").await;
        mock.power_loss_keeping_run();
        if is_4 {
            assert_eq!(run(&mock, "ps -a --format json").await.code, 125);
        } else {
            assert_eq!(status(&mock, "up").await.state, ContainerState::Running);
            assert_eq!(run(&mock, "stop -t 0 up").await.code, 125);
        }
        run(&mock, "rm -f up").await;
        run(&mock, "rm -f up").await;
        assert_eq!(ok(&mock, "ps -a --format {{.Names}}").await, "fresh\n");
    }
}

/// 24, 50.
#[tokio::test(start_paused = true)]
async fn a_container_without_process_and_monitor_runs_for_ever() {
    for mock in each_version() {
        ok(&mock, "run -d --name a --restart always FIXTURE serve 80").await;
        assert!(mock.kill_process_and_monitor("a"));
        seconds(60.0).await;
        assert_eq!(status(&mock, "a").await.state, ContainerState::Running);
        ok(&mock, "start a").await;
        refused(&mock, "exec a /fixture check", 255, "is not running").await;
        refused(&mock, "kill a", 125, "container state improper").await;
    }
    let mock = MockPodman::with_version(V5);
    ok(&mock, "run -d --name a FIXTURE serve 80").await;
    assert!(mock.kill_process_and_monitor("a"));
    refused(&mock, "stop -t 0 a", 125, "conmon exited prematurely").await;
    let lost = status(&mock, "a").await;
    assert_eq!((lost.state, lost.exit_code), (ContainerState::Exited, -1));
    ok(&mock, "start a").await;
    assert!(mock.kill_process_and_monitor("a"));
    refused(&mock, "rm -f a", 125, "conmon exited prematurely").await;
    assert_eq!(ok(&mock, "rm -f a").await, "a\n");
}

/// 1, 12, 41, 43.
#[tokio::test(start_paused = true)]
async fn volumes_and_networks_in_use_stay() {
    for mock in each_version() {
        for (family, flag) in [("volume", "-v res:/data"), ("network", "--network res")] {
            assert_eq!(ok(&mock, &format!("{family} create res")).await, "res\n");
            refused(
                &mock,
                &format!("{family} create res"),
                125,
                "already exists",
            )
            .await;
            assert_eq!(run(&mock, &format!("{family} exists res")).await.code, 0);
            assert_eq!(run(&mock, &format!("{family} exists x")).await.code, 1);
            assert_eq!(says(&mock, &format!("{family} inspect x")).await.1, "[]\n");
            ok(&mock, &format!("create --name user {flag} FIXTURE")).await;
            refused(&mock, &format!("{family} rm res"), 2, "is being used").await;
            ok(&mock, "rm user").await;
            assert_eq!(ok(&mock, &format!("{family} rm res")).await, "res\n");
            refused(&mock, &format!("{family} rm res"), 1, "found").await;
        }
    }
    for (version, code) in [(V4, 125), (V5, 0)] {
        let mock = MockPodman::with_version(version);
        ok(&mock, "volume create a").await;
        assert_eq!(run(&mock, "volume create --ignore a").await.code, code);
    }
}

/// 46, 47.
#[tokio::test(start_paused = true)]
async fn logs_and_wait_answer_in_every_state() {
    let mock = MockPodman::new();
    ok(&mock, "create --name fresh FIXTURE exit 3 --after 5").await;
    assert_eq!(ok(&mock, "logs fresh").await, "");
    assert_eq!(ok(&mock, "wait fresh").await, "0\n");
    ok(&mock, "start fresh").await;
    assert_eq!(ok(&mock, "wait fresh").await, "3\n");
    let (_, stdout, stderr) = says(&mock, "logs --tail 2 fresh").await;
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("running for 5s\n", "exiting with 3\n")
    );
    assert_eq!(says(&mock, "logs --tail 1 fresh").await.1, "");
    refused(&mock, "logs unknown", 125, "no such container").await;
    refused(&mock, "wait unknown", 125, "no such container").await;
}

/// 30.
#[tokio::test(start_paused = true)]
async fn a_paused_container_neither_stops_nor_goes_without_force() {
    let mock = MockPodman::new();
    ok(&mock, "run -d --name a FIXTURE serve 80").await;
    ok(&mock, "pause a").await;
    assert_eq!(status(&mock, "a").await.state, ContainerState::Paused);
    refused(&mock, "stop -t 1 a", 125, "refusing to clean up").await;
    refused(&mock, "rm a", 2, "without force").await;
    refused(&mock, "pause a", 125, "already paused").await;
    ok(&mock, "unpause a").await;
    assert_eq!(status(&mock, "a").await.state, ContainerState::Running);
    ok(&mock, "pause a").await;
    ok(&mock, "rm -f -t 0 a").await;
}

#[tokio::test(start_paused = true)]
async fn calls_are_kept_with_their_times() {
    let mock = MockPodman::new();
    let start = mock.now();
    ok(&mock, "ps -a --format json").await;
    seconds(5.0).await;
    assert_eq!(run(&mock, "image exists nope").await.code, 1);
    assert_eq!(
        mock.calls(),
        [
            vec!["ps", "-a", "--format", "json"],
            vec!["image", "exists", "nope"]
        ]
    );
    let times: Vec<_> = mock
        .timed_calls()
        .iter()
        .map(|call| (call.at - start).num_seconds())
        .collect();
    assert_eq!(times, [0, 5]);
}

/// What happened to containers while `work` ran: each event's name, status and what more it tells.
async fn events_of(
    mock: &MockPodman,
    filters: &str,
    work: impl Future<Output = ()>,
) -> Vec<String> {
    let mut seen = Vec::new();
    let line = format!("events --format json {filters}");
    let arguments = words(&line);
    let mut on_line = |line: OutputLine| {
        let event: serde_json::Value = serde_json::from_str(&line.text).expect("JSON");
        let more = ["ContainerExitCode", "health_status"].map(|key| match &event[key] {
            serde_json::Value::Null => String::new(),
            value => format!(" {value}"),
        });
        let text = |key: &str| event[key].as_str().expect("a text").to_owned();
        seen.push(format!(
            "{} {}{}",
            text("Name"),
            text("Status"),
            more.concat()
        ));
    };
    let follow = mock.stream("podman", &arguments, &mut on_line);
    let end = async {
        // The follower is there first.
        tokio::task::yield_now().await;
        work.await;
        mock.end_event_streams();
    };
    let (code, ()) = tokio::join!(follow, end);
    assert_eq!(code.expect("followed"), 0);
    seen
}

// 48
#[tokio::test(start_paused = true)]
async fn events_tell_what_happens_when_it_happens() {
    for mock in each_version() {
        let work = async {
            ok(&mock, "run -d --name a FIXTURE serve 1").await;
            ok(&mock, "exec a /fixture poke exit 3").await;
            sleep(Duration::from_secs(1)).await;
            ok(&mock, "start a").await;
            ok(&mock, "stop a").await;
            ok(&mock, "rm a").await;
        };
        let seen = events_of(&mock, "", work).await;
        // podman 4.3 does not tell a 0, nor a code at the removal.
        let (exec_died_0, died_0, removed_0) =
            if ok(&mock, "version --format {{.Client.Version}}").await == "4.3.1\n" {
                ("a exec_died", "a died", "a remove")
            } else {
                ("a exec_died 0", "a died 0", "a remove 0")
            };
        let expected = [
            "localhost/archipelago-fixture:latest pull",
            "a create",
            "a init",
            "a start",
            "a exec",
            exec_died_0,
            "a died 3",
            "a cleanup",
            "a init",
            "a start",
            died_0,
            "a cleanup",
            removed_0,
        ];
        assert_eq!(seen, expected);
    }
}

// 48, 27
#[tokio::test(start_paused = true)]
async fn events_of_a_restart_by_podman_have_no_cleanup() {
    for mock in each_version() {
        let work = async {
            ok(
                &mock,
                "run -d --name a --restart=on-failure:1 FIXTURE exit 2 --after 1",
            )
            .await;
            sleep(Duration::from_secs(5)).await;
        };
        let seen = events_of(&mock, "--filter container=a", work).await;
        assert_eq!(
            seen,
            [
                "a create",
                "a init",
                "a start",
                "a died 2",
                "a restart",
                "a init",
                "a start",
                "a died 2",
                "a cleanup"
            ]
        );
    }
}

// 48: podman 4.3 tells of a health check what was before it.
#[tokio::test(start_paused = true)]
async fn events_tell_of_health() {
    for mock in each_version() {
        let is_4 = ok(&mock, "version --format {{.Client.Version}}").await == "4.3.1\n";
        let work = async {
            ok(
                &mock,
                "run -d --name a --health-cmd [\"/fixture\",\"check\"] --health-interval 1s --health-retries 2 FIXTURE serve 1",
            )
            .await;
            sleep(Duration::from_secs(5)).await;
            ok(&mock, "exec a /fixture poke unhealthy").await;
            sleep(Duration::from_secs(5)).await;
        };
        let mut seen = events_of(&mock, "--filter event=health_status", work).await;
        // Each check is told, also one that changes nothing.
        assert!((9..=11).contains(&seen.len()), "{seen:?}");
        seen.dedup();
        let words = if is_4 {
            &["starting", "healthy", "unhealthy"][..]
        } else {
            &["healthy", "unhealthy"]
        };
        let told = words
            .iter()
            .map(|word| format!("a health_status \"{word}\""));
        assert_eq!(seen, told.collect::<Vec<_>>());
        assert_eq!(status(&mock, "a").await.health, Some(Health::Unhealthy));
    }
}

#[tokio::test(start_paused = true)]
async fn events_end_with_the_machine() {
    let mock = MockPodman::new();
    let mut nobody = |_: OutputLine| {};
    let arguments = ["events", "--format", "json"];
    let follow = mock.stream("podman", &arguments, &mut nobody);
    let (ended, ()) = tokio::join!(follow, async {
        tokio::task::yield_now().await;
        mock.power_loss();
    });
    assert!(
        matches!(ended, Err(ExecuteError::LostOutput { .. })),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_mock_does_not_do_changes_nothing() {
    let mock = MockPodman::new();
    mock.add_container(MockContainer::new("idle", FIXTURE_IMAGE));
    let refused = mock.execute("podman", &["start", "--all"]).await;
    assert!(
        matches!(refused, Err(ExecuteError::DidNotStart { .. })),
        "{refused:?}"
    );
    let format = ["inspect", "--format", "{{.State.Error}}", "idle"];
    let shown = mock.execute("podman", &format).await.expect("it is known");
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "\n");
}
