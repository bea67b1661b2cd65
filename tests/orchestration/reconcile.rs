//! Reconcile: what the records say is there again; what else is there is told and left alone.

use std::sync::Arc;
use std::time::Duration;

use archipelago::package::{PackageError, Packages};
use serde_json::json;

use super::node::{IMAGE, Node, container};

const NO_RESTART: &str = "restart = \"no\"";

fn packages(node: &Node) -> &Arc<Packages> {
    node.daemon().packages()
}

async fn node_with_two() -> Node {
    let node = Node::with(|config| config.health.interval = Duration::from_secs(1_000_000)).await;
    let more = format!("{NO_RESTART}\nvolumes = [{{ name = \"two-data\", path = \"/d\" }}]");
    node.manifest(
        "two",
        &(container("two-db", "serve 1", &more)
            + &container(
                "two",
                "serve 2",
                &format!("{NO_RESTART}\ndepends_on = [\"two-db\"]"),
            )),
    );
    node.app("other", "serve 3", NO_RESTART);
    node.install("two").await;
    node.install("other").await;
    node
}

/// Makes a container as somebody would by hand.
async fn by_hand(node: &Node, name: &str, labels: &[&str]) {
    let labels: Vec<String> = labels
        .iter()
        .map(|label| format!("--label={label}"))
        .collect();
    let mut args = vec!["create", "--name", name];
    args.extend(labels.iter().map(String::as_str));
    args.extend([IMAGE, "serve", "9"]);
    node.podman(&args).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_made_from_something_else_is_made_anew() {
    let node = node_with_two().await;
    let before = node.census().await.len();
    let report = packages(&node).reconcile(None).await.expect("a report");
    assert_eq!(
        (report.recreated, report.unchanged, report.failed),
        (
            vec![],
            ["other", "two-db", "two"].map(str::to_owned).to_vec(),
            vec![]
        )
    );
    node.podman(&["rm", "-f", "two-db"]).await;
    node.podman(&["rm", "-f", "two"]).await;
    node.podman(&["volume", "rm", "two-data"]).await;
    node.podman(&["rm", "-f", "other"]).await;
    let network = archipelago::package::NETWORK;
    node.podman(&["network", "rm", network]).await;
    by_hand(
        &node,
        "two",
        &["io.archipelago.package=two", "io.archipelago.spec=0"],
    )
    .await;
    let from = node.podman.calls().len();
    let report = packages(&node)
        .reconcile(Some("two"))
        .await
        .expect("a report");
    assert_eq!(report.recreated, ["two-db", "two"], "{report:?}");
    assert!(node.is_running("two-db") && node.is_running("two"));
    assert_eq!(node.calls("start", from), ["two-db", "two"]);
    let report = packages(&node).reconcile(None).await.expect("a report");
    assert_eq!(report.recreated, ["other"], "{report:?}");
    assert_eq!(node.census().await.len(), before);
}

#[tokio::test(start_paused = true)]
async fn what_the_user_stopped_is_made_anew_and_not_started() {
    let node = node_with_two().await;
    node.rpc("package.stop", json!({ "id": "two" }))
        .await
        .expect("stopped");
    node.podman(&["rm", "-f", "two"]).await;
    let report = packages(&node)
        .reconcile(Some("two"))
        .await
        .expect("a report");
    assert_eq!(report.recreated, ["two"]);
    let state = node.state("two").expect("it is there");
    assert_eq!(state.as_str(), "created");
}

#[tokio::test(start_paused = true)]
async fn a_changed_catalog_is_told_and_changes_nothing() {
    let node = node_with_two().await;
    let file = node.config.apps_dir.join("other.toml");
    let text = std::fs::read_to_string(&file).expect("a manifest");
    let text = text.replace("version = \"1\"", "version = \"2\"");
    std::fs::write(&file, text).expect("a manifest");
    let report = packages(&node)
        .reconcile(Some("other"))
        .await
        .expect("a report");
    assert_eq!(report.recreated, [""; 0]);
    let outdated = &report.outdated[0];
    assert_eq!(
        (
            outdated.package.as_str(),
            outdated.installed.as_str(),
            outdated.catalog.as_str()
        ),
        ("other", "1", "2")
    );
    assert_eq!(node.package("other").await.expect("listed")["version"], "1");
}

#[tokio::test(start_paused = true)]
async fn strangers_are_told_and_never_touched() {
    let node = node_with_two().await;
    let label = "--label=io.archipelago.package=gone";
    node.podman(&["volume", "create", label, "gone-data"]).await;
    node.podman(&["network", "create", label, "gone-net"]).await;
    node.podman(&["volume", "create", "nobodys"]).await;
    by_hand(&node, "gone", &["io.archipelago.package=gone"]).await;
    by_hand(&node, "two-more", &["io.archipelago.package=two"]).await;
    by_hand(&node, "nobodys", &[]).await;
    node.podman(&["rm", "-f", "two"]).await;
    by_hand(&node, "two", &[]).await;
    // Data that an uninstall was asked to keep is no stranger.
    node.app(
        "keeper",
        "serve 4",
        &format!("{NO_RESTART}\nvolumes = [{{ name = \"keeper-data\", path = \"/d\" }}]"),
    );
    node.install("keeper").await;
    let keep = json!({ "id": "keeper", "keepData": true });
    node.rpc("package.uninstall", keep)
        .await
        .expect("uninstalled");
    let before = node.census().await;
    let report = packages(&node).reconcile(None).await.expect("a report");
    let found: Vec<_> = report
        .strangers
        .iter()
        .map(|it| (it.kind, it.name.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("container", "gone"),
            ("container", "two"),
            ("container", "two-more"),
            ("network", "gone-net"),
            ("volume", "gone-data"),
        ]
    );
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert_eq!(node.census().await, before);
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_and_only_what_is_installed() {
    let node = node_with_two().await;
    let error = packages(&node)
        .reconcile(Some("nosuch"))
        .await
        .expect_err("unknown");
    assert!(
        matches!(error, PackageError::NotInstalled { .. }),
        "{error}"
    );
    node.podman(&["rm", "-f", "two"]).await;
    let first = packages(&node).reconcile(Some("two"));
    let second = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        packages(&node).reconcile(Some("two")).await
    };
    let (first, second) = tokio::join!(first, second);
    first.expect("a report");
    let error = second.expect_err("one at a time");
    assert!(
        matches!(
            error,
            PackageError::Busy {
                running: "reconcile",
                ..
            }
        ),
        "{error}"
    );
}
