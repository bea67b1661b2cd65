//! podman's events wake the monitor, and it does without them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use archipelago::config::Config;
use chrono::TimeDelta;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::node::Node;

const SECOND: Duration = Duration::from_secs(1);
const NO_RESTART: &str = "restart = \"no\"";

/// A node that follows events; its ticks are far apart.
async fn node(major: u32, minor: u32, patch: u32) -> Node {
    Node::on_with(major, minor, patch, follows).await
}

fn follows(config: &mut Config) {
    config.health.events = true;
    config.health.interval = SECOND * 3600;
}

/// Waits until a container runs; how long that took.
async fn until_running(node: &Node, name: &str) -> Duration {
    let begun = Instant::now();
    while !node.is_running(name) {
        assert!(begun.elapsed() < SECOND * 300, "`{name}` never ran again");
        sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_end_wakes_the_monitor() {
    for (major, minor, patch) in [(4, 3, 1), (5, 4, 2), (5, 8, 6)] {
        let node = node(major, minor, patch).await;
        node.app("echo", "serve 1", NO_RESTART);
        node.install("echo").await;
        sleep(SECOND * 10).await;
        node.podman.kill_process("echo");
        let took = until_running(&node, "echo").await;
        assert!(took < SECOND, "{major}.{minor}: {took:?}");
        assert_eq!(node.container("echo").await["restarts"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn podmans_own_restarts_come_first_and_are_no_attempts() {
    let node = node(5, 4, 2).await;
    node.app("echo", "serve 1", "restart = \"on-failure:3\"");
    node.install("echo").await;
    sleep(SECOND * 10).await;
    let before = node.podman.calls().len();
    node.podman.kill_process("echo");
    let took = until_running(&node, "echo").await;
    assert!(took < SECOND, "{took:?}");
    sleep(SECOND * 60).await;
    assert_eq!(node.calls("start", before), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_becomes_unhealthy_wakes_the_monitor() {
    // podman 4.3 tells of a check what was before it: there the next check wakes the monitor.
    for (major, minor, patch) in [(5, 4, 2), (5, 8, 6)] {
        let node = node(major, minor, patch).await;
        let health = "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 1\nretries = 1";
        node.app("echo", "serve 1", &format!("{NO_RESTART}\n{health}"));
        node.install("echo").await;
        sleep(SECOND * 10).await;
        let before = node.podman.calls().len();
        node.podman.set_healthy("echo", false);
        sleep(SECOND * 5).await;
        assert_eq!(node.calls("stop", before), ["echo"]);
        assert!(node.is_running("echo"));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_else_looks_makes_no_news_old() {
    // podman 4.3 tells of a check what was before it, so there is time to look before the next one tells.
    let node = node(4, 3, 1).await;
    let health =
        "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 10\nretries = 1";
    node.app("echo", "serve 1", &format!("{NO_RESTART}\n{health}"));
    node.install("echo").await;
    sleep(SECOND * 30).await;
    let before = node.podman.calls().len();
    node.podman.set_healthy("echo", false);
    let begun = Instant::now();
    while node.container("echo").await["health"] != "unhealthy" {
        assert!(begun.elapsed() < SECOND * 30, "no check has failed");
        sleep(SECOND).await;
    }
    assert_eq!(node.calls("stop", before), [] as [String; 0]);
    let next = json!({ "Type": "container", "Status": "health_status", "Name": "echo", "health_status": "unhealthy" });
    node.podman.write_to_event_streams(&next.to_string());
    sleep(SECOND * 5).await;
    assert_eq!(node.calls("stop", before), ["echo"]);
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_stream_is_followed_anew_and_by_a_look() {
    let node = node(5, 4, 2).await;
    for id in ["echo", "other"] {
        node.app(id, "serve 1", NO_RESTART);
        node.install(id).await;
    }
    sleep(SECOND * 100).await;
    node.podman.refuse_events(true);
    node.podman.end_event_streams();
    sleep(SECOND * 300).await;
    node.podman.kill_process("echo");
    sleep(SECOND / 2).await;
    node.podman.refuse_events(false);
    // Nobody told of its end; the look after the next subscription sees it.
    let took = until_running(&node, "echo").await;
    assert!(took < SECOND * 61, "{took:?}");
    // And the stream stands again.
    sleep(SECOND * 200).await;
    node.podman.kill_process("other");
    let took = until_running(&node, "other").await;
    assert!(took < SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_to_follow_are_further_and_further_apart() {
    let node = node(5, 4, 2).await;
    node.podman.refuse_events(true);
    node.podman.end_event_streams();
    let before = node.podman.calls().len();
    sleep(SECOND * 3600).await;
    let calls = node.podman.calls();
    let asked = calls[before..].iter().filter(|args| args[0] == "events");
    // 1, 2, 4 … 60 s, then one a minute.
    let asked = asked.count();
    assert!((60..70).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn without_events_ticks_heal() {
    let node = Node::with(|config| config.health.events = true).await;
    node.podman.refuse_events(true);
    node.podman.end_event_streams();
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    sleep(SECOND * 300).await;
    node.podman.kill_process("echo");
    let took = until_running(&node, "echo").await;
    assert!(took <= SECOND * 122, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_podman_that_hangs_is_given_up_on_and_asked_again() {
    let node = Node::with(|config| config.health.events = true).await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    sleep(SECOND * 10).await;
    node.hangs.store(true, Ordering::Relaxed);
    node.podman.kill_process("echo");
    sleep(SECOND * 200).await;
    assert!(!node.is_running("echo"));
    let health = node.rpc("system.health", json!({})).await.expect("health");
    assert_eq!(health["status"], "podman failed", "{health}");
    let error = health["podman_error"].as_str().unwrap_or_default();
    assert!(error.contains("did not end within 30s"), "{health}");
    node.hangs.store(false, Ordering::Relaxed);
    let took = until_running(&node, "echo").await;
    assert!(took <= SECOND * 42, "{took:?}");
    let health = node.rpc("system.health", json!({})).await.expect("health");
    assert_eq!(health["status"], "ok", "{health}");
}

#[tokio::test(start_paused = true)]
async fn events_that_cannot_be_read_are_left_out() {
    let node = node(5, 4, 2).await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    sleep(SECOND * 10).await;
    for line in [
        "garbage",
        "",
        "{\"Status\":",
        "[1,2]",
        "{\"Status\":7}",
        "\u{0}",
    ] {
        node.podman.write_to_event_streams(line);
    }
    sleep(SECOND).await;
    let before = node.podman.calls().len();
    node.podman.kill_process("echo");
    let took = until_running(&node, "echo").await;
    assert!(took < SECOND, "{took:?}");
    // By the same stream as before.
    let again = node.podman.calls()[before..]
        .iter()
        .filter(|args| args[0] == "events")
        .count();
    assert_eq!(again, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_monitor_does_itself_does_not_wake_it_for_ever() {
    let node = node(5, 4, 2).await;
    node.app("echo", "serve 1", NO_RESTART);
    node.app("loop", "exit 1 --after 1", NO_RESTART);
    node.install("echo").await;
    sleep(SECOND * 10).await;
    let before = node.podman.calls().len();
    node.podman.kill_process("echo");
    sleep(SECOND * 1000).await;
    let looks = node.podman.calls()[before..]
        .iter()
        .filter(|args| args[0] == "ps")
        .count();
    assert!(looks <= 8, "{looks} looks for one end");
}

#[tokio::test(start_paused = true)]
async fn a_tick_is_one_list_when_nothing_changed() {
    let node = Node::new().await;
    for id in ["one", "two", "three"] {
        node.app(id, "serve 1", NO_RESTART);
        node.install(id).await;
    }
    node.look_and_wait(SECOND).await;
    let before = node.podman.calls().len();
    for _ in 0..10 {
        node.look_and_wait(SECOND).await;
    }
    let calls = node.podman.calls();
    let verbs: Vec<&str> = calls[before..]
        .iter()
        .map(|args| args[0].as_str())
        .collect();
    assert_eq!(verbs, ["ps"; 10]);
    // And of what changed, one inspection.
    node.podman.kill_process("two");
    sleep(SECOND).await;
    let before = node.podman.calls().len();
    node.package("two").await.expect("listed");
    let calls = &node.podman.calls()[before..];
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(calls[1][..3], ["container", "inspect", "--"]);
    assert_eq!(calls[1].len(), 4);
}

#[tokio::test(start_paused = true)]
async fn one_broken_container_does_not_hide_the_others() {
    let node = Node::on(4, 3, 1).await;
    for id in ["broken", "good"] {
        node.app(id, "serve 1", NO_RESTART);
        node.install(id).await;
    }
    node.podman.break_container("broken");
    node.podman.kill_process("good");
    sleep(SECOND).await;
    node.look_and_wait(SECOND).await;
    assert!(node.is_running("good"));
    let health = node.rpc("system.health", json!({})).await.expect("health");
    assert_eq!(health["status"], "podman failed", "{health}");
    let error = health["podman_error"].as_str().unwrap_or_default();
    assert!(error.contains("unknown FS magic"), "{health}");
    // What podman cannot tell about is not taken for gone.
    let before = node.podman.calls().len();
    node.look_and_wait(SECOND * 300).await;
    assert_eq!(node.calls("rm", before), [] as [String; 0]);
    assert_eq!(node.calls("create", before), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_keeps_nobody_waiting() {
    const DAYS: i64 = 400 * 86_400;
    for jump in [DAYS, -DAYS] {
        let node = Node::with(|config| config.health.events = true).await;
        for id in ["echo", "other"] {
            node.app(id, "serve 1", NO_RESTART);
            node.install(id).await;
        }
        sleep(SECOND * 10).await;
        node.podman.kill_process("echo");
        until_running(&node, "echo").await;
        node.clock.jump(TimeDelta::seconds(jump));
        // By its event, as before.
        node.podman.kill_process("other");
        let took = until_running(&node, "other").await;
        assert!(took < SECOND * 3, "{jump}: {took:?}");
        // The last attempt lies far away now: no reason to wait for another as long.
        node.podman.fail_start("echo", 1);
        node.podman.kill_process("echo");
        let took = until_running(&node, "echo").await;
        assert!(took < SECOND * 250, "{jump}: {took:?}");
        // And ticks go on.
        let looks = async || {
            let health = node.rpc("system.health", json!({})).await.expect("health");
            health["looks"].as_u64().expect("a number")
        };
        let before = looks().await;
        sleep(SECOND * 1200).await;
        let after = looks().await;
        assert!(
            (8..20).contains(&(after - before)),
            "{jump}: {before} {after}"
        );
    }
}
