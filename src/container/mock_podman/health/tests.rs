use super::super::MockPodman;
use super::*;
use crate::container::podman::PodmanVersion;
use crate::container::runtime::CommandExecutor;

const CHECKED: &str =
    r#"run -d --name a --health-cmd ["/fixture","check"] --health-retries 1 --health-interval"#;
const SERVE: &str = "localhost/archipelago-fixture:latest serve 80";

async fn run(mock: &MockPodman, line: &str) -> (i32, String) {
    let words: Vec<&str> = line.split(' ').collect();
    let output = mock.execute("podman", &words).await.expect("it is known");
    (
        output.code,
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

async fn shown(mock: &MockPodman) -> String {
    let line = "inspect a --format {{.State.Status}}:{{.State.Health.Status}}:{{.State.Health.FailingStreak}}";
    run(mock, line).await.1.trim().to_owned()
}

/// A container whose checks run every `interval`, and what is done when it is unhealthy.
async fn start(interval: &str, on_failure: &str) -> MockPodman {
    let mock = MockPodman::new();
    let line = format!("{CHECKED} {interval} --health-on-failure {on_failure} {SERVE}");
    assert_eq!(run(&mock, &line).await.0, 0);
    mock
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_container_is_stopped_or_started_again() {
    for (on_failure, then) in [
        ("none", "running:unhealthy:1"),
        ("kill", "exited:unhealthy:1"),
        ("stop", "exited:unhealthy:1"),
        ("restart", "running:starting:1"),
    ] {
        let mock = start("disable", on_failure).await;
        run(&mock, "exec a /fixture poke unhealthy").await;
        assert_eq!(
            run(&mock, "healthcheck run a").await,
            (1, "unhealthy\n".to_owned())
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(shown(&mock).await, then, "{on_failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ignores_sigterm_is_killed_after_the_grace() {
    let mock = MockPodman::new();
    mock.behave(
        "registry.example/app:1",
        "ignore term, unhealthy after 1m".parse().expect("one"),
    );
    run(
        &mock,
        "run -d --name a --health-cmd x --health-interval 10s --health-retries 1 --health-on-failure stop registry.example/app:1",
    )
    .await;
    tokio::time::sleep(Duration::from_secs(65)).await;
    assert_eq!(shown(&mock).await, "stopping:unhealthy:1");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(shown(&mock).await, "exited:unhealthy:1");
    assert_eq!(mock.containers().remove(0).exit_code, 137);
}

#[tokio::test(start_paused = true)]
async fn a_shell_is_not_in_the_fixture_image() {
    for version in [(4, 3, 1), (5, 4, 2)] {
        let mock = MockPodman::with_version(PodmanVersion::new(version.0, version.1, version.2));
        run(
            &mock,
            &format!("run -d --name a --health-cmd true --health-interval 0s {SERVE}"),
        )
        .await;
        assert_eq!(run(&mock, "healthcheck run a").await.0, 1);
        assert_eq!(shown(&mock).await, "running:starting:1");
    }
}

#[tokio::test(start_paused = true)]
async fn five_checks_are_remembered_and_none_over_a_reboot() {
    let mock = start("1s", "none").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let checks = |mock: &MockPodman| {
        mock.with(|state, _| {
            let document = state
                .find("a")
                .and_then(|container| container.health_document(true));
            document.expect("it has a check")["Log"].clone()
        })
    };
    let log = checks(&mock);
    assert_eq!(log.as_array().map(Vec::len), Some(LOG_ENTRIES), "{log}");
    mock.power_loss();
    assert_eq!(checks(&mock), Value::Null);
    assert_eq!(shown(&mock).await, "exited::0");
}

#[tokio::test(start_paused = true)]
async fn a_day_of_checks_passes_in_a_moment() {
    let mock = MockPodman::new();
    for index in 0..24 {
        let line = format!("{CHECKED} 30s {SERVE}").replace(" a ", &format!(" a{index} "));
        run(&mock, &line).await;
    }
    let before = std::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let told = mock.with(|state, _| state.log.len());
    assert!(told > 24 * 2_880, "{told}");
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "{:?}",
        before.elapsed()
    );
}
