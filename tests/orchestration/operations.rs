//! Operations are seen while they go on, and a pull can be cancelled.

use std::sync::Arc;
use std::time::Duration;

use archipelago::package::{
    Change, InstallOptions, KEPT_OPERATIONS, OperationState, OperationView, PackageError, Packages,
    Request, UninstallOptions, UpdateOptions,
};
use serde_json::json;

use super::node::{IMAGE, Node, container};

const SECOND: Duration = Duration::from_secs(1);
const REMOTE: &str = "registry.example/archipelago-fixture:1";

fn packages(node: &Node) -> &Arc<Packages> {
    node.daemon().packages()
}

/// A package with a container, a volume and a secret, whose image must be pulled.
async fn node_with_remote_app() -> Node {
    let node = Node::new().await;
    let more = "volumes = [{ name = \"far-data\", path = \"/d\" }]\nsecrets = [{ name = \"far-token\", env = \"T\" }]";
    node.manifest(
        "far",
        &container("far", "serve 1", more).replace(IMAGE, REMOTE),
    );
    node
}

fn submit(
    node: &Node,
    id: &str,
    request: Request,
) -> (u64, tokio::task::JoinHandle<Result<(), PackageError>>) {
    let submitted = packages(node).submit(id, request).expect("it begins");
    (submitted.operation, tokio::spawn(submitted.work))
}

fn view(node: &Node, id: u64) -> OperationView {
    packages(node).operation(id).expect("it is known")
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_known_at_once_tells_its_steps_and_is_kept() {
    let node = node_with_remote_app().await;
    node.podman.pull_delay_ms(7_000);
    let mut changes = packages(&node).changes();
    let (id, work) = submit(&node, "far", Request::Install(InstallOptions::default()));
    let begun = view(&node, id);
    assert_eq!(
        (begun.state, begun.package.as_str(), begun.ended_at),
        (OperationState::Running, "far", None)
    );
    work.await.expect("no panic").expect("installed");
    let ended = view(&node, id);
    assert_eq!(ended.state, OperationState::Succeeded, "{ended:?}");
    assert!(ended.ended_at.expect("it ended") > ended.started_at + SECOND * 7);
    assert_eq!(packages(&node).operations().last(), Some(&ended));
    let (mut steps, mut listed) = (Vec::new(), 0);
    while let Ok(change) = changes.try_recv() {
        match change {
            Change::Operation(view) => steps.push(view.step),
            Change::Packages => listed += 1,
            Change::Notification(other) => panic!("{other:?}"),
        }
    }
    steps.dedup();
    let awaited = [
        "checking what it needs".to_owned(),
        format!("pulling {REMOTE} (1 of 1)"),
        "making secrets, network and volumes".to_owned(),
        "making `far`".to_owned(),
        "starting `far`".to_owned(),
        "watching that all of it stays up and becomes healthy".to_owned(),
    ];
    let places: Vec<_> = awaited
        .iter()
        .map(|step| steps.iter().position(|other| other == step))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{steps:?}"
    );
    assert!(listed >= 2, "that packages changed is told: {listed}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_operation_says_why() {
    let node = Node::new().await;
    node.app("bad", "exit 7", "restart = \"no\"");
    let (id, work) = submit(&node, "bad", Request::Install(InstallOptions::default()));
    work.await.expect("no panic").expect_err("it ends at once");
    let ended = view(&node, id);
    assert_eq!(ended.state, OperationState::Failed);
    let error = ended.error.expect("why");
    assert!(error.contains("exiting with 7"), "{error}");
}

/// While an image is pulled, and between two attempts to.
#[tokio::test(start_paused = true)]
async fn a_cancelled_pull_leaves_nothing_and_ends_as_cancelled() {
    let mut node = node_with_remote_app().await;
    let before = node.census().await;
    for fails in [0, 2] {
        node.podman.pull_delay_ms(60_000);
        node.podman.fail_pull(REMOTE, fails);
        let (id, work) = submit(&node, "far", Request::Install(InstallOptions::default()));
        tokio::time::sleep(SECOND * 4).await;
        let at = view(&node, id);
        assert!(at.cancellable && at.step.contains("pulling"), "{at:?}");
        packages(&node).cancel(id).expect("it can be cancelled");
        let error = work.await.expect("no panic").expect_err("cancelled");
        assert!(matches!(error, PackageError::Cancelled { .. }), "{error}");
        assert_eq!(view(&node, id).state, OperationState::Cancelled);
        assert_eq!(node.census().await, before);
        let error = packages(&node).cancel(id).expect_err("it has ended");
        assert!(error.to_string().contains("has ended already"), "{error}");
    }
    node.podman.pull_delay_ms(0);
    node.podman.fail_pull(REMOTE, 0);
    node.install("far").await;
    // A later daemon gives no number again.
    let last = packages(&node).operations().last().expect("an install").id;
    node.kill_daemon().await;
    tokio::time::sleep(SECOND * 60).await;
    node.start_daemon().await;
    let (id, work) = submit(&node, "far", Request::Stop);
    work.await.expect("no panic").expect("stopped");
    assert!(id > last, "{id} after {last}");
}

#[tokio::test(start_paused = true)]
async fn what_is_past_the_pull_cannot_be_cancelled() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "");
    let (id, work) = submit(&node, "echo", Request::Install(InstallOptions::default()));
    tokio::time::sleep(SECOND).await;
    let error = packages(&node).cancel(id).expect_err("it runs already");
    assert!(
        matches!(error, PackageError::NotCancellable { operation, .. } if operation == id),
        "{error}"
    );
    work.await
        .expect("no panic")
        .expect("installed all the same");
    let error = packages(&node).cancel(1).expect_err("there is none");
    assert!(
        matches!(error, PackageError::NoSuchOperation { operation: 1 }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_work_is_dropped_has_failed_and_blocks_nobody() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "");
    let submitted = packages(&node)
        .submit("echo", Request::Install(InstallOptions::default()))
        .expect("it begins");
    drop(submitted.work);
    let ended = view(&node, submitted.operation);
    assert_eq!(ended.state, OperationState::Failed, "{ended:?}");
    node.install("echo").await;
}

#[tokio::test(start_paused = true)]
async fn an_image_of_the_users_choice_is_run_and_stays() {
    let node = Node::new().await;
    let other = "registry.example/archipelago-fixture:2";
    node.app("echo", "serve 1", "restart = \"no\"");
    for bad in ["-x", "--privileged", "nginx"] {
        let options = InstallOptions {
            docker_image: Some(bad.to_owned()),
        };
        let error = packages(&node).install("echo", options).await;
        let error = error.expect_err(bad);
        assert!(matches!(error, PackageError::BadImage { .. }), "{error}");
    }
    let options = InstallOptions {
        docker_image: Some(other.to_owned()),
    };
    let installed = packages(&node).install("echo", options).await;
    installed.expect("installed");
    assert_eq!(node.podman.containers()[0].image, other);
    // Made anew, it is of that image again.
    node.podman(&["rm", "-f", "echo"]).await;
    node.look_and_wait(SECOND * 600).await;
    let report = packages(&node)
        .reconcile(Some("echo"))
        .await
        .expect("a report");
    assert_eq!(report.outdated, [], "the choice is no difference");
    assert_eq!(node.podman.containers()[0].image, other);
}

#[tokio::test(start_paused = true)]
async fn packages_that_exclude_each_other_are_not_installed_beside_each_other() {
    let node = Node::new().await;
    for (id, other) in [("core", "knots"), ("knots", "core")] {
        let text = format!("excludes = [\"{other}\"]\n{}", container(id, "serve 1", ""));
        node.manifest(id, &text);
    }
    node.install("core").await;
    let error = node.rpc("package.install", json!({ "id": "knots" })).await;
    let error = error.expect_err("excluded");
    // What is installed excludes as it was installed, whatever the catalog says by now.
    for id in ["core", "knots"] {
        node.app(id, "serve 1", "");
    }
    let later = node.rpc("package.install", json!({ "id": "knots" })).await;
    assert_eq!(later.expect_err("excluded still")["data"]["other"], "core");
    assert_eq!(
        (error["code"].as_i64(), &error["data"]["other"]),
        (Some(-32033), &json!("core")),
        "{error}"
    );
    let gone = node.rpc("package.uninstall", json!({ "id": "core" })).await;
    gone.expect("uninstalled");
    node.install("knots").await;
}

#[tokio::test(start_paused = true)]
async fn a_package_without_an_image_wants_one() {
    let node = Node::new().await;
    let image = format!("image = \"{IMAGE}\"\n");
    node.manifest(
        "bare",
        &container("bare", "serve 1", "").replace(&image, ""),
    );
    let error = node.rpc("package.install", json!({ "id": "bare" })).await;
    let error = error.expect_err("no image is known");
    assert_eq!(error["data"]["kind"], "not installable", "{error}");
    let text = error["message"].as_str().expect("a text");
    assert!(
        text.contains("dockerImage") && text.contains("manifest of your own"),
        "{text}"
    );
    let options = InstallOptions {
        docker_image: Some(IMAGE.to_owned()),
    };
    let installed = packages(&node).install("bare", options).await;
    installed.expect("installed with an image");
    assert!(node.is_running("bare"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_an_id_that_somebody_made_up() {
    let node = Node::new().await;
    for request in [
        Request::Start,
        Request::Stop,
        Request::Restart,
        Request::Update(UpdateOptions::default()),
        Request::Uninstall(UninstallOptions::default()),
        Request::Install(InstallOptions::default()),
    ] {
        let error = packages(&node).submit("nosuch", request.clone()).err();
        let error = error.unwrap_or_else(|| panic!("{request:?} has begun"));
        assert!(
            matches!(
                error,
                PackageError::NotInstalled { .. } | PackageError::Catalog(_)
            ),
            "{request:?}: {error}"
        );
    }
    assert_eq!(packages(&node).operations(), []);
}

#[tokio::test(start_paused = true)]
async fn how_far_a_pull_is_is_told() {
    let node = node_with_remote_app().await;
    node.podman.pull_delay_ms(7_000);
    let mut changes = packages(&node).changes();
    node.install("far").await;
    let mut told = Vec::new();
    while let Ok(change) = changes.try_recv() {
        if let Change::Operation(view) = change
            && view.step.starts_with("pulling")
        {
            told.extend(view.progress);
        }
    }
    assert!(!told.is_empty(), "no progress of the pull was told");
}

#[tokio::test(start_paused = true)]
async fn only_the_last_operations_are_kept() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "");
    node.install("echo").await;
    let first = packages(&node).operations()[0].id;
    for _ in 0..KEPT_OPERATIONS {
        // Up to date: the shortest operation there is.
        let update = packages(&node).update("echo", UpdateOptions::default());
        update.await.expect("up to date");
    }
    let all = packages(&node).operations();
    assert_eq!(all.len(), KEPT_OPERATIONS);
    let error = packages(&node).operation(first).expect_err("forgotten");
    assert!(
        matches!(error, PackageError::NoSuchOperation { .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_of_the_users_choice_goes_through_updates() {
    let node = Node::new().await;
    let image = |tag: &str| format!("registry.example/archipelago-fixture:{tag}");
    let app = |command: &str| node.app("echo", command, "restart = \"no\"");
    let update = async |version: Option<&str>, image: Option<String>| {
        let options = UpdateOptions {
            version: version.map(str::to_owned),
            docker_image: image,
        };
        packages(&node).update("echo", options).await
    };
    let runs = || node.podman.containers()[0].image.clone();
    app("serve 1");
    let options = InstallOptions {
        docker_image: Some(image("1")),
    };
    let installed = packages(&node).install("echo", options).await;
    installed.expect("installed");
    app("serve 2");
    update(None, None).await.expect("updated");
    assert_eq!(runs(), image("1"), "the choice stays");
    update(Some("3"), None).await.expect("updated");
    assert_eq!(runs(), image("3"), "and follows a version");
    app("serve 4");
    update(None, None).await.expect("updated");
    assert_eq!(runs(), image("3"), "which is the choice then");
    app("exit 7");
    let failed = update(None, Some(image("5"))).await;
    failed.expect_err("it ends at once");
    app("serve 6");
    update(None, None).await.expect("updated");
    assert_eq!(runs(), image("3"), "a choice that failed is none");
}

#[tokio::test(start_paused = true)]
async fn a_copied_node_goes_on_where_the_other_ended_and_its_own_way() {
    let mut node = Node::new().await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    node.shutdown().await;
    let copy = node.copy().await;
    assert_eq!(copy.podman.now(), node.podman.now());
    assert!(copy.is_running("echo"));
    let uninstall = copy.rpc("package.uninstall", json!({ "id": "echo" })).await;
    assert!(uninstall.is_ok(), "{uninstall:?}");
    assert_eq!(copy.state("echo"), None);
    assert!(copy.package("echo").await.is_none());
    node.start_daemon().await;
    assert!(node.is_running("echo"), "podman is another one");
    let entry = node.package("echo").await;
    assert!(entry.is_some(), "files are others");
}

#[tokio::test(start_paused = true)]
async fn what_a_kill_leaves_is_kept_for_each_command_and_ages_not() {
    let mut node = Node::new().await;
    node.app("echo", "serve 8080", "");
    for is_done in [false, true] {
        let from = node.podman.calls().len();
        let install = node.rpc("package.install", json!({ "id": "echo" }));
        let (installed, all) = node.keeping_remains(is_done, install).await;
        assert!(installed.is_ok(), "{installed:?}");
        let kept: Vec<_> = all.iter().map(|remains| remains.args.clone()).collect();
        assert_eq!(kept, node.podman.calls()[from..][..kept.len()]);
        let at = node.podman.timed_calls();
        let create = kept.iter().position(|args| args[0] == "create");
        let index = create.expect("a container is made");
        node.kill_daemon().await;
        tokio::time::sleep(SECOND * 3600).await;
        let remains = all.into_iter().nth(index).expect("it is there");
        let mut left = node.left_as(remains);
        assert!(left.podman.now() - at[from + index].at < chrono::TimeDelta::seconds(1));
        assert_eq!(left.state("echo").is_some(), is_done, "podman was asked");
        left.start_daemon().await;
        assert_eq!(left.state("echo"), None, "the install is undone");
        node.start_daemon().await;
        assert!(node.is_running("echo"), "this one is another");
        let uninstall = node.rpc("package.uninstall", json!({ "id": "echo" })).await;
        assert!(uninstall.is_ok(), "{uninstall:?}");
    }
}
