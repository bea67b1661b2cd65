use super::*;
use crate::container::runtime::{CommandExecutor, CommandOutput};

async fn run(mock: &MockPodman, line: &str) -> CommandOutput {
    let words: Vec<&str> = line.split(' ').collect();
    mock.execute("podman", &words).await.expect("it is known")
}

fn effect(text: &str) -> FaultEffect {
    text.parse().expect("a fault")
}

const CREATE: &str = "create --name a localhost/archipelago-fixture:latest serve 80";
const RUN: &str = "run -d --name a localhost/archipelago-fixture:latest serve 80";

#[tokio::test(start_paused = true)]
async fn a_fault_befalls_what_it_is_for_and_so_often() {
    let mock = MockPodman::new();
    run(&mock, CREATE).await;
    let rule = FaultRule::new("start", effect("fail 125 no luck"));
    mock.add_fault(rule.named("a").from_call(2).times(1));
    assert_eq!(run(&mock, "container start a").await.code, 0, "the first");
    assert_eq!(run(&mock, "stop a").await.code, 0, "another command");
    assert_eq!(run(&mock, "start b").await.code, 125, "another name");
    let failed = run(&mock, "start a").await;
    assert_eq!(failed.code, 125);
    assert_eq!(failed.stderr, b"Error: no luck\n");
    assert_eq!(run(&mock, "start a").await.code, 0, "the one after");
    mock.add_fault(FaultRule::new("", effect("disk full")));
    assert_eq!(run(&mock, "ps -q").await.code, 125, "every command");
    mock.clear_faults();
    assert_eq!(run(&mock, "ps -q").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_killed_before_after_and_on_the_way() {
    let mock = MockPodman::new();
    mock.add_fault(FaultRule::new("run", effect("kill before")).times(1));
    assert_eq!(run(&mock, RUN).await.code, 137);
    assert!(mock.containers().is_empty());
    mock.add_fault(FaultRule::new("create", effect("kill after")).times(1));
    let killed = run(&mock, CREATE).await;
    assert_eq!((killed.code, killed.stdout.len()), (137, 0));
    assert_eq!(mock.containers().len(), 1);
    run(&mock, "rm a").await;
    run(
        &mock,
        "run -d --name a localhost/archipelago-fixture:latest ignore-term",
    )
    .await;
    mock.add_fault(FaultRule::new("stop", effect("kill at 1s")).times(1));
    let before = mock.now();
    assert_eq!(run(&mock, "stop a").await.code, 137);
    assert_eq!((mock.now() - before).num_milliseconds(), 1000);
    assert_eq!(mock.containers()[0].state.as_str(), "stopping");
}

#[tokio::test(start_paused = true)]
async fn time_and_output_are_spoilt() {
    let mock = MockPodman::new();
    let before = mock.now();
    mock.add_fault(FaultRule::new("ps", effect("slow 2s")).times(1));
    assert_eq!(run(&mock, "ps --format json").await.stdout, b"[]\n");
    assert_eq!((mock.now() - before).num_milliseconds(), 2000);
    mock.add_fault(FaultRule::new("ps", effect("truncate 1")).times(1));
    assert_eq!(run(&mock, "ps --format json").await.stdout, b"[");
    mock.add_fault(FaultRule::new("ps", effect("warn beware")).times(1));
    let warned = run(&mock, "ps -q").await;
    assert_eq!((warned.code, &warned.stderr[..]), (0, &b"beware\n"[..]));
    mock.add_fault(FaultRule::new("ps", effect("garbage")).times(1));
    let spoilt = run(&mock, "ps --format json").await.stdout;
    assert!(serde_json::from_slice::<serde_json::Value>(&spoilt).is_err());
    mock.add_fault(FaultRule::new("ps", effect("hang")));
    let hangs = tokio::time::timeout(Duration::from_secs(3600), run(&mock, "ps -q"));
    assert!(hangs.await.is_err());
}

#[test]
fn what_is_no_fault_is_quoted() {
    for text in [
        "",
        "fail",
        "fail x y",
        "slow",
        "slow 3",
        "kill",
        "truncate x",
        "dance",
    ] {
        let error = text.parse::<FaultEffect>().expect_err("it is none");
        assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
    }
}
