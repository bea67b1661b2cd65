//! Update: the new version with the old data, or the old version again.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use archipelago::container::status::ContainerState;
use archipelago::package::{OperationState, PackageError, Request, UpdateOptions};
use serde_json::json;

use super::node::Node;
use super::shop::{NEW, OLD, containers, installed, packages, running, shop, update};

async fn volumes(node: &Node) -> String {
    node.podman(&["volume", "ls", "--format=json"]).await
}

#[tokio::test(start_paused = true)]
async fn an_update_pulls_first_and_keeps_data() {
    let node = installed().await;
    let before = volumes(&node).await;
    let secret = std::fs::read(node.state_file("secrets/shop-token")).expect("a secret");
    shop(&node, "2", "serve 2");
    let from = node.podman.calls().len();
    update(&node).await.expect("updated");
    assert_eq!(containers(&node), running(NEW));
    assert_eq!(volumes(&node).await, before);
    let after = std::fs::read(node.state_file("secrets/shop-token")).expect("a secret");
    assert_eq!(after, secret);
    assert_eq!(node.package("shop").await.expect("listed")["version"], "2");
    let calls = node.podman.calls();
    let place = |verb: &str| calls[from..].iter().position(|call| call[0] == verb);
    assert!(place("pull") < place("stop") && place("pull").is_some());
    // Dependents stop first and start last.
    assert_eq!(node.calls("stop", from), ["shop", "shop-db"]);
    assert_eq!(node.calls("start", from), ["shop-db", "shop"]);
    // And what is so already is left as it is.
    let from = node.podman.calls().len();
    update(&node).await.expect("up to date");
    assert_eq!(node.calls("stop", from), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn another_version_than_the_catalogs_is_put_into_the_tags() {
    let node = installed().await;
    let to = |version: &str| UpdateOptions {
        version: Some(version.to_owned()),
        ..UpdateOptions::default()
    };
    packages(&node)
        .update("shop", to("2"))
        .await
        .expect("updated");
    assert_eq!(containers(&node), running(NEW));
    assert_eq!(node.package("shop").await.expect("listed")["version"], "2");
    let report = packages(&node).reconcile(None).await.expect("a report");
    assert_eq!(report.recreated, [""; 0], "reconcile changes no version");
    assert_eq!(
        (
            report.outdated[0].installed.as_str(),
            report.outdated[0].catalog.as_str()
        ),
        ("2", "1")
    );
    node.app("plain", "serve 9", "");
    node.install("plain").await;
    let error = packages(&node).update("plain", to("2")).await;
    let error = error.expect_err("its tag is `latest`");
    assert!(
        matches!(error, PackageError::NoSuchVersion { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_that_does_not_come_up_gives_way_to_the_old_one() {
    let node = installed().await;
    let before = (node.census().await.len(), volumes(&node).await);
    shop(&node, "2", "exit 7");
    let error = update(&node).await.expect_err("it ends at once");
    let text = archipelago::package::chain(&error);
    for part in ["the old version 1 runs again", "exiting with 7"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(containers(&node), running(OLD));
    assert_eq!(node.package("shop").await.expect("listed")["version"], "1");
    let after = (node.census().await.len(), volumes(&node).await);
    assert_eq!(after, before, "nothing is left of it, and no data is lost");
    let removed = node.podman.calls().into_iter();
    let mut removed =
        removed.filter(|call| call.starts_with(&["volume".to_owned(), "rm".to_owned()]));
    assert_eq!(removed.next(), None, "the old version's data was removed");
    // And it is no dead end.
    shop(&node, "2", "serve 2");
    update(&node).await.expect("updated");
    assert_eq!(containers(&node), running(NEW));
}

#[tokio::test(start_paused = true)]
async fn where_the_old_one_does_not_come_up_either_the_error_says_so() {
    let node = installed().await;
    shop(&node, "2", "exit 7");
    // The first start of the new version, then that of the old one.
    node.podman.fail_start("shop", 2);
    let error = update(&node).await.expect_err("it does not start");
    let text = archipelago::package::chain(&error);
    assert!(
        text.contains("the old version 1 is back and does not run"),
        "{text}"
    );
    assert_eq!(node.package("shop").await.expect("listed")["version"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_cancelled_pull_touches_nothing() {
    let node = installed().await;
    let before = (containers(&node), node.census().await);
    shop(&node, "2", "serve 2");
    node.podman.fail_pull(NEW, 3);
    let error = update(&node).await.expect_err("no image");
    assert!(matches!(error, PackageError::PullFailed { .. }), "{error}");
    node.podman.pull_delay_ms(60_000);
    let submitted = packages(&node).submit("shop", Request::Update(UpdateOptions::default()));
    let submitted = submitted.expect("it begins");
    let work = tokio::spawn(submitted.work);
    tokio::time::sleep(Duration::from_secs(5)).await;
    packages(&node)
        .cancel(submitted.operation)
        .expect("it pulls");
    work.await.expect("no panic").expect_err("cancelled");
    let view = packages(&node)
        .operation(submitted.operation)
        .expect("known");
    assert_eq!(view.state, OperationState::Cancelled);
    assert_eq!((containers(&node), node.census().await), before);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_package_is_updated_and_stays_stopped() {
    let node = installed().await;
    node.rpc("package.stop", json!({ "id": "shop" }))
        .await
        .expect("stopped");
    shop(&node, "2", "serve 2");
    update(&node).await.expect("updated");
    node.look_and_wait(Duration::from_secs(300)).await;
    let states: BTreeSet<_> = containers(&node)
        .into_iter()
        .map(|it| (it.1, it.2))
        .collect();
    assert_eq!(states, [(NEW.to_owned(), "created".to_owned())].into());
    node.rpc("package.start", json!({ "id": "shop" }))
        .await
        .expect("started");
    assert_eq!(containers(&node), running(NEW));
}

/// Waits for a condition, ten virtual minutes at most.
async fn until(awaited: &str, is_so: impl Fn() -> bool) {
    let begun = tokio::time::Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(600),
            "never: {awaited}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// An update that fails, on a podman that cannot even make the old version again.
async fn between_two_versions() -> Node {
    let node = installed().await;
    shop(&node, "2", "exit 7");
    let cut = async {
        until("the new version has ended", || {
            node.state("shop") == Some(ContainerState::Exited)
        })
        .await;
        node.is_cut.store(true, Ordering::Relaxed);
    };
    let (outcome, ()) = tokio::join!(update(&node), cut);
    let text = archipelago::package::chain(&outcome.expect_err("podman is gone"));
    assert!(
        text.contains("could not be made again, the next start, stop or update"),
        "{text}"
    );
    node
}

#[tokio::test(start_paused = true)]
async fn an_old_version_that_cannot_be_made_again_is_tried_at_the_next_call() {
    for method in ["start", "restart", "stop", "update", "reconcile"] {
        let node = between_two_versions().await;
        shop(&node, "2", "serve 2");
        let method = format!("package.{method}");
        let call = async || node.rpc(&method, json!({ "id": "shop" })).await;
        if method != "package.reconcile" {
            let error = call().await.expect_err("podman is still gone");
            let text = error["message"].as_str().expect("a text");
            assert!(
                error["code"] == -32037 && text.contains("start, stop or update it to try"),
                "{method}: {error}"
            );
        }
        node.is_cut.store(false, Ordering::Relaxed);
        let shown = node.package("shop").await.expect("listed");
        assert_eq!(shown["state"], "needs attention", "{method}: {shown}");
        let why = shown["why"].as_str().expect("why");
        assert!(why.contains("start, stop or update it"), "{method}: {why}");
        call()
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"));
        if method == "package.stop" {
            assert!(!node.is_running("shop"));
            let start = node.rpc("package.start", json!({ "id": "shop" })).await;
            start.expect("started");
        }
        node.look_and_wait(Duration::from_secs(300)).await;
        let image = if method == "package.update" { NEW } else { OLD };
        assert_eq!(containers(&node), running(image), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_update_at_once_is_told_of_the_first() {
    let node = installed().await;
    shop(&node, "2", "serve 2");
    let second = async {
        until("the old version is taken away", || {
            let pulled = node.calls("pull", 0);
            pulled.last().is_some_and(|image| image == NEW) && !node.is_running("shop")
        })
        .await;
        update(&node).await
    };
    let (first, second) = tokio::join!(update(&node), second);
    first.expect("updated");
    let error = second.expect_err("one at a time");
    assert!(
        matches!(
            error,
            PackageError::Busy {
                running: "update",
                ..
            }
        ),
        "{error}"
    );
}
