//! The clock jumps: nothing waits for a time that does not come, and nothing is done over and over.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::node::Node;

const MINUTE: Duration = Duration::from_secs(60);
const NO_RESTART: &str = "restart = \"no\"";

fn jumps() -> [TimeDelta; 4] {
    [
        TimeDelta::days(3650),
        TimeDelta::days(-3650),
        TimeDelta::hours(3),
        TimeDelta::hours(-3),
    ]
}

#[tokio::test(start_paused = true)]
async fn attempts_go_on_an_interval_apart() {
    for jump in jumps() {
        let node = Node::new().await;
        node.app("echo", "serve 1", NO_RESTART);
        node.install("echo").await;
        node.podman.fail_start("echo", 99);
        node.podman.kill_process("echo");
        let before = node.podman.calls().len();
        node.look_and_wait(MINUTE).await;
        assert_eq!(node.calls("start", before).len(), 1);
        node.clock.jump(jump);
        // One attempt may come at once, as nobody knows how long the last was ago; then one each two minutes.
        node.look_and_wait(MINUTE).await;
        let at_once = node.calls("start", before).len();
        assert!(at_once <= 2, "{jump}: {at_once} attempts");
        tokio::time::sleep(MINUTE * 6).await;
        let attempts = node.calls("start", before).len();
        assert!((4..=5).contains(&attempts), "{jump}: {attempts} attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn the_slow_lane_is_neither_closed_nor_a_race_track() {
    for jump in jumps() {
        let node = Node::with(|config| {
            config.health.max_restart_attempts = 1;
            config.health.slow_lane = MINUTE * 20;
        })
        .await;
        node.app("echo", "serve 1", NO_RESTART);
        node.install("echo").await;
        node.podman.fail_start("echo", 999);
        node.podman.kill_process("echo");
        node.look_and_wait(MINUTE * 10).await;
        let before = node.podman.calls().len();
        node.clock.jump(jump);
        node.look_and_wait(MINUTE * 50).await;
        let attempts = node.calls("start", before).len();
        assert!(
            (2..=3).contains(&attempts),
            "{jump}: {attempts} attempts in 50 minutes"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_forgiven_after_an_hour_at_the_latest() {
    for jump in jumps() {
        let node = Node::new().await;
        node.app("echo", "serve 1", NO_RESTART);
        node.install("echo").await;
        node.podman.kill_process("echo");
        tokio::time::sleep(Duration::from_secs(1)).await;
        node.look_and_wait(MINUTE).await;
        assert_eq!(node.container("echo").await["restarts"], 1);
        node.clock.jump(jump);
        tokio::time::sleep(MINUTE * 64).await;
        assert_eq!(node.container("echo").await["restarts"], 0, "{jump}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_nobody_finishes_is_still_finished() {
    for jump in jumps() {
        let node = Node::new().await;
        node.app(
            "echo",
            "ignore-term",
            &format!("{NO_RESTART}\nstop_grace_secs = 5"),
        );
        node.install("echo").await;
        // Somebody else's `podman stop` is killed: the container stays `stopping`.
        let stop = node.podman(&["stop", "--time=100000", "echo"]);
        assert!(tokio::time::timeout(MINUTE, stop).await.is_err());
        node.look_and_wait(Duration::from_secs(5)).await;
        assert_eq!(node.state("echo").expect("there").as_str(), "stopping");
        node.clock.jump(jump);
        node.look_and_wait(MINUTE * 5).await;
        assert!(node.is_running("echo"), "{jump}: {:?}", node.state("echo"));
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_goes_by_boots_and_not_by_times() {
    for jump in jumps() {
        let mut node = Node::new().await;
        node.app("echo", "serve 1", NO_RESTART);
        node.app("quiet", "serve 2", NO_RESTART);
        for id in ["echo", "quiet"] {
            node.install(id).await;
        }
        node.rpc("package.stop", json!({ "id": "quiet" }))
            .await
            .expect("stopped");
        node.power_loss().await;
        // A board without a battery comes up in another year.
        node.clock.jump(jump);
        let before = node.podman.calls().len();
        node.start_daemon().await;
        node.look_and_wait(MINUTE * 10).await;
        assert_eq!(node.calls("start", before), ["echo"], "{jump}");
        // A daemon that is only restarted starts nothing.
        node.kill_daemon().await;
        node.clock.jump(-jump);
        node.start_daemon().await;
        node.look_and_wait(MINUTE * 10).await;
        assert_eq!(node.calls("start", before), ["echo"], "{jump}");
    }
}
