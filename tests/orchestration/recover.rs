//! After kills, power cuts and reboots.

use std::time::Duration;

use archipelago::container::mock_podman::MockContainer;
use archipelago::crash_recovery::Past;
use archipelago::host::Host;
use serde_json::json;

use super::node::{Catch, Node};

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
    let from = node.podman.timed_calls().len();
    node.start_daemon().await;
    assert!(node.is_running("echo"));
    let started: Vec<_> = node.podman.timed_calls()[from..]
        .iter()
        .filter(|call| call.args[0] == "start")
        .map(|call| call.at)
        .collect();
    let waits: Vec<i64> = started
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).num_seconds())
        .collect();
    assert_eq!(waits, [5, 15], "between the attempts");
}

/// What was cut short is looked at when its turn comes: the user may have been faster.
#[tokio::test(start_paused = true)]
async fn what_the_user_has_installed_meanwhile_is_no_longer_cut_short() {
    for phase in [
        json!("installing"),
        json!({ "uninstalling": { "keep_data": false } }),
    ] {
        let mut node = Node::new().await;
        for id in ["aa", "zz"] {
            node.app(id, "serve 1", "");
            node.install(id).await;
        }
        node.kill_daemon().await;
        for (id, phase) in [("aa", &json!("installing")), ("zz", &phase)] {
            let file = node.state_file(&format!("packages/{id}.json"));
            let text = std::fs::read_to_string(&file).expect("a record");
            let mut record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            record["data"]["phase"] = phase.clone();
            std::fs::write(&file, record.to_string()).expect("written");
        }
        // The first one keeps the recovery busy for as long as podman may take to stop something.
        node.catch(Catch {
            verb: Some("stop"),
            passing: 0,
            is_done: false,
        });
        node.begin_daemon();
        assert!(node.is_caught().await, "`aa` is being undone");
        node.install("zz").await;
        assert!(
            node.daemon().is_recovering(),
            "the user was faster: {phase}"
        );
        node.recovered().await;
        assert!(node.is_running("zz"), "{phase}");
        assert!(node.package("zz").await.is_some(), "{phase}");
        assert!(node.package("aa").await.is_none(), "{phase}");
    }
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
    let file = node.state_file("archipelago.pid");
    let text = std::fs::read_to_string(&file).expect("a PID file");
    let first: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let name = format!("pid {}", first["data"]["process"]["pid"]);
    // Also when the PID file tells nothing. It leaves all files as they are: they are the other's.
    let mine = node.state_file(".tmp-being-written");
    std::fs::write(&mine, "{").expect("written");
    for damage in ["", "{"] {
        if !damage.is_empty() {
            std::fs::write(&file, damage).expect("damaged on purpose");
        }
        let before = node.census().await;
        let Err(error) = node.try_daemon() else {
            panic!("must refuse");
        };
        assert!(error.to_string().contains(&name), "{damage:?}: {error}");
        assert_eq!(node.census().await, before, "{damage:?}");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(node.rpc("package.list", json!({})).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_the_dead_daemons_pid_is_no_daemon() {
    let mut node = Node::new().await;
    chain_of_three(&node).await;
    node.kill_daemon().await;
    let file = node.state_file("archipelago.pid");
    let text = std::fs::read_to_string(&file).expect("a PID file");
    let mut text: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let other = node.host.own_process();
    text["data"]["process"]["pid"] = json!(other.identity.pid);
    text["data"]["process"]["start_ticks"] = json!(other.identity.start_ticks + 1);
    std::fs::write(&file, text.to_string()).expect("written");
    node.start_daemon().await;
    assert_eq!(
        *node.daemon().past(),
        Past::Killed {
            pid: Some(other.identity.pid)
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_given_two_minutes_and_tried_again() {
    let mut node = Node::new().await;
    node.app("echo", "serve 1", "");
    node.install("echo").await;
    node.power_loss().await;
    node.catch(Catch {
        verb: Some("start"),
        passing: 0,
        is_done: false,
    });
    let from = tokio::time::Instant::now();
    let before = node.podman.calls().len();
    node.start_daemon().await;
    let took = from.elapsed().as_secs();
    assert!((124..130).contains(&took), "{took} s");
    // The one that hung never reached podman.
    assert_eq!(node.calls("start", before), ["echo"]);
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_container_that_does_not_come_up_waits_and_strangers_are_not_started() {
    let mut node = Node::new().await;
    chain_of_three(&node).await;
    node.app("other", "serve 4", "");
    node.install("other").await;
    let stranger = MockContainer::new("stranger", super::node::IMAGE).with_command("serve 9");
    node.podman.add_container(stranger);
    node.power_loss().await;
    node.podman.fail_start("zz-db", 3);
    let before = node.podman.calls().len();
    node.start_daemon().await;
    // Three attempts, and no dependent of it is tried; who does not need it does not suffer.
    let started = node.calls("start", before);
    assert_eq!(started[..3], ["zz-db"; 3]);
    assert!(started.contains(&"other".to_owned()));
    assert!(!node.is_running("mid") && !node.is_running("aa-ui"));
    // The monitor goes on where recovery gave up.
    node.look_and_wait(Duration::from_secs(300)).await;
    assert!(node.is_running("zz-db") && node.is_running("mid") && node.is_running("aa-ui"));
    assert!(!node.is_running("stranger"));
}
