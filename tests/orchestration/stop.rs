//! Stop, start, restart, and what the user wants.

use std::time::Duration;

use serde_json::json;

use super::node::{Node, container};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn containers_stop_in_reverse_order_each_with_its_grace() {
    let node = Node::new().await;
    node.manifest(
        "shop",
        &[
            container("shop-db", "serve 1", "tier = 0"),
            container("shop-api", "serve 2", "depends_on = [\"shop-db\"]"),
            container(
                "shop",
                "serve 3",
                "tier = 3\nstop_grace_secs = 7\ndepends_on = [\"shop-api\"]",
            ),
        ]
        .concat(),
    );
    node.install("shop").await;
    assert_eq!(node.calls("start", 0), ["shop-db", "shop-api", "shop"]);
    let before = node.podman.calls().len();
    node.rpc("package.stop", json!({ "id": "shop" }))
        .await
        .expect("stopped");
    let stops: Vec<String> = node.podman.calls()[before..]
        .iter()
        .filter(|args| args[0] == "stop")
        .map(|args| args.join(" "))
        .collect();
    assert_eq!(
        stops,
        [
            "stop --time=7 -- shop",
            "stop --time=30 -- shop-api",
            "stop --time=120 -- shop-db"
        ]
    );
    assert_eq!(
        node.package("shop").await.expect("listed")["state"],
        "stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn user_stopped_stays_stopped_also_after_a_restart_and_a_power_loss() {
    let mut node = Node::new().await;
    node.app("echo", "ignore-term", "stop_grace_secs = 5");
    node.install("echo").await;
    node.rpc("package.stop", json!({ "id": "echo" }))
        .await
        .expect("stopped");
    let entry = node.package("echo").await.expect("listed");
    assert_eq!(
        (entry["state"].as_str(), entry["exit_code"].as_i64()),
        (Some("stopped"), Some(137)),
        "{entry}"
    );
    node.look_and_wait(MINUTE * 10).await;
    assert!(!node.is_running("echo"));
    node.shutdown().await;
    node.start_daemon().await;
    node.look_and_wait(MINUTE * 10).await;
    assert!(!node.is_running("echo"));
    node.power_loss().await;
    node.start_daemon().await;
    node.look_and_wait(MINUTE * 10).await;
    assert!(!node.is_running("echo"));
    assert_eq!(
        node.package("echo").await.expect("listed")["state"],
        "stopped"
    );
    node.rpc("package.start", json!({ "id": "echo" }))
        .await
        .expect("started");
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_cut_short_is_finished_at_the_next_start() {
    let mut node = Node::new().await;
    node.app("echo", "ignore-term", "stop_grace_secs = 50");
    node.install("echo").await;
    let call = node.rpc("package.stop", json!({ "id": "echo" }));
    assert!(
        tokio::time::timeout(Duration::from_secs(5), call)
            .await
            .is_err()
    );
    node.kill_daemon().await;
    node.start_daemon().await;
    assert_eq!(node.state("echo").expect("there").as_str(), "exited");
}

#[tokio::test(start_paused = true)]
async fn restart_stops_and_starts() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "");
    node.install("echo").await;
    let before = node.podman.calls().len();
    let entry = node
        .rpc("package.restart", json!({ "id": "echo" }))
        .await
        .expect("restarted");
    assert_eq!(entry["state"], "running");
    assert_eq!(
        (
            node.calls("stop", before).len(),
            node.calls("start", before).len()
        ),
        (1, 1)
    );
}
