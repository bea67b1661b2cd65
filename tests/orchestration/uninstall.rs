//! Uninstall: nothing of the package is left, nobody else's is touched.

use serde_json::json;

use super::node::{IMAGE, Node, container};

const EVERYTHING: &str = "volumes = [{ name = \"echo-data\", path = \"/data\" }]\nsecrets = [{ name = \"echo-token\", env = \"TOKEN\" }]";

/// All that podman has, without what changes by itself.
async fn leftovers(node: &Node) -> String {
    let mut text = format!("{:?}", node.podman.containers());
    for args in [
        ["volume", "ls", "--format=json"],
        ["network", "ls", "--format=json"],
        ["secret", "ls", "--format={{.Name}}"],
    ] {
        text.push_str(&node.podman(&args).await);
    }
    text
}

#[tokio::test(start_paused = true)]
async fn leaves_nothing_and_touches_nobody_else() {
    let node = Node::new().await;
    node.podman(&["volume", "create", "strangers"]).await;
    node.podman(&["network", "create", "strangers-net"]).await;
    node.podman(&[
        "run",
        "-d",
        "--name=stranger",
        "--volume=strangers:/x",
        IMAGE,
        "serve",
        "9",
    ])
    .await;
    node.app("other", "serve 2", "");
    node.install("other").await;
    let before = leftovers(&node).await;
    node.app("echo", "serve 1", EVERYTHING);
    node.install("echo").await;
    assert_ne!(leftovers(&node).await, before);
    let result = node
        .rpc("package.uninstall", json!({ "id": "echo" }))
        .await
        .expect("uninstalled");
    assert_eq!(result, json!(null));
    assert_eq!(leftovers(&node).await, before);
    assert!(node.is_running("other") && node.is_running("stranger"));
    assert!(
        !node.state_file("secrets/echo-token").exists()
            && !node.state_file("packages/echo.json").exists()
    );
    for file in [
        "restart-tracker.json",
        "user-stopped.json",
        "running-containers.json",
    ] {
        let text = std::fs::read_to_string(node.state_file(file)).unwrap_or_default();
        assert!(!text.contains("echo"), "{file}: {text}");
    }
    node.rpc("package.uninstall", json!({ "id": "other" }))
        .await
        .expect("uninstalled");
    assert!(
        !leftovers(&node).await.contains("\"archipelago\""),
        "the shared network goes with the last package"
    );
    let error = node
        .rpc("package.uninstall", json!({ "id": "echo" }))
        .await
        .expect_err("gone");
    assert_eq!(error["code"], -32011);
}

#[tokio::test(start_paused = true)]
async fn keep_data_keeps_volumes_and_secret_files_for_the_next_install() {
    let node = Node::new().await;
    node.app("echo", "serve 1", EVERYTHING);
    node.install("echo").await;
    let secret = std::fs::read(node.state_file("secrets/echo-token")).expect("secret");
    node.rpc(
        "package.uninstall",
        json!({ "id": "echo", "keepData": true }),
    )
    .await
    .expect("uninstalled");
    assert!(leftovers(&node).await.contains("echo-data"));
    assert!(!leftovers(&node).await.contains("echo-token"));
    node.install("echo").await;
    assert_eq!(
        std::fs::read(node.state_file("secrets/echo-token")).expect("secret"),
        secret
    );
}

#[tokio::test(start_paused = true)]
async fn dependents_guard_it_unless_forced() {
    let node = Node::new().await;
    node.app("base", "serve 1", "");
    node.app("top", "serve 2", "depends_on = [\"base\"]");
    node.install("base").await;
    node.install("top").await;
    let error = node
        .rpc("package.uninstall", json!({ "id": "base" }))
        .await
        .expect_err("guarded");
    assert_eq!(
        (error["code"].as_i64(), &error["data"]["dependents"]),
        (Some(-32014), &json!(["top"]))
    );
    assert!(node.is_running("base"));
    node.rpc("package.uninstall", json!({ "id": "base", "force": true }))
        .await
        .expect("forced");
    assert_eq!(node.state("base"), None);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_listed_and_the_next_call_finishes() {
    let node = Node::new().await;
    node.app("echo", "serve 1", EVERYTHING);
    node.install("echo").await;
    node.podman(&[
        "run",
        "-d",
        "--name=holder",
        "--volume=echo-data:/x",
        IMAGE,
        "serve",
        "9",
    ])
    .await;
    let error = node
        .rpc("package.uninstall", json!({ "id": "echo" }))
        .await
        .expect_err("in use");
    assert_eq!(error["code"], -32024, "{error}");
    assert!(
        error["data"]["left"]
            .to_string()
            .contains("volume `echo-data`"),
        "{error}"
    );
    assert!(node.is_running("holder"));
    assert_eq!(
        node.package("echo").await.expect("listed")["state"],
        "needs attention"
    );
    node.podman(&["rm", "-f", "holder"]).await;
    node.rpc("package.uninstall", json!({ "id": "echo" }))
        .await
        .expect("finished");
    assert_eq!(node.package("echo").await, None);
}

#[tokio::test(start_paused = true)]
async fn cut_short_it_is_finished_at_the_next_start() {
    let mut node = Node::new().await;
    node.manifest(
        "slow",
        &container("slow", "ignore-term", "stop_grace_secs = 60"),
    );
    node.install("slow").await;
    let call = node.rpc("package.uninstall", json!({ "id": "slow" }));
    assert!(
        tokio::time::timeout(std::time::Duration::from_secs(5), call)
            .await
            .is_err()
    );
    node.kill_daemon().await;
    node.start_daemon().await;
    assert_eq!(node.podman.containers(), []);
    assert_eq!(node.package("slow").await, None);
}
