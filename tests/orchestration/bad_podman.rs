//! podman that is not there, hangs, or prints something else than what was asked for: a clear error, and nothing is done on
//! the strength of an answer that is none.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::node::{Mood, Node, container};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

async fn two_packages() -> Node {
    let node = Node::new().await;
    node.app("echo", "serve 1", "restart = \"no\"");
    node.app("quiet", "serve 2", "restart = \"no\"");
    for id in ["echo", "quiet"] {
        node.install(id).await;
    }
    node.rpc("package.stop", json!({ "id": "quiet" }))
        .await
        .expect("stopped");
    node
}

/// Every call that changes a package; `new` is not installed.
fn changes() -> [(&'static str, Value); 6] {
    [
        ("package.install", json!({ "id": "new" })),
        ("package.stop", json!({ "id": "echo" })),
        ("package.start", json!({ "id": "echo" })),
        ("package.restart", json!({ "id": "echo" })),
        ("package.list", json!({})),
        ("package.uninstall", json!({ "id": "echo" })),
    ]
}

async fn health(node: &Node) -> Value {
    let health = node.rpc("system.health", json!({})).await;
    health.expect("answers also without podman")
}

#[tokio::test(start_paused = true)]
async fn without_podman_every_call_says_so_and_nothing_is_lost() {
    let mut node = two_packages().await;
    node.app("new", "serve 3", "");
    let before = node.census().await;
    node.shutdown().await;
    node.is_cut.store(true, Ordering::Relaxed);
    // Also from its start on: it waits for podman, and answers meanwhile.
    let daemon = node.try_daemon().expect("starts without podman");
    tokio::time::sleep(MINUTE).await;
    assert!(daemon.is_recovering());
    daemon.shutdown().await;
    node.is_cut.store(false, Ordering::Relaxed);
    node.start_daemon().await;
    node.is_cut.store(true, Ordering::Relaxed);
    for (method, params) in changes() {
        let error = node.rpc(method, params).await.expect_err(method);
        let text = error["message"].to_string();
        assert!(
            text.contains("`podman` did not start") || text.contains("is podman installed"),
            "{method}: {text}"
        );
    }
    assert_eq!(health(&node).await["status"], "podman failed");
    node.is_cut.store(false, Ordering::Relaxed);
    // What was asked for meanwhile, and could not be done, is done or undone by the same call.
    node.rpc("package.uninstall", json!({ "id": "echo" }))
        .await
        .expect("podman is back");
    node.install("echo").await;
    tokio::time::sleep(SECOND * 20).await;
    let now = node.census().await;
    let names = |census: &std::collections::BTreeSet<String>| -> Vec<String> {
        let words = |line: &String| line.split(' ').take(3).collect::<Vec<_>>().join(" ");
        census.iter().map(words).collect()
    };
    assert_eq!(names(&now), names(&before));
    assert_eq!(health(&node).await["status"], "ok");
}

#[tokio::test(start_paused = true)]
async fn while_podman_hangs_other_calls_are_answered_and_each_command_has_its_limit() {
    let node = two_packages().await;
    node.podman_is(Mood::Hangs);
    let from = tokio::time::Instant::now();
    let list = node.rpc("package.list", json!({}));
    let others = async {
        tokio::time::sleep(SECOND).await;
        for _ in 0..10 {
            health(&node).await;
        }
        from.elapsed()
    };
    let (listed, others) = tokio::join!(list, others);
    assert!(others < SECOND * 2, "{others:?}");
    let error = listed.expect_err("podman never answered");
    let text = error["message"].to_string();
    assert!(
        text.contains("podman ps") && text.contains("30"),
        "which command, and how long it was waited for: {text}"
    );
    assert!(from.elapsed() < SECOND * 35, "{:?}", from.elapsed());
    // The monitor does nothing on what it does not know, and goes on when it does.
    node.look_and_wait(MINUTE * 10).await;
    assert_eq!(health(&node).await["status"], "podman failed");
    node.podman_is(Mood::Well);
    node.podman.kill_process("echo");
    tokio::time::sleep(MINUTE).await;
    assert!(node.is_running("echo"));
    assert_eq!(health(&node).await["status"], "ok");
}

#[tokio::test(start_paused = true)]
async fn an_install_whose_start_hangs_ends_after_two_minutes_and_is_undone() {
    let node = Node::new().await;
    let before = node.census().await;
    node.app(
        "echo",
        "serve 1",
        "volumes = [{ name = \"echo-data\", path = \"/d\" }]",
    );
    node.catch(super::node::Catch {
        verb: Some("start"),
        passing: 0,
        is_done: true,
    });
    let from = tokio::time::Instant::now();
    let error = node
        .rpc("package.install", json!({ "id": "echo" }))
        .await
        .expect_err("never started");
    let took = from.elapsed().as_secs();
    assert!((120..135).contains(&took), "{took} s");
    assert!(
        error["message"].to_string().contains("podman start"),
        "{error}"
    );
    let mut now = node.census().await;
    // It was written when the start failed, and holds nothing by now.
    now.remove("file restart-tracker.json");
    assert_eq!(now, before);
    node.install("echo").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_an_error_that_names_the_command_and_no_reason_to_act() {
    for mood in [Mood::Warns, Mood::Garbage, Mood::Silence] {
        let mut node = two_packages().await;
        node.manifest("new", &container("new", "serve 3", "restart = \"no\""));
        let before = node.census().await;
        let from = node.podman.calls().len();
        node.podman_is(mood);
        let error = node
            .rpc("package.list", json!({}))
            .await
            .expect_err("no list");
        let text = error["message"].to_string();
        assert!(
            text.contains("podman ps") || text.contains("podman container inspect"),
            "{mood:?}: {text}"
        );
        let error = node.rpc("package.install", json!({ "id": "new" })).await;
        assert!(error.is_err(), "{mood:?}: {error:?}");
        node.look_and_wait(MINUTE * 10).await;
        assert_eq!(health(&node).await["status"], "podman failed", "{mood:?}");
        // Also for the next daemon, which cannot recover on that.
        node.kill_daemon().await;
        let daemon = node.try_daemon().expect("starts");
        tokio::time::sleep(MINUTE).await;
        assert!(daemon.is_recovering(), "{mood:?}");
        daemon.abort().await;
        // What runs was not touched, what does not run was not started.
        for verb in ["start", "stop", "rm", "kill", "restart"] {
            let mut of_verb = node.calls(verb, from);
            of_verb.retain(|name| name != "new");
            assert_eq!(of_verb, [""; 0], "{mood:?} {verb}");
        }
        node.podman_is(Mood::Well);
        node.start_daemon().await;
        assert_eq!(node.census().await, before, "{mood:?}");
        node.install("new").await;
        assert_eq!(
            node.package("quiet").await.expect("listed")["state"],
            "stopped"
        );
        assert_eq!(node.container("echo").await["restarts"], 0, "{mood:?}");
    }
}
