//! Install: running and listed, or undone to the last thing and explained.

use std::time::Duration;

use serde_json::json;

use super::node::{Node, container};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn runs_and_is_listed_as_running() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "secrets = [{ name = \"echo-token\", env = \"TOKEN\" }]\nvolumes = [{ name = \"echo-data\", path = \"/data\" }]\nports = [{ host = 18080, container = 8080, bind = \"loopback\" }]");
    let result = node
        .rpc("package.install", json!({ "id": "echo" }))
        .await
        .expect("installed");
    assert_eq!(result["state"], "running", "{result}");
    assert_eq!(node.container("echo").await["podman_state"], "running");
    let labels = node.podman(&["container", "inspect", "--", "echo"]).await;
    assert!(
        labels.contains("\"io.archipelago.package\": \"echo\"")
            || labels.contains("\"io.archipelago.package\":\"echo\""),
        "{labels}"
    );
    let again = node
        .rpc("package.install", json!({ "id": "echo" }))
        .await
        .expect_err("is installed");
    assert_eq!(again["code"], -32012);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_in_no_argument_answer_or_state_file() {
    let node = Node::new().await;
    let secret = "secrets = [{ name = \"echo-token\", env = \"TOKEN\" }]";
    node.manifest(
        "echo",
        &(container("echo-a", "serve 1", secret) + &container("echo-b", "serve 2", secret)),
    );
    node.install("echo").await;
    let secret = std::fs::read_to_string(node.state_file("secrets/echo-token")).expect("secret");
    assert_eq!(secret.len(), 32);
    assert!(!format!("{:?}", node.podman.calls()).contains(&secret));
    assert!(!format!("{:?}", node.package("echo").await).contains(&secret));
    for file in [
        "packages/echo.json",
        "restart-tracker.json",
        "running-containers.json",
    ] {
        let text = std::fs::read_to_string(node.state_file(file)).expect("a state file");
        assert!(!text.contains(&secret), "{file}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_that_exits_at_once_is_an_error_with_its_log_and_leaves_nothing() {
    let node = Node::new().await;
    node.podman(&["volume", "create", "kept"]).await;
    node.manifest("bad", &[
        container("bad-db", "serve 1", "volumes = [{ name = \"kept\", path = \"/a\" }, { name = \"fresh\", path = \"/b\" }]\nsecrets = [{ name = \"bad-token\", env = \"T\" }]"),
        container("bad", "exit 7", "depends_on = [\"bad-db\"]"),
    ].concat());
    node.podman.delay_log("bad", 2);
    let error = node
        .rpc("package.install", json!({ "id": "bad" }))
        .await
        .expect_err("must fail");
    assert_eq!(error["code"], -32023, "{error}");
    assert_eq!(error["data"]["exit_code"], 7);
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("exiting with 7")),
        "{error}"
    );
    assert_eq!(node.podman.containers(), []);
    assert_eq!(
        node.podman(&["volume", "ls", "--format=json"])
            .await
            .matches("\"Name\"")
            .count(),
        1,
        "only `kept` stays"
    );
    assert!(
        !node
            .podman(&["network", "ls", "--format=json"])
            .await
            .contains("archipelago")
    );
    assert!(
        !node
            .podman(&["secret", "ls", "--format={{.Name}}"])
            .await
            .contains("bad")
    );
    assert!(!node.state_file("secrets/bad-token").exists());
    assert!(!node.state_file("packages/bad.json").exists());
    assert_eq!(node.package("bad").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_an_error_and_leaves_nothing() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "");
    node.podman.fail_start("echo", 1);
    let error = node
        .rpc("package.install", json!({ "id": "echo" }))
        .await
        .expect_err("must fail");
    assert_eq!(error["code"], -32022, "{error}");
    assert_eq!(node.podman.containers(), []);
    node.install("echo").await;
}

#[tokio::test(start_paused = true)]
async fn a_strangers_container_of_that_name_is_not_touched() {
    let node = Node::new().await;
    node.podman(&["run", "-d", "--name=echo", super::node::IMAGE, "serve", "1"])
        .await;
    node.app("echo", "serve 1", "");
    let error = node
        .rpc("package.install", json!({ "id": "echo" }))
        .await
        .expect_err("must fail");
    assert_eq!(error["code"], -32017, "{error}");
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_secret_is_not_made_anew_while_data_needs_it() {
    let node = Node::new().await;
    let db = "secrets = [{ name = \"shop-password\", env = \"P\" }]\nvolumes = [{ name = \"shop-data\", path = \"/d\" }]";
    node.app("shop", "serve 1", db);
    node.install("shop").await;
    let keep = json!({ "id": "shop", "keepData": true });
    node.rpc("package.uninstall", keep)
        .await
        .expect("uninstalled");
    let file = node.state_file("secrets/shop-password");
    let secret = std::fs::read(&file).expect("kept");
    std::fs::remove_file(&file).expect("lost");
    let error = node
        .rpc("package.install", json!({ "id": "shop" }))
        .await
        .expect_err("must refuse");
    assert_eq!(error["code"], -32019, "{error}");
    assert_eq!(
        (&error["data"]["secret"], &error["data"]["volumes"]),
        (&json!("shop-password"), &json!(["shop-data"])),
        "{error}"
    );
    let text = error["message"].as_str().expect("a text");
    for word in [
        file.to_str().expect("text"),
        "put the file back",
        "podman volume rm shop-data",
    ] {
        assert!(text.contains(word), "{text}");
    }
    assert!(!file.exists());
    assert_eq!(node.package("shop").await, None, "nothing was begun");
    // Both ways out that it names: the file is back, or the data is gone.
    std::fs::write(&file, &secret).expect("put back");
    node.install("shop").await;
    assert_eq!(std::fs::read(&file).expect("kept"), secret);
    let keep = json!({ "id": "shop", "keepData": true });
    node.rpc("package.uninstall", keep)
        .await
        .expect("uninstalled");
    std::fs::remove_file(&file).expect("lost again");
    node.podman(&["volume", "rm", "shop-data"]).await;
    node.install("shop").await;
    assert_ne!(std::fs::read(&file).expect("new"), secret);
}

#[tokio::test(start_paused = true)]
async fn killed_half_way_it_is_undone_at_the_next_start() {
    let mut node = Node::new().await;
    node.manifest(
        "two",
        &(container(
            "two-db",
            "serve 1",
            "volumes = [{ name = \"two-data\", path = \"/a\" }]",
        ) + &container("two", "serve 2", "depends_on = [\"two-db\"]")),
    );
    let call = node.rpc("package.install", json!({ "id": "two" }));
    // The stay-up watch of the first container is where this ends.
    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    assert!(node.is_running("two-db"));
    assert_eq!(
        node.package("two").await.expect("listed")["state"],
        "installing"
    );
    let second = node
        .rpc("package.stop", json!({ "id": "two" }))
        .await
        .expect_err("one at a time");
    assert_eq!(
        (second["code"].as_i64(), &second["data"]["running"]),
        (Some(-32013), &json!("install"))
    );
    node.kill_daemon().await;
    node.start_daemon().await;
    assert_eq!(node.podman.containers(), []);
    assert_eq!(
        node.podman(&["volume", "ls", "--format=json"]).await.trim(),
        "[]"
    );
    assert!(!node.state_file("packages/two.json").exists());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_does_not_end_the_install() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "");
    let call = node.rpc("package.install", json!({ "id": "echo" }));
    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(
        node.package("echo").await.expect("listed")["state"],
        "running"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_dependency_and_hostile_ids_are_refused() {
    let node = Node::new().await;
    node.app("base", "serve 1", "");
    node.app("top", "serve 2", "depends_on = [\"base\"]");
    let error = node
        .rpc("package.install", json!({ "id": "top" }))
        .await
        .expect_err("must fail");
    assert_eq!(error["code"], -32016, "{error}");
    for id in ["-x", "../echo", "a b", "", "a\0b", &"x".repeat(300)] {
        let error = node
            .rpc("package.install", json!({ "id": id }))
            .await
            .expect_err(id);
        assert_eq!(error["code"], -32010, "{error}");
    }
}
