//! What the monitor does about containers that do not run as they should.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::node::Node;

const SECOND: Duration = Duration::from_secs(1);
/// podman leaves everything to the monitor.
const NO_RESTART: &str = "restart = \"no\"\nmemory = \"64m\"";

fn last_exit(container: &Value) -> (Option<&str>, Option<i64>) {
    let exit = &container["last_exit"];
    (exit["reason"].as_str(), exit["code"].as_i64())
}

#[tokio::test(start_paused = true)]
async fn an_oom_killed_container_is_shown_so_and_healed() {
    // podman 4.3 cannot tell an OOM kill from any other.
    for (major, minor, patch) in [(4, 3, 1), (5, 4, 2), (5, 8, 6)] {
        oom(Node::on(major, minor, patch).await).await;
    }
}

async fn oom(node: Node) {
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    node.podman(&["exec", "echo", "/fixture", "poke", "oom"])
        .await;
    tokio::time::sleep(SECOND).await;
    let entry = node.package("echo").await.expect("listed");
    assert_eq!(
        (entry["state"].as_str(), entry["exit_code"].as_i64()),
        (Some("killed (OOM)"), Some(137)),
        "{entry}"
    );
    node.look_and_wait(SECOND).await;
    assert!(node.is_running("echo"));
    let healed = node.container("echo").await;
    assert_eq!(healed["state"], "running");
    assert_eq!(
        last_exit(&healed),
        (Some("killed (OOM)"), Some(137)),
        "{healed}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_exited_container_is_restarted_and_counted_and_the_count_survives_a_restart() {
    let mut node = Node::new().await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    node.podman(&["exec", "echo", "/fixture", "poke", "exit", "3"])
        .await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(
        node.package("echo").await.expect("listed")["state"],
        "crashed"
    );
    node.look_and_wait(SECOND).await;
    let container = node.container("echo").await;
    assert_eq!(
        (container["state"].as_str(), container["restarts"].as_u64()),
        (Some("running"), Some(1)),
        "{container}"
    );
    assert_eq!(last_exit(&container), (Some("crashed"), Some(3)));
    node.kill_daemon().await;
    node.start_daemon().await;
    assert_eq!(node.container("echo").await["restarts"], 1);
    // An hour of stability, and it is forgotten.
    tokio::time::sleep(SECOND * 3800).await;
    assert_eq!(node.container("echo").await["restarts"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_created_container_is_seen_and_started() {
    let node = Node::new().await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    node.podman(&["rm", "-f", "echo"]).await;
    node.podman(&[
        "create",
        "--name=echo",
        "--label=io.archipelago.package=echo",
        super::node::IMAGE,
        "serve",
        "1",
    ])
    .await;
    assert_eq!(
        node.package("echo").await.expect("listed")["state"],
        "waiting"
    );
    node.look_and_wait(SECOND).await;
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_gone_is_made_anew() {
    let node = Node::new().await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    node.podman(&["rm", "-f", "echo"]).await;
    node.look_and_wait(SECOND * 5).await;
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_process_is_gone_is_made_anew() {
    let node = Node::new().await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    let inspect: Value =
        serde_json::from_str(&node.podman(&["container", "inspect", "--", "echo"]).await)
            .expect("JSON");
    let pid = inspect[0]["State"]["Pid"].as_u64().expect("a pid");
    let id = inspect[0]["Id"].clone();
    node.podman.kill_process_and_monitor("echo");
    node.host.bury(u32::try_from(pid).expect("small"));
    node.look_and_wait(SECOND * 10).await;
    let inspect: Value =
        serde_json::from_str(&node.podman(&["container", "inspect", "--", "echo"]).await)
            .expect("JSON");
    assert_ne!(inspect[0]["Id"], id);
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_the_last_attempt_says_so_and_goes_over_to_the_slow_lane() {
    let node = Node::with(|config| config.health.max_restart_attempts = 3).await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    node.podman(&["exec", "echo", "/fixture", "poke", "exit", "3"])
        .await;
    node.podman.fail_start("echo", 4);
    let before = node.podman.calls().len();
    node.look_and_wait(SECOND * 3600).await;
    assert_eq!(node.calls("start", before).len(), 3);
    let container = node.container("echo").await;
    assert!(
        container["next"]["text"] == "gave up after 3 attempts; next try",
        "{container}"
    );
    tokio::time::sleep(SECOND * 6 * 3600).await;
    assert_eq!(node.calls("start", before).len(), 4);
    tokio::time::sleep(SECOND * 6 * 3600).await;
    assert!(node.is_running("echo"));
    tokio::time::sleep(SECOND * 4000).await;
    assert_eq!(node.container("echo").await["restarts"], 0);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_an_interval_apart() {
    let node = Node::new().await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    node.podman.fail_start("echo", 3);
    node.podman(&["exec", "echo", "/fixture", "poke", "exit", "3"])
        .await;
    let before = node.podman.timed_calls().len();
    for _ in 0..50 {
        node.look_and_wait(SECOND * 10).await;
    }
    let starts: Vec<_> = node.podman.timed_calls()[before..]
        .iter()
        .filter(|call| call.args[0] == "start")
        .map(|call| call.at)
        .collect();
    assert_eq!(starts.len(), 4, "{starts:?}");
    assert!(
        starts
            .windows(2)
            .all(|pair| (pair[1] - pair[0]).num_seconds() >= 120),
        "{starts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn dependents_wait_for_their_dependency_and_follow_it_at_once() {
    let node = Node::new().await;
    node.app("base", "serve 1", NO_RESTART);
    node.app(
        "top",
        "serve 2",
        &format!("{NO_RESTART}\ndepends_on = [\"base\"]"),
    );
    node.install("base").await;
    node.install("top").await;
    node.podman.fail_start("base", 1);
    for name in ["base", "top"] {
        node.podman(&["exec", name, "/fixture", "poke", "exit", "1"])
            .await;
    }
    tokio::time::sleep(SECOND).await;
    node.look_and_wait(SECOND).await;
    assert_eq!(
        node.container("top").await["restarts"],
        0,
        "waiting costs nothing"
    );
    let before = node.podman.calls().len();
    tokio::time::sleep(SECOND * 121).await;
    assert_eq!(node.calls("start", before), ["base", "top"]);
    assert!(node.is_running("top"));
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_container_is_stopped_and_started() {
    let node = Node::new().await;
    let health =
        "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 5\nretries = 1";
    node.app("echo", "serve 1", &format!("{NO_RESTART}\n{health}"));
    node.install("echo").await;
    assert_eq!(node.container("echo").await["health"], "healthy");
    let before = node.podman.calls().len();
    node.podman(&["exec", "echo", "/fixture", "poke", "unhealthy"])
        .await;
    tokio::time::sleep(SECOND * 30).await;
    assert_eq!(
        node.package("echo").await.expect("listed")["state"],
        "unhealthy"
    );
    node.look_and_wait(SECOND * 20).await;
    assert_eq!(
        (
            node.calls("stop", before).len(),
            node.calls("start", before).len()
        ),
        (1, 1)
    );
    let container = node.container("echo").await;
    assert_eq!(
        (&container["state"], &container["restarts"]),
        (&json!("running"), &json!(1)),
        "{container}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_one_shot_container_that_ended_with_0_is_done_and_serves() {
    let node = Node::new().await;
    let job = super::node::container(
        "job",
        "exit 0 --after 5",
        &format!("{NO_RESTART}\none_shot = true"),
    );
    let app = super::node::container(
        "app",
        "serve 1",
        &format!("{NO_RESTART}\ndepends_on = [\"job\"]"),
    );
    node.manifest("app", &(job + &app));
    node.install("app").await;
    let before = node.podman.calls().len();
    node.look_and_wait(SECOND * 600).await;
    assert!(node.calls("start", before).is_empty());
    assert_eq!(
        node.package("app").await.expect("listed")["state"],
        "running"
    );
    assert_eq!(node.container("job").await["state"], "done");
}

#[tokio::test(start_paused = true)]
async fn health_says_when_podman_fails_and_how_often_the_monitor_has_looked() {
    let node = Node::new().await;
    let health = async || {
        let answer = node.rpc("system.health", json!({})).await;
        answer.expect("answers also without podman")
    };
    node.look_and_wait(SECOND).await;
    let before = health().await;
    assert_eq!(before["status"], "ok", "{before}");
    let looks = before["looks"].as_u64().expect("a number");
    assert!(looks > 0);
    node.look_and_wait(SECOND).await;
    let after = health().await;
    assert_eq!(after["looks"], looks + 1);
    let time = |health: &Value| {
        let text = health["last_look"].as_str().expect("a time");
        chrono::DateTime::parse_from_rfc3339(text).expect("RFC 3339")
    };
    assert_eq!(time(&after) - time(&before), chrono::TimeDelta::seconds(1));
    // Without podman it goes on trying, and no try counts.
    node.is_cut.store(true, Ordering::Relaxed);
    node.look_and_wait(SECOND * 300).await;
    let cut = health().await;
    assert_eq!(
        (&cut["status"], &cut["looks"]),
        (&json!("podman failed"), &after["looks"]),
        "{cut}"
    );
    node.is_cut.store(false, Ordering::Relaxed);
    tokio::time::sleep(SECOND * 15).await;
    let again = health().await;
    assert_eq!(again["status"], "ok");
    assert!(again["looks"].as_u64() > after["looks"].as_u64(), "{again}");
    assert_eq!(
        node.rpc("system.version", json!({}))
            .await
            .expect("version")["podman"],
        "5.4.2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_that_changes_nothing_writes_nothing() {
    let node = Node::new().await;
    node.app("echo", "serve 1", NO_RESTART);
    node.app("quiet", "serve 2", NO_RESTART);
    node.app("dead", "serve 3", NO_RESTART);
    for id in ["echo", "quiet", "dead"] {
        node.install(id).await;
    }
    node.rpc("package.stop", json!({ "id": "quiet" }))
        .await
        .expect("stopped");
    // Long enough that it is given up on, and all else is stable.
    node.podman.fail_start("dead", 99);
    node.podman.kill_process("dead");
    node.look_and_wait(SECOND * 5000).await;
    // What is written from now on is a file that is there again.
    let files = [
        "restart-tracker.json",
        "running-containers.json",
        "user-stopped.json",
        "packages/echo.json",
        "packages/quiet.json",
        "packages/dead.json",
    ];
    for file in files {
        std::fs::remove_file(node.state_file(file)).expect(file);
    }
    for _ in 0..20 {
        node.look_and_wait(SECOND * 121).await;
    }
    let written = files.map(|file| node.state_file(file).exists());
    assert_eq!(written, [false; 6], "{files:?}");
    // And what does change is written.
    node.podman.kill_process("echo");
    node.look_and_wait(SECOND * 5).await;
    assert!(node.state_file("restart-tracker.json").exists());
}

#[tokio::test(start_paused = true)]
async fn a_slow_heal_holds_up_no_other_package() {
    let node = Node::with(|config| config.health.max_restart_attempts = 1).await;
    let health =
        "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 1\nretries = 1";
    let slow = format!("{NO_RESTART}\ntier = 1\nstop_grace_secs = 600\n{health}");
    node.app("slow", "ignore-term", &slow);
    node.app("quick", "serve 1", NO_RESTART);
    let healthy = async {
        tokio::time::sleep(SECOND * 2).await;
        node.podman.set_healthy("slow", true);
    };
    tokio::join!(node.install("slow"), healthy);
    node.install("quick").await;
    node.podman.set_healthy("slow", false);
    tokio::time::sleep(SECOND * 10).await;
    node.look_and_wait(SECOND).await;
    assert_eq!(node.calls("stop", 0), ["slow"]);
    // While that stop takes its ten minutes:
    let health = node.rpc("system.health", json!({})).await.expect("health");
    assert_eq!(health["healing"], json!(["slow"]));
    node.podman.kill_process("quick");
    tokio::time::sleep(SECOND).await;
    node.look_and_wait(SECOND * 2).await;
    assert!(node.is_running("quick"));
    assert_eq!(node.container("quick").await["restarts"], 1);
    let later = node.rpc("system.health", json!({})).await.expect("health");
    assert!(
        later["looks"].as_u64() > health["looks"].as_u64(),
        "{later}"
    );
    // A look between its stop and its start takes neither its end nor its last attempt for what they are not.
    tokio::time::sleep(SECOND * 594).await;
    while node.calls("start", 0).len() < 4 || !node.is_running("slow") {
        node.look_and_wait(SECOND / 50).await;
    }
    node.podman.set_healthy("slow", true);
    tokio::time::sleep(SECOND * 5).await;
    assert_eq!(node.calls("stop", 0), ["slow"]);
    assert_eq!(node.calls("start", 0), ["slow", "quick", "quick", "slow"]);
    let slow = node.container("slow").await;
    assert_eq!(
        (&slow["restarts"], &slow["last_exit"]),
        (&json!(1), &json!(null)),
        "{slow}"
    );
    let notified = std::fs::read_to_string(node.state_file("restart-tracker.json"));
    let notified: Value = serde_json::from_str(&notified.expect("a state file")).expect("JSON");
    assert_eq!(
        notified["data"]["containers"]["slow"]["gave_up"],
        json!(null)
    );
    let health = node.rpc("system.health", json!({})).await.expect("health");
    assert_eq!(health["healing"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn more_packages_than_are_healed_at_once_are_all_healed_without_a_tick() {
    let node = Node::with(|config| config.health.interval = SECOND * 3600).await;
    let names: Vec<String> = (0..9).map(|number| format!("app-{number}")).collect();
    for name in &names {
        node.app(name, "serve 1", NO_RESTART);
        node.install(name).await;
    }
    for name in &names {
        node.podman.kill_process(name);
    }
    tokio::time::sleep(SECOND).await;
    node.look_and_wait(SECOND * 5).await;
    for name in &names {
        assert!(node.is_running(name), "{name}");
    }
}
