//! Bringing up several containers: in order, watched together.

use std::time::Duration;

use serde_json::json;

use super::node::{Node, container};

const NO_RESTART: &str = "restart = \"no\"";

fn after(dependency: &str) -> String {
    format!("{NO_RESTART}\ndepends_on = [\"{dependency}\"]")
}

/// Four containers, each after the one before.
fn row_of_four() -> String {
    [
        container("row-a", "serve 1", NO_RESTART),
        container("row-b", "serve 2", &after("row-a")),
        container("row-c", "serve 3", &after("row-b")),
        container("row-d", "serve 4", &after("row-c")),
    ]
    .concat()
}

/// When a container was last started.
fn started(node: &Node, name: &str) -> chrono::DateTime<chrono::Utc> {
    let starts = node.podman.timed_calls().into_iter().filter(|call| {
        call.args[0] == "start" && call.args.last().is_some_and(|last| last == name)
    });
    starts.map(|call| call.at).next_back().expect("was started")
}

#[tokio::test(start_paused = true)]
async fn stay_up_windows_overlap_and_each_counts_from_its_own_start() {
    let stay_up = Duration::from_secs(10);
    let node = Node::with(|config| config.install.stay_up = stay_up).await;
    node.manifest("row", &row_of_four());
    for (method, params) in [
        ("package.install", json!({ "id": "row" })),
        ("package.restart", json!({ "id": "row" })),
    ] {
        let from = node.podman.now();
        node.rpc(method, params).await.expect(method);
        let took = (node.podman.now() - from).to_std().expect("forwards");
        assert!(
            took < stay_up + Duration::from_secs(5),
            "{method}: {took:?}"
        );
        let last = node.podman.now() - started(&node, "row-d");
        assert!(
            last.to_std().expect("forwards") >= stay_up,
            "{method}: {last}"
        );
    }
    // All run: nothing to stay up for.
    let from = node.podman.now();
    node.rpc("package.start", json!({ "id": "row" }))
        .await
        .expect("runs");
    assert!((node.podman.now() - from).num_seconds() < 1);
}

#[tokio::test(start_paused = true)]
async fn a_dependent_starts_only_when_its_dependency_serves() {
    let node = Node::new().await;
    let health = "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 20\nretries = 1\nstart_period_secs = 60";
    node.manifest(
        "app",
        &[
            container(
                "app-job",
                "exit 0 --after 40",
                &format!("{NO_RESTART}\none_shot = true"),
            ),
            container(
                "app-db",
                "serve 1",
                &format!("{}\n{health}", after("app-job")),
            ),
            container("app", "serve 2", &after("app-db")),
        ]
        .concat(),
    );
    let install = node.rpc("package.install", json!({ "id": "app" }));
    let sick = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        // The first check would pass 0.1 s after the start.
        while node
            .state("app-db")
            .is_none_or(|state| state.as_str() != "running")
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        node.podman.set_healthy("app-db", false);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!node.is_running("app"), "its dependency is not healthy");
        node.podman.set_healthy("app-db", true);
    };
    let (installed, ()) = tokio::join!(install, sick);
    installed.expect("installed");
    assert_eq!(node.calls("start", 0), ["app-job", "app-db", "app"]);
    let gap = |one: &str, other: &str| (started(&node, other) - started(&node, one)).num_seconds();
    assert!(gap("app-job", "app-db") >= 40, "its dependency is not done");
    assert!(gap("app-db", "app") >= 30);
}

#[tokio::test(start_paused = true)]
async fn an_early_end_is_seen_while_later_ones_are_waited_for() {
    let node = Node::with(|config| config.install.stay_up = Duration::from_secs(30)).await;
    node.manifest(
        "app",
        &[
            container(
                "app-bad",
                "exit 7 --after 2",
                &format!("{NO_RESTART}\ntier = 0"),
            ),
            container(
                "app-job",
                "exit 0 --after 100",
                &format!("{NO_RESTART}\none_shot = true"),
            ),
            container("app", "serve 2", &after("app-job")),
        ]
        .concat(),
    );
    let from = node.podman.now();
    let error = node
        .rpc("package.install", json!({ "id": "app" }))
        .await
        .expect_err("must fail");
    assert_eq!(
        (&error["data"]["container"], &error["data"]["exit_code"]),
        (&json!("app-bad"), &json!(7)),
        "{error}"
    );
    assert!(
        error["data"]["log"].to_string().contains("exiting with 7"),
        "{error}"
    );
    let failed = node
        .podman
        .timed_calls()
        .into_iter()
        .find(|call| call.args[0] == "logs");
    let took = failed.expect("the log is read").at - from;
    assert!(took.num_seconds() < 5, "{took}");
    assert!(!node.calls("start", 0).contains(&"app".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn of_several_that_fail_the_first_in_order_is_named() {
    let node = Node::new().await;
    node.manifest(
        "app",
        &[
            container("app-a", "exit 3", &format!("{NO_RESTART}\ntier = 0")),
            container("app-b", "serve 1", NO_RESTART),
        ]
        .concat(),
    );
    // The first has ended before the start of the second fails.
    node.podman.fail_start("app-b", 1);
    let error = node
        .rpc("package.install", json!({ "id": "app" }))
        .await
        .expect_err("must fail");
    assert_eq!(error["data"]["container"], "app-a", "{error}");
    assert_eq!(node.podman.containers(), []);
}

#[tokio::test(start_paused = true)]
async fn a_quick_restart_by_podman_within_the_window_is_an_error_also_after_earlier_ones() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "restart = \"on-failure:9\"");
    node.install("echo").await;
    // podman restarts it three times: its count is 3 before the next start by hand.
    for _ in 0..3 {
        node.podman.kill_process("echo");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    node.rpc("package.stop", json!({ "id": "echo" }))
        .await
        .expect("stopped");
    let start = node.rpc("package.start", json!({ "id": "echo" }));
    let kill = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        node.podman.kill_process("echo");
    };
    let (outcome, ()) = tokio::join!(start, kill);
    let error = outcome.expect_err("podman had to restart it");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("had to restart it")),
        "{error}"
    );
}
