//! Notifications: what the user did not ask for is told, once, and outlives the daemon.

use std::time::Duration;

use archipelago::package::{Change, KEPT_NOTIFICATIONS, Notification, Severity};
use serde_json::json;

use super::node::{IMAGE, Node};

const NO_RESTART: &str = "restart = \"no\"";
const HOUR: Duration = Duration::from_secs(3600);

fn told(node: &Node) -> Vec<Notification> {
    node.daemon().packages().notifications()
}

fn texts(node: &Node) -> Vec<String> {
    told(node).into_iter().map(|it| it.text).collect()
}

#[tokio::test(start_paused = true)]
async fn giving_up_and_getting_well_are_told_once_each() {
    let mut node = Node::with(|config| {
        config.health.max_restart_attempts = 2;
        config.health.slow_lane = HOUR;
    })
    .await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    let mut changes = node.daemon().packages().changes();
    node.podman.fail_start("echo", 3);
    node.podman.kill_process("echo");
    node.look_and_wait(HOUR / 2).await;
    let all = told(&node);
    assert_eq!(all.len(), 1, "{all:?}");
    let first = &all[0];
    assert_eq!(
        (
            first.severity,
            first.package.as_deref(),
            first.container.as_deref()
        ),
        (Severity::Error, Some("echo"), Some("echo"))
    );
    assert!(
        first.text.contains("gave up after 2 attempts"),
        "{}",
        first.text
    );
    let mut heard = 0;
    while let Ok(change) = changes.try_recv() {
        heard += usize::from(change == Change::Notification(first.clone()));
    }
    assert_eq!(heard, 1);
    // The next daemon does not say it again.
    node.kill_daemon().await;
    node.start_daemon().await;
    node.look_and_wait(Duration::from_secs(60)).await;
    assert_eq!(told(&node), all);
    // The slow lane brings it up, and after its time it is well.
    tokio::time::sleep(HOUR * 5).await;
    assert!(node.is_running("echo"));
    let all = told(&node);
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(all[1].severity, Severity::Info);
    assert!(all[1].text.contains("is well again"), "{}", all[1].text);
    assert!(all[1].id > all[0].id);
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_state_file_is_told_with_where_it_lies() {
    let mut node = Node::new().await;
    node.app("echo", "serve 1", "");
    node.install("echo").await;
    node.kill_daemon().await;
    for file in [
        "packages/echo.json",
        "user-stopped.json",
        "archipelago.pid",
        "notifications.json",
    ] {
        std::fs::write(node.state_file(file), "{ half").expect("written");
    }
    node.start_daemon().await;
    let all = texts(&node);
    for file in [
        "echo.json",
        "user-stopped.json",
        "archipelago.pid",
        "notifications.json",
    ] {
        let of_file = all
            .iter()
            .filter(|text| text.contains(&format!("{file}.corrupt-")));
        assert_eq!(of_file.count(), 1, "{file}: {all:?}");
    }
    // `echo` is of no package now: one more, about strangers.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let strangers = texts(&node).len();
    node.kill_daemon().await;
    node.start_daemon().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(texts(&node).len(), strangers, "{:?}", texts(&node));
}

#[tokio::test(start_paused = true)]
async fn an_install_that_was_cut_short_is_told() {
    let mut node = Node::new().await;
    node.app("echo", "serve 1", "");
    let call = node.rpc("package.install", json!({ "id": "echo" }));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), call)
            .await
            .is_err()
    );
    for _ in 0..2 {
        node.kill_daemon().await;
        node.start_daemon().await;
        let all = texts(&node);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(
            all[0].contains("install of `echo` was cut short and is undone"),
            "{all:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_power_loss_is_told_with_what_was_brought_back() {
    let mut node = Node::new().await;
    for (id, command) in [("good", "serve 1"), ("bad", "serve 2")] {
        node.app(id, command, NO_RESTART);
        node.install(id).await;
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    node.podman.fail_start("bad", 9);
    node.power_loss().await;
    node.start_daemon().await;
    let all = told(&node);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].severity, Severity::Warning);
    assert!(
        all[0].text.contains("brought back: `good`") && all[0].text.contains("trying: `bad`"),
        "{all:?}"
    );
    // A kill without power loss is none.
    node.kill_daemon().await;
    node.start_daemon().await;
    assert_eq!(told(&node).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn strangers_at_the_start_are_one_notification_and_only_once() {
    let mut node = Node::new().await;
    let label = "--label=io.archipelago.package=gone";
    node.podman(&["create", "--name", "gone", label, IMAGE, "serve", "1"])
        .await;
    node.podman(&["volume", "create", label, "gone-data"]).await;
    for _ in 0..2 {
        node.kill_daemon().await;
        node.start_daemon().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let all = texts(&node);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(
            all[0].contains("`gone`") && all[0].contains("`gone-data`"),
            "{all:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_are_kept() {
    let mut node = Node::new().await;
    node.kill_daemon().await;
    let old = |id: usize| json!({ "id": id, "at": "2026-01-01T00:00:00Z", "severity": "info", "package": null, "container": null, "text": "old" });
    let old: Vec<_> = (1..=KEPT_NOTIFICATIONS).map(old).collect();
    let file = json!({ "version": 1, "data": old }).to_string();
    std::fs::write(node.state_file("notifications.json"), file).expect("written");
    std::fs::write(node.state_file("user-stopped.json"), "{ half").expect("written");
    node.start_daemon().await;
    let all = told(&node);
    assert_eq!(all.len(), KEPT_NOTIFICATIONS);
    assert_eq!(all[0].id, 2, "the oldest one gives way");
    assert_eq!(
        all.last().expect("one").id,
        KEPT_NOTIFICATIONS as u64 + 1,
        "{all:?}"
    );
}
