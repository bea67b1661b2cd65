//! The rules that the node was rebuilt for, each stated whole in one test.

use std::time::Duration;

use archipelago::catalog::stop_timeout_secs;
use archipelago::config::Config;
use archipelago::container::mock_podman::{MockContainer, MockPodman, PullFault};
use archipelago::container::status::ContainerState;
use archipelago::crash_recovery::Past;
use archipelago::restart_tracker::{RestartTracker, Seen};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::node::{Catch, IMAGE, Node, container};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// podman leaves everything to the monitor.
const NO_RESTART: &str = "restart = \"no\"";
const REMOTE: &str = "registry.example/echo:1";

/// What each container is given between SIGTERM and SIGKILL: by its name, in podman's arguments, and in time.
#[tokio::test(start_paused = true)]
async fn test_stop_grace_periods() {
    let graces = [
        ("bitcoin", 600),
        ("bitcoind", 600),
        ("bitcoin-core", 600),
        ("bitcoin-knots", 600),
        ("lnd", 330),
        ("my-lnd", 330),
        ("electrs", 300),
        ("mempool-electrs", 300),
        ("electrumx", 300),
        ("mempool-db", 120),
        ("btcpay-postgres", 120),
        ("mysql", 120),
        ("mariadb", 120),
        ("indeedhub-redis", 120),
        ("mempool-web", 30),
        ("nbxplorer", 30),
        ("dbus", 30),
        ("landscape", 30),
    ];
    for (name, grace) in graces {
        assert_eq!(stop_timeout_secs(name), grace, "{name}");
    }
    // And so podman is asked, by a stop and by an uninstall, for a program that takes all of it: one of each class.
    let mut classes = graces.to_vec();
    classes.dedup_by_key(|(_, grace)| *grace);
    for (name, grace) in classes {
        // The catalog has most of these names itself.
        let name = format!("my-{name}");
        let name = name.as_str();
        let node = Node::new().await;
        node.app(name, "ignore-term", NO_RESTART);
        node.install(name).await;
        for method in ["package.stop", "package.start", "package.uninstall"] {
            let before = node.podman.calls().len();
            let from = node.podman.now();
            node.rpc(method, json!({ "id": name })).await.expect(method);
            let stops: Vec<Vec<String>> = node.podman.calls()[before..]
                .iter()
                .filter(|args| args[0] == "stop")
                .cloned()
                .collect();
            if method == "package.start" {
                assert_eq!(stops.len(), 0);
                continue;
            }
            assert_eq!(
                stops,
                [["stop", &format!("--time={grace}"), "--", name]],
                "{method}"
            );
            let took = (node.podman.now() - from).num_seconds();
            let most = i64::try_from(grace).expect("small") + 5;
            assert!(took + 5 > most - 5 && took < most, "{method}: {took} s");
        }
        assert_eq!(node.podman.containers(), [], "{name}");
    }
    // A manifest's own word is above the class.
    let node = Node::new().await;
    let own = format!("{NO_RESTART}\nstop_grace_secs = 7");
    node.app("my-bitcoind", "serve 1", &own);
    node.install("my-bitcoind").await;
    node.rpc("package.stop", json!({ "id": "my-bitcoind" }))
        .await
        .expect("stopped");
    let calls = node.podman.calls();
    let stop = calls.iter().find(|args| args[0] == "stop");
    assert_eq!(
        stop.expect("stopped"),
        &["stop", "--time=7", "--", "my-bitcoind"]
    );
}

/// A node with a package whose image has to be pulled.
async fn with_remote_image() -> Node {
    let node = Node::new().await;
    let text = container("echo", "serve 1", "").replace(IMAGE, REMOTE);
    node.manifest("echo", &text);
    node
}

/// When each pull began.
fn pulls(node: &Node) -> Vec<DateTime<Utc>> {
    let calls = node.podman.timed_calls().into_iter();
    calls
        .filter(|call| call.args[0] == "pull")
        .map(|call| call.at)
        .collect()
}

/// How long a pull takes that fails like this.
async fn failing_takes(fault: PullFault) -> TimeDelta {
    use archipelago::container::runtime::CommandExecutor;
    let podman = MockPodman::new();
    podman.fail_pull_with(REMOTE, 1, fault);
    let from = podman.now();
    let output = podman.execute("podman", &["pull", "--", REMOTE]).await;
    assert_ne!(output.expect("runs").code, 0);
    podman.now() - from
}

#[tokio::test(start_paused = true)]
async fn test_pull_retry_backoff() {
    for fault in [
        PullFault::Unreachable,
        PullFault::Unauthorized,
        PullFault::RateLimited,
        PullFault::DiskFull,
    ] {
        let takes = failing_takes(fault).await;
        let node = with_remote_image().await;
        node.podman.fail_pull_with(REMOTE, 2, fault);
        node.podman.pull_delay_ms(2_000);
        node.install("echo").await;
        let pulls = pulls(&node);
        let waits: Vec<TimeDelta> = pulls
            .windows(2)
            .map(|pair| pair[1] - pair[0] - takes)
            .collect();
        assert_eq!(
            waits,
            [TimeDelta::seconds(5), TimeDelta::seconds(15)],
            "{fault:?}"
        );
        // The third is waited for, and what it brought is what runs.
        let calls = node.podman.timed_calls();
        let created = calls.iter().find(|call| call.args[0] == "create");
        assert!(created.expect("created").at - pulls[2] >= TimeDelta::seconds(2));
        let containers = node.podman.containers();
        assert_eq!(
            (containers[0].image.as_str(), &containers[0].state),
            (REMOTE, &ContainerState::Running)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn test_pull_all_attempts_fail() {
    let takes = failing_takes(PullFault::Unreachable).await;
    let node = with_remote_image().await;
    let before = node.census().await;
    node.podman.fail_pull(REMOTE, 3);
    let from = node.podman.now();
    let error = node
        .rpc("package.install", json!({ "id": "echo" }))
        .await
        .expect_err("must fail");
    assert_eq!(
        (error["code"].as_i64(), &error["data"]["attempts"]),
        (Some(-32020), &json!(3)),
        "{error}"
    );
    let text = error["message"].as_str().expect("a text");
    assert!(text.contains(REMOTE), "{text}");
    assert!(text.contains("connection refused"), "{text}");
    assert_eq!(pulls(&node).len(), 3);
    // Nobody waits after the last attempt.
    let took = node.podman.now() - from;
    let expected = takes * 3 + TimeDelta::seconds(20);
    assert!(
        took >= expected && took < expected + TimeDelta::seconds(1),
        "{took}"
    );
    assert_eq!(node.census().await, before);
    assert!(!node.podman.calls().iter().any(|args| args[0] == "create"));
    // The registry is back.
    node.install("echo").await;
    assert!(node.is_running("echo"));
}

async fn attempts(node: &Node, name: &str) -> u64 {
    node.container(name).await["restarts"]
        .as_u64()
        .expect("a number")
}

#[tokio::test(start_paused = true)]
async fn test_restart_tracker_persistence() {
    let mut node = Node::with(|config| config.health.max_restart_attempts = 4).await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    node.podman(&["exec", "echo", "/fixture", "poke", "exit", "3"])
        .await;
    node.podman.fail_start("echo", 99);
    tokio::time::sleep(SECOND).await;
    node.look_and_wait(SECOND * 2).await;
    assert_eq!(attempts(&node, "echo").await, 1);
    for (expected, end) in [(2, "kill"), (3, "shutdown"), (4, "kill in an attempt")] {
        let before = node.podman.calls().len();
        match end {
            "kill" => node.kill_daemon().await,
            "shutdown" => node.shutdown().await,
            _ => {
                // An attempt counts from before it is made.
                node.catch(Catch {
                    verb: Some("start"),
                    passing: 0,
                    is_done: false,
                });
                assert!(node.is_caught().await);
                node.kill_daemon().await;
            }
        }
        node.start_daemon().await;
        let known = if end == "kill in an attempt" {
            expected
        } else {
            expected - 1
        };
        assert_eq!(attempts(&node, "echo").await, known, "after {end}");
        let exit = node.container("echo").await["last_exit"].clone();
        assert_eq!(
            (&exit["code"], &exit["reason"]),
            (&json!(3), &json!("crashed"))
        );
        if known < expected {
            // Neither is the wait between attempts forgotten. The recovery's own starts are no attempts.
            let recovered = node.calls("start", before).len();
            tokio::time::sleep(SECOND * 60).await;
            assert_eq!(node.calls("start", before).len(), recovered, "after {end}");
            tokio::time::sleep(SECOND * 65).await;
            assert_eq!(attempts(&node, "echo").await, expected, "after {end}");
        }
    }
    // Given up: nor does that begin anew.
    tokio::time::sleep(MINUTE * 5).await;
    let gave_up = node.container("echo").await["next"]["text"].clone();
    assert!(
        gave_up.to_string().contains("gave up after 4 attempts"),
        "{gave_up}"
    );
    node.shutdown().await;
    let file = std::fs::read_to_string(node.state_file("restart-tracker.json")).expect("a file");
    node.start_daemon().await;
    let before = node.podman.calls().len();
    tokio::time::sleep(MINUTE * 60).await;
    assert_eq!(node.calls("start", before), [""; 0]);
    let again = std::fs::read_to_string(node.state_file("restart-tracker.json")).expect("a file");
    assert_eq!(again, file, "nothing is said twice");
}

#[tokio::test(start_paused = true)]
async fn test_restart_tracker_stability_reset() {
    // To the second, of a tracker alone: one hour without a break, as the default has it.
    let stability = TimeDelta::from_std(Config::default().health.stability).expect("short");
    assert_eq!(stability, TimeDelta::hours(1));
    let start = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let runs = |started: DateTime<Utc>| Seen {
        running: true,
        started_at: Some(started),
        ..Seen::default()
    };
    let mut tracker = RestartTracker::default();
    tracker.attempt("a", start - TimeDelta::seconds(1));
    let mut look = |started, now| {
        tracker.observe("a", runs(started), now, stability);
        tracker.history("a").expect("known").attempts
    };
    let second_run = start + TimeDelta::minutes(50);
    assert_eq!(look(start, start), 1);
    assert_eq!(look(start, second_run - TimeDelta::seconds(1)), 1);
    assert_eq!(
        look(second_run, second_run),
        1,
        "a break begins the hour anew"
    );
    assert_eq!(look(second_run, start + TimeDelta::minutes(61)), 1);
    assert_eq!(look(second_run, second_run + TimeDelta::seconds(3599)), 1);
    assert_eq!(look(second_run, second_run + TimeDelta::seconds(3600)), 0);
    // On a node: also over a restart of the daemon; and then there are as many attempts as in the beginning.
    let mut node = Node::with(|config| config.health.max_restart_attempts = 2).await;
    node.app("echo", "serve 1", NO_RESTART);
    node.install("echo").await;
    for round in ["first", "second"] {
        for expected in [1, 2] {
            node.podman.kill_process("echo");
            tokio::time::sleep(SECOND * 125).await;
            node.look_and_wait(SECOND * 2).await;
            assert!(node.is_running("echo"), "{round} round, attempt {expected}");
            assert_eq!(attempts(&node, "echo").await, expected, "{round} round");
        }
        tokio::time::sleep(MINUTE * 30).await;
        node.shutdown().await;
        node.start_daemon().await;
        tokio::time::sleep(MINUTE * 29 - SECOND * 10).await;
        assert_eq!(
            attempts(&node, "echo").await,
            2,
            "{round} round, not an hour yet"
        );
        tokio::time::sleep(MINUTE * 4).await;
        assert_eq!(attempts(&node, "echo").await, 0, "{round} round, an hour");
    }
}

/// Ways in which an install of `shop` fails: what is done to the node, and the code of the error.
type Failure = (&'static str, fn(&Node), i64);

const FAILURES: [Failure; 6] = [
    (
        "the second image cannot be pulled",
        |node| node.podman.fail_pull(REMOTE, 9),
        -32020,
    ),
    (
        "the first start fails",
        |node| node.podman.fail_start("shop-db", 1),
        -32022,
    ),
    (
        "the last start fails",
        |node| node.podman.fail_start("shop", 1),
        -32022,
    ),
    ("it ends at once", |node| shop(node, "exit 7", ""), -32023),
    (
        "it never becomes healthy",
        |node| {
            shop(
                node,
                "serve 2 --unhealthy-after 0",
                "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 2\nretries = 1",
            );
        },
        -32023,
    ),
    (
        "its port is taken",
        |node| {
            node.podman.take_port(18_080);
            shop(
                node,
                "serve 2",
                "ports = [{ host = 18080, container = 2, bind = \"loopback\" }]",
            );
        },
        -32022,
    ),
];

/// A package of three containers, the second with an image to be pulled; volumes and secrets.
fn shop(node: &Node, command: &str, more: &str) {
    let second = container("shop-api", "serve 3", "depends_on = [\"shop-db\"]");
    node.manifest(
        "shop",
        &[
            container(
                "shop-db",
                "serve 1",
                "tier = 0\nvolumes = [{ name = \"kept\", path = \"/a\" }, { name = \"fresh\", path = \"/b\" }]\nsecrets = [{ name = \"shop-token\", env = \"T\" }]",
            ),
            second.replace(IMAGE, REMOTE),
            container("shop", command, &format!("{NO_RESTART}\ndepends_on = [\"shop-api\"]\n{more}")),
        ]
        .concat(),
    );
}

#[tokio::test(start_paused = true)]
async fn test_failsafe_install_rollback() {
    for (what, spoil, code) in FAILURES {
        let node = Node::new().await;
        // The user's data of before, a stranger, and a neighbour.
        node.podman(&["volume", "create", "kept"]).await;
        let stranger = MockContainer::new("stranger", IMAGE).with_command("serve 9");
        node.podman
            .add_container(stranger.with_state(ContainerState::Running));
        node.app("neighbour", "serve 8", "");
        node.install("neighbour").await;
        let before = node.census().await;
        shop(&node, "serve 2", "");
        spoil(&node);
        let error = node
            .rpc("package.install", json!({ "id": "shop" }))
            .await
            .expect_err(what);
        assert_eq!(error["code"], code, "{what}: {error}");
        assert_eq!(node.census().await, before, "{what}");
        assert_eq!(node.package("shop").await, None, "{what}");
        // Nothing of it stands in the way of the next.
        let node_is_mended = !what.contains("port") && !what.contains("pulled");
        if node_is_mended {
            shop(&node, "serve 2", "");
            node.install("shop").await;
            assert!(node.is_running("shop"), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn test_failsafe_install_image_missing() {
    let node = with_remote_image().await;
    let before = node.census().await;
    node.podman.lose_pulled_image(REMOTE);
    let error = node
        .rpc("package.install", json!({ "id": "echo" }))
        .await
        .expect_err("the pull succeeded, and there is no image");
    assert_eq!(error["code"], -32021, "{error}");
    assert!(error["message"].to_string().contains(REMOTE), "{error}");
    // Nothing was made of what is not there: podman would pull once more by itself, and unseen.
    assert!(!node.podman.calls().iter().any(|args| args[0] == "create"));
    assert_eq!(pulls(&node).len(), 1);
    assert_eq!(node.census().await, before);
    assert_eq!(node.package("echo").await, None);
}

#[tokio::test(start_paused = true)]
async fn test_health_monitor_tier_ordering() {
    let node = Node::new().await;
    // Names against the order; `b-chain` needs one of its own tier. Each its own package, so only the tiers are left.
    let order = [
        ("z-db", "tier = 0"),
        ("y-core", "tier = 1"),
        ("b-chain", "tier = 1\ndepends_on = [\"y-core\"]"),
        ("m-service", "tier = 2"),
        ("a-ui", "tier = 3"),
    ];
    for (name, more) in order {
        node.app(name, "serve 1", &format!("{NO_RESTART}\n{more}"));
        node.install(name).await;
    }
    let names = order.map(|(name, _)| name);
    for name in names {
        node.podman.kill_process(name);
    }
    tokio::time::sleep(SECOND).await;
    let before = node.podman.calls().len();
    node.look_and_wait(SECOND * 10).await;
    let started = node.calls("start", before);
    let place = |name: &str| started.iter().position(|other| other == name);
    assert!(place("b-chain") > place("y-core"), "{started:?}");
    let of_tiers: Vec<&String> = started.iter().filter(|name| *name != "b-chain").collect();
    assert_eq!(of_tiers, ["z-db", "y-core", "m-service", "a-ui"]);
    // Within one package, over one pass: no container before what it needs serves, tiers where nothing is needed.
    let node = Node::new().await;
    node.manifest(
        "stack",
        &order
            .iter()
            .rev()
            .map(|(name, more)| container(name, "serve 1", &format!("{NO_RESTART}\n{more}")))
            .collect::<String>(),
    );
    node.install("stack").await;
    for name in names {
        node.podman.kill_process(name);
    }
    tokio::time::sleep(SECOND).await;
    let before = node.podman.calls().len();
    node.look_and_wait(SECOND * 10).await;
    let started = node.calls("start", before);
    let place = |name: &str| started.iter().position(|other| other == name);
    assert!(place("b-chain") > place("y-core"), "{started:?}");
    let of_tiers: Vec<&String> = started.iter().filter(|name| *name != "b-chain").collect();
    assert_eq!(of_tiers, ["z-db", "y-core", "m-service", "a-ui"]);
}

#[tokio::test(start_paused = true)]
async fn test_health_monitor_skips_user_stopped() {
    let mut node = Node::new().await;
    node.app("quiet", "serve 1", NO_RESTART);
    node.app(
        "stubborn",
        "ignore-term",
        &format!("{NO_RESTART}\nstop_grace_secs = 2"),
    );
    node.app("busy", "serve 2", NO_RESTART);
    for id in ["quiet", "stubborn", "busy"] {
        node.install(id).await;
    }
    for id in ["quiet", "stubborn"] {
        node.rpc("package.stop", json!({ "id": id }))
            .await
            .expect("stopped");
    }
    // Whatever it ended with, whatever becomes of it, and however the daemon went.
    assert_eq!(node.container("stubborn").await["exit_code"], 137);
    for what in ["as it is", "gone", "made anew", "kill", "shutdown"] {
        match what {
            "gone" => drop(node.podman(&["rm", "-f", "quiet"]).await),
            "made anew" => node.podman.add_container(
                MockContainer::new("quiet", IMAGE)
                    .with_command("serve 1")
                    .with_label("io.archipelago.package", "quiet"),
            ),
            "kill" => {
                node.kill_daemon().await;
                node.start_daemon().await;
            }
            "shutdown" => {
                node.shutdown().await;
                node.start_daemon().await;
            }
            _ => {}
        }
        let before = node.podman.calls().len();
        node.look_and_wait(MINUTE * 60).await;
        for verb in ["start", "restart", "create", "run"] {
            assert_eq!(node.calls(verb, before), [""; 0], "{what}");
        }
        for id in ["quiet", "stubborn"] {
            assert_eq!(
                node.package(id).await.expect("listed")["state"],
                "stopped",
                "{what}"
            );
        }
    }
    // It is the intent that counts, not the state: the others are healed, and so is this one once it is wanted.
    node.podman.kill_process("busy");
    node.look_and_wait(SECOND * 5).await;
    assert!(node.is_running("busy") && !node.is_running("quiet"));
    node.rpc("package.start", json!({ "id": "quiet" }))
        .await
        .expect("started");
    node.podman.kill_process("quiet");
    node.look_and_wait(SECOND * 5).await;
    assert!(node.is_running("quiet"));
}

#[tokio::test(start_paused = true)]
async fn test_health_monitor_max_attempts() {
    assert_eq!(Config::default().health.max_restart_attempts, 10);
    for configured in [Some(3), None] {
        let max = configured.unwrap_or(10);
        let node = Node::with(|config| {
            config.health.max_restart_attempts =
                configured.unwrap_or(config.health.max_restart_attempts);
        })
        .await;
        node.app("echo", "serve 1", NO_RESTART);
        node.install("echo").await;
        node.podman.fail_start("echo", 999);
        let before = node.podman.timed_calls().len();
        node.podman.kill_process("echo");
        node.look_and_wait(MINUTE * 120).await;
        let starts: Vec<DateTime<Utc>> = node.podman.timed_calls()[before..]
            .iter()
            .filter(|call| call.args[0] == "start")
            .map(|call| call.at)
            .collect();
        assert_eq!(
            starts.len(),
            usize::try_from(max).expect("small"),
            "of {max}"
        );
        assert!(
            starts
                .windows(2)
                .all(|pair| (pair[1] - pair[0]).num_seconds() >= 120),
            "{starts:?}"
        );
        let next = node.container("echo").await["next"]["text"].to_string();
        assert!(
            next.contains(&format!("gave up after {max} attempts")),
            "{next}"
        );
        // A start by the user is no attempt of the monitor's, and gives it all of them again.
        let before = node.podman.calls().len();
        node.rpc("package.start", json!({ "id": "echo" }))
            .await
            .expect_err("still broken");
        node.look_and_wait(MINUTE * 120).await;
        let starts = node.calls("start", before).len();
        assert_eq!(starts, 1 + usize::try_from(max).expect("small"));
    }
}

#[tokio::test(start_paused = true)]
async fn test_crash_recovery_loads_snapshot() {
    // podman 4.3 then says `created`, podman 5 `exited 0`.
    for (major, minor, patch) in [(4, 3, 1), (5, 4, 2), (5, 8, 6)] {
        let mut node = Node::on(major, minor, patch).await;
        for (name, more) in [
            ("zz-db", "tier = 0"),
            ("mid", "tier = 1\ndepends_on = [\"zz-db\"]"),
            ("idle", "tier = 2"),
            ("aa-ui", "tier = 3\ndepends_on = [\"mid\"]"),
        ] {
            node.app(name, "serve 1", &format!("{NO_RESTART}\n{more}"));
            node.install(name).await;
        }
        let file = node.state_file("running-containers.json");
        let text = std::fs::read_to_string(&file).expect("a snapshot");
        let mut snapshot: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            snapshot["data"]["containers"],
            json!(["zz-db", "mid", "idle", "aa-ui"]),
            "what runs, in start order"
        );
        node.power_loss().await;
        // It is the file that counts: what it does not list is not recovery's.
        snapshot["data"]["containers"] = json!(["aa-ui", "mid", "zz-db"]);
        std::fs::write(&file, snapshot.to_string()).expect("written");
        let before = node.podman.calls().len();
        node.start_daemon().await;
        assert_eq!(*node.daemon().past(), Past::PowerLost);
        // The monitor, which begins after it, may have got to the one that is left.
        let started = node.calls("start", before);
        assert_eq!(started[..3], ["zz-db", "mid", "aa-ui"]);
        for name in ["zz-db", "mid", "aa-ui"] {
            assert!(node.is_running(name), "{name}");
            let container = node.container(name).await;
            assert_eq!(
                (&container["restarts"], &container["last_exit"]["reason"]),
                (&json!(0), &json!("interrupted")),
                "{container}"
            );
        }
        // Without a readable snapshot: rather one too many than one too few.
        node.power_loss().await;
        std::fs::remove_file(&file).expect("removed");
        let before = node.podman.calls().len();
        node.start_daemon().await;
        assert_eq!(
            node.calls("start", before),
            ["zz-db", "mid", "idle", "aa-ui"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn test_crash_recovery_skips_user_stopped() {
    for end in ["power loss", "kill", "reboot"] {
        let mut node = Node::new().await;
        for name in ["quiet", "late", "busy"] {
            node.app(name, "serve 1", NO_RESTART);
            node.install(name).await;
        }
        node.rpc("package.stop", json!({ "id": "quiet" }))
            .await
            .expect("stopped");
        // Of this one the snapshot is older than the intent: the daemon ends between the two writes.
        let file = node.state_file("running-containers.json");
        let older = std::fs::read(&file).expect("a snapshot");
        assert!(String::from_utf8_lossy(&older).contains("late"));
        node.rpc("package.stop", json!({ "id": "late" }))
            .await
            .expect("stopped");
        match end {
            "power loss" => node.power_loss().await,
            "kill" => {
                node.kill_daemon().await;
                node.podman.kill_process("busy");
                tokio::time::sleep(SECOND).await;
            }
            _ => {
                node.shutdown().await;
                node.podman.power_loss();
                node.host.reboot();
            }
        }
        std::fs::write(&file, older).expect("written");
        let before = node.podman.calls().len();
        node.start_daemon().await;
        assert_eq!(node.calls("start", before), ["busy"], "after a {end}");
        node.look_and_wait(MINUTE * 10).await;
        assert_eq!(node.calls("start", before), ["busy"], "after a {end}");
        for id in ["quiet", "late"] {
            assert_eq!(
                node.package(id).await.expect("listed")["state"],
                "stopped",
                "after a {end}"
            );
        }
    }
}
