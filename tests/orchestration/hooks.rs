//! Post-install hooks: awaited, tried again, and their failure is the install's.

use serde_json::json;

use super::node::{Node, container};

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
    assert_eq!(node.calls("exec", 0).len(), 3);
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
