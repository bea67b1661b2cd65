//! Post-install hooks: awaited, tried again, and their failure is the install's.

use archipelago::package::HOOK_WAIT;
use serde_json::json;

use super::node::{Catch, Node, container};

fn hook(more: &str) -> String {
    container(
        "shop",
        "serve 1",
        "restart = \"no\"\nvolumes = [{ name = \"shop-data\", path = \"/d\" }]",
    ) + &format!(
        "[[hooks.post_install]]\ncontainer = \"shop\"\ncommand = [\"/fixture\", \"check\"]\n{more}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_run_in_its_container_before_the_install_is_done() {
    let node = Node::new().await;
    node.manifest("shop", &hook(""));
    node.install("shop").await;
    let calls = node.podman.calls();
    let exec = calls.iter().find(|call| call[0] == "exec");
    assert_eq!(
        exec.expect("the hook is run")[1..],
        ["shop", "/fixture", "check"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_tried_as_often_as_it_may() {
    let node = Node::new().await;
    node.manifest("shop", &hook("attempts = 3"));
    node.podman.fail_exec("shop", 2, 9, "not ready yet");
    node.install("shop").await;
    let calls = node.podman.timed_calls();
    let tried = calls.iter().filter(|call| call.args[0] == "exec");
    let tried: Vec<_> = tried.map(|call| call.at).collect();
    assert_eq!(tried.len(), 3);
    for pair in tried.windows(2) {
        let wait = (pair[1] - pair[0]).to_std().expect("in order");
        assert!(wait >= HOOK_WAIT, "{wait:?} between two attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_is_the_installs_failure_and_all_is_undone() {
    let node = Node::new().await;
    let before = node.census().await;
    node.manifest("shop", &hook("attempts = 2"));
    node.podman.fail_exec("shop", 2, 9, "no such table");
    let error = node.rpc("package.install", json!({ "id": "shop" })).await;
    let error = error.expect_err("the hook fails");
    assert_eq!(
        (error["code"].as_i64(), &error["data"]["exit_code"]),
        (Some(-32035), &json!(9)),
        "{error}"
    );
    let text = error["message"].as_str().expect("a text");
    assert!(
        text.contains("no such table") && text.contains("attempt 2"),
        "{text}"
    );
    assert_eq!(node.calls("exec", 0).len(), 2);
    assert_eq!(node.census().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_run_at_an_update_and_its_failure_brings_the_old_version_back() {
    let node = Node::new().await;
    node.manifest("shop", &hook(""));
    node.install("shop").await;
    let update = async || node.rpc("package.update", json!({ "id": "shop" })).await;
    node.manifest("shop", &hook("attempts = 2"));
    update().await.expect("updated");
    assert_eq!(node.calls("exec", 0).len(), 2);
    node.manifest("shop", &hook("attempts = 1"));
    node.podman.fail_exec("shop", 1, 9, "no such table");
    let error = update().await.expect_err("the hook fails");
    let text = error["message"].as_str().expect("a text");
    assert!(
        text.contains("runs again") && text.contains("no such table"),
        "{text}"
    );
    assert!(node.is_running("shop"));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_is_given_its_time() {
    let node = Node::new().await;
    node.manifest("shop", &hook("timeout_secs = 7"));
    node.catch(Catch {
        verb: Some("exec"),
        passing: 0,
        is_done: false,
    });
    let from = tokio::time::Instant::now();
    let error = node.rpc("package.install", json!({ "id": "shop" })).await;
    let error = error.expect_err("the hook hangs");
    assert_eq!(error["code"], -32035, "{error}");
    let took = from.elapsed().as_secs();
    assert!((7..60).contains(&took), "{took} s");
}
