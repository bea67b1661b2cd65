//! After kills, power cuts and reboots.

use std::time::Duration;

use archipelago::crash_recovery::Past;
use serde_json::json;

use super::node::Node;

async fn chain_of_three(node: &Node) {
    node.app("zz-db", "serve 1", "tier = 0");
    node.app("mid", "serve 2", "tier = 1\ndepends_on = [\"zz-db\"]");
    node.app("aa-ui", "serve 3", "tier = 3\ndepends_on = [\"mid\"]");
    for id in ["zz-db", "mid", "aa-ui"] {
        node.install(id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_power_loss_all_that_ran_runs_again_in_order_and_the_stopped_does_not() {
    // podman 4.3 then says `created`, podman 5 `exited 0`.
    for (major, minor, patch) in [(4, 3, 1), (5, 4, 2), (5, 8, 6)] {
        power_loss(Node::on(major, minor, patch).await).await;
    }
}

async fn power_loss(mut node: Node) {
    chain_of_three(&node).await;
    node.app("quiet", "serve 4", "");
    node.install("quiet").await;
    node.rpc("package.stop", json!({ "id": "quiet" }))
        .await
        .expect("stopped");
    node.power_loss().await;
    assert!(!node.is_running("mid"));
    let before = node.podman.calls().len();
    node.start_daemon().await;
    assert_eq!(*node.daemon().past(), Past::PowerLost);
    assert_eq!(node.calls("start", before), ["zz-db", "mid", "aa-ui"]);
    assert!(!node.is_running("quiet"));
    let container = node.container("mid").await;
    assert_eq!(
        (&container["state"], &container["last_exit"]["reason"]),
        (&json!("running"), &json!("interrupted")),
        "{container}"
    );
    assert_eq!(
        container["restarts"], 0,
        "a power cut is no fault of the app"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_leaves_containers_running_and_a_reboot_after_it_brings_them_back() {
    let mut node = Node::new().await;
    chain_of_three(&node).await;
    node.shutdown().await;
    assert!(node.is_running("mid"));
    assert!(!node.state_file("archipelago.pid").exists());
    node.podman.power_loss();
    node.host.reboot();
    let before = node.podman.calls().len();
    node.start_daemon().await;
    assert_eq!(*node.daemon().past(), Past::Rebooted);
    assert_eq!(node.calls("start", before), ["zz-db", "mid", "aa-ui"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_tried_again() {
    let mut node = Node::new().await;
    node.app("echo", "serve 1", "");
    node.install("echo").await;
    node.power_loss().await;
    node.podman.fail_start("echo", 2);
    node.start_daemon().await;
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn a_killed_daemon_touches_nothing_that_runs() {
    let mut node = Node::new().await;
    chain_of_three(&node).await;
    node.kill_daemon().await;
    let before = node.podman.calls().len();
    node.start_daemon().await;
    assert!(matches!(
        node.daemon().past(),
        Past::Killed { pid: Some(_) }
    ));
    assert_eq!(node.calls("start", before), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn corrupt_files_are_moved_aside_and_everything_comes_back() {
    let mut node = Node::new().await;
    chain_of_three(&node).await;
    node.power_loss().await;
    for file in [
        "running-containers.json",
        "archipelago.pid",
        "restart-tracker.json",
        "user-stopped.json",
    ] {
        std::fs::write(node.state_file(file), "{\"version\":1,\"da").expect("broken on purpose");
    }
    let before = node.podman.calls().len();
    node.start_daemon().await;
    assert_eq!(node.calls("start", before), ["zz-db", "mid", "aa-ui"]);
    let aside = std::fs::read_dir(&node.config.state_dir)
        .expect("dir")
        .filter(|entry| {
            entry
                .as_ref()
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .contains(".corrupt-")
        });
    assert_eq!(aside.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_second_daemon_refuses_and_names_the_first() {
    let node = Node::new().await;
    let pid = std::fs::read_to_string(node.state_file("archipelago.pid")).expect("a PID file");
    let Err(error) = node.try_daemon() else {
        panic!("must refuse");
    };
    let pid: serde_json::Value = serde_json::from_str(&pid).expect("JSON");
    assert!(
        error
            .to_string()
            .contains(&format!("pid {}", pid["data"]["process"]["pid"])),
        "{error}"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(node.state_file("archipelago.pid").exists());
}
