//! The daemon is killed at every command line that it gives podman, one after the other: whatever it was at is then finished
//! or undone by the next one, nothing is lost and nothing is left.
//!
//! Apart from `orchestration_tests` because there are hundreds of kills here.

#[path = "orchestration/node.rs"]
#[expect(
    dead_code,
    reason = "the node of all orchestration tests; not all of it is used here"
)]
mod node;
#[path = "orchestration/shop.rs"]
mod shop;

use std::collections::BTreeSet;
use std::time::Duration;

use archipelago::container::mock_podman::MockContainer;
use archipelago::container::status::ContainerState;
use serde_json::{Value, json};

use node::{IMAGE, Node, container};

const REMOTE: &str = "registry.example/api:1";

/// What a package may be like after all is over.
type Ends<'a> = [(&'a str, &'a BTreeSet<String>)];

/// The package that things are done to: three containers, a volume, a secret, an image to be pulled. Beside it a neighbour
/// that runs and one that the user stopped, and a stranger with a container, a volume and a network.
async fn node_with_neighbours() -> Node {
    let node = Node::with(|config| config.install.stay_up = Duration::from_secs(1)).await;
    let running = MockContainer::new("stranger", IMAGE)
        .with_command("serve 9")
        .with_state(ContainerState::Running);
    node.podman.add_container(running);
    node.podman(&["volume", "create", "strangers"]).await;
    node.podman(&["network", "create", "strangers-net"]).await;
    node.app("neighbour", "serve 8", "restart = \"no\"");
    node.app("quiet", "serve 7", "restart = \"no\"");
    for id in ["neighbour", "quiet"] {
        node.install(id).await;
    }
    node.rpc("package.stop", json!({ "id": "quiet" }))
        .await
        .expect("stopped");
    let parts = [
        container(
            "shop-db",
            "serve 1",
            "restart = \"no\"\ntier = 0\nvolumes = [{ name = \"shop-data\", path = \"/a\" }]\nsecrets = [{ name = \"shop-token\", env = \"T\" }]",
        ),
        container(
            "shop-api",
            "serve 2",
            "restart = \"no\"\ndepends_on = [\"shop-db\"]",
        )
        .replace(IMAGE, REMOTE),
        container(
            "shop",
            "serve 3",
            "restart = \"no\"\ntier = 3\ndepends_on = [\"shop-api\"]",
        ),
    ];
    node.manifest("shop", &parts.concat());
    node
}

/// What is there, without what tells of times: a container that was made anew is as good.
async fn census(node: &Node) -> BTreeSet<String> {
    let untimed = |line: String| match line.strip_prefix("container ") {
        Some(rest) => {
            let words: Vec<&str> = rest.split(' ').take(2).collect();
            format!("container {}", words.join(" "))
        }
        None => line,
    };
    // That something was undone is told, of course.
    let told = |line: &String| line != "file notifications.json";
    node.census()
        .await
        .into_iter()
        .filter(told)
        .map(untimed)
        .collect()
}

/// Starts of containers that are nobody's business here.
fn others_started(node: &Node, from: usize) -> Vec<String> {
    let mut started = node.calls("start", from);
    started.retain(|name| !name.starts_with("shop"));
    started
}

/// Kills the daemon at each command line of `method` in turn, before or after podman has carried it out, and starts it
/// again. What is there in the end must be one of `ends`, each of which must come about at least once. The operation is run
/// once, on a copy of `seed`, whose daemon has ended, to which `damage` was done.
async fn kill_at_every_step(
    seed: &Node,
    damage: impl AsyncFn(&Node),
    method: &str,
    params: Value,
    ends: &Ends<'_>,
    is_done: bool,
) {
    let mut seen = BTreeSet::new();
    let mut node = seed.copy().await;
    damage(&node).await;
    let from = node.podman.calls().len();
    let call = node.rpc(method, params);
    let (outcome, all) = node.keeping_remains(is_done, call).await;
    assert!(outcome.is_ok(), "{method}: {outcome:?}");
    assert!(all.len() > 2, "{method} did nothing");
    node.kill_daemon().await;
    for (passing, remains) in all.into_iter().enumerate() {
        let place = format!(
            "{method}, killed {} its command {passing}, `podman {}`",
            if is_done { "after" } else { "before" },
            remains.args.join(" ")
        );
        let mut node = node.left_as(remains);
        node.start_daemon().await;
        // What the next daemon does by itself takes moments; where a `podman stop` was cut short, its grace.
        let mut now = census(&node).await;
        for wait in [1, 5, 300] {
            if ends.iter().any(|(_, end)| **end == now) {
                break;
            }
            node.look_and_wait(Duration::from_secs(wait)).await;
            now = census(&node).await;
        }
        let end = ends.iter().find(|(_, end)| **end == now);
        let Some((name, _)) = end else {
            let (name, nearest) = ends
                .iter()
                .min_by_key(|(_, end)| end.symmetric_difference(&now).count())
                .expect("an end");
            panic!(
                "{place}: nearest is {name}; too much: {:?}; missing: {:?}",
                now.difference(nearest).collect::<Vec<_>>(),
                nearest.difference(&now).collect::<Vec<_>>()
            );
        };
        seen.insert((*name).to_owned());
        assert_eq!(others_started(&node, from), [""; 0], "{place}");
        // And it is no dead end: the next operation works.
        let next = match *name {
            "not installed" => "package.install",
            "running" => "package.stop",
            _ => "package.start",
        };
        if !is_done {
            let next = node.rpc(next, json!({ "id": "shop" })).await;
            assert!(next.is_ok(), "{place}: {next:?}");
        }
        // Else its monitor would go on looking, in all the time that the others take.
        node.kill_daemon().await;
    }
    let all: BTreeSet<String> = ends.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(seen, all, "{method}");
}

/// The states of `shop` that are whole.
struct Wholes {
    absent: BTreeSet<String>,
    running: BTreeSet<String>,
    stopped: BTreeSet<String>,
    data_only: BTreeSet<String>,
}

/// Brings them about on a node where it is absent.
async fn wholes(node: &Node) -> Wholes {
    let absent = census(node).await;
    node.install("shop").await;
    let running = census(node).await;
    let shop = json!({ "id": "shop" });
    node.rpc("package.stop", shop).await.expect("stopped");
    let stopped = census(node).await;
    let keep = json!({ "id": "shop", "keepData": true });
    node.rpc("package.uninstall", keep)
        .await
        .expect("uninstalled");
    Wholes {
        absent,
        running,
        stopped,
        data_only: census(node).await,
    }
}

async fn installed(node: &Node) {
    node.install("shop").await;
}

async fn installed_and_stopped(node: &Node) {
    node.install("shop").await;
    let stop = node.rpc("package.stop", json!({ "id": "shop" })).await;
    stop.expect("stopped");
}

async fn nothing(_: &Node) {}

/// One container is missing, and one is made from something else.
async fn damaged(node: &Node) {
    node.podman(&["rm", "-f", "shop"]).await;
    node.podman(&["rm", "-f", "shop-api"]).await;
    let labels = [
        "--label=io.archipelago.package=shop",
        "--label=io.archipelago.spec=0",
    ];
    let args = [
        "create", "--name", "shop-api", labels[0], labels[1], IMAGE, "serve", "2",
    ];
    node.podman(&args).await;
    node.podman(&["start", "shop-api"]).await;
}

/// Two tests each, so that they run side by side.
macro_rules! at_every_step {
    ($($name:ident: $prepare:expr, $damage:expr, $method:literal, $params:tt => [$(($end:literal, $whole:ident)),*];)*) => {$(
        mod $name {
            use super::*;

            async fn run(is_done: bool) {
                let mut seed = node_with_neighbours().await;
                seed.shutdown().await;
                let mut copy = seed.copy().await;
                let wholes = wholes(&copy).await;
                copy.kill_daemon().await;
                seed.start_daemon().await;
                $prepare(&seed).await;
                seed.shutdown().await;
                let ends = [$(($end, &wholes.$whole)),*];
                kill_at_every_step(&seed, $damage, $method, json!($params), &ends, is_done).await;
            }

            #[tokio::test(start_paused = true)]
            async fn killed_before_each_command() {
                run(false).await;
            }

            #[tokio::test(start_paused = true)]
            async fn killed_after_each_command() {
                run(true).await;
            }
        }
    )*};
}

at_every_step![
    install: nothing, nothing, "package.install", { "id": "shop" } => [("not installed", absent), ("running", running)];
    uninstall: installed, nothing, "package.uninstall", { "id": "shop" } => [("not installed", absent)];
    uninstall_that_keeps_data: installed, nothing, "package.uninstall", { "id": "shop", "keepData": true } => [("not installed", data_only)];
    stop: installed, nothing, "package.stop", { "id": "shop" } => [("stopped", stopped)];
    start: installed_and_stopped, nothing, "package.start", { "id": "shop" } => [("running", running)];
    restart: installed, nothing, "package.restart", { "id": "shop" } => [("running", running)];
    reconcile: installed, damaged, "package.reconcile", { "id": "shop" } => [("running", running)];
];

mod update {
    use super::*;
    use crate::shop::{NEW, OLD, containers, installed, running, shop, update};

    /// Kills the daemon at each command line of an update to a version that runs `command`: the old version or the new
    /// one runs after the next start, and nothing else is there.
    async fn kill(command: &str, is_done: bool, awaited: &[&str]) {
        let mut ends = BTreeSet::new();
        let mut seed = installed().await;
        seed.shutdown().await;
        let mut node = seed.copy().await;
        let before = census(&node).await.len();
        shop(&node, "2", command);
        let (outcome, all) = node.keeping_remains(is_done, update(&node)).await;
        assert_eq!(outcome.is_ok(), command == "serve 2", "{outcome:?}");
        assert!(all.len() > 10, "the update did nothing");
        node.kill_daemon().await;
        for (passing, remains) in all.into_iter().enumerate() {
            let place = format!("killed at command {passing}, {}", remains.args.join(" "));
            let mut node = node.left_as(remains);
            node.start_daemon().await;
            let end = |node: &Node| {
                let now = containers(node);
                [OLD, NEW].into_iter().find(|image| now == running(image))
            };
            for wait in [1, 5, 300, 600] {
                if end(&node).is_some() {
                    break;
                }
                node.look_and_wait(Duration::from_secs(wait)).await;
            }
            let Some(end) = end(&node) else {
                panic!("{place}: {:?}", containers(&node));
            };
            ends.insert(end);
            let version = if end == OLD { "1" } else { "2" };
            let package = node.package("shop").await.expect("listed");
            assert_eq!(package["version"], version, "{place}");
            let after = census(&node).await;
            assert_eq!(after.len(), before, "{place}: {after:?}");
            node.kill_daemon().await;
        }
        assert_eq!(ends, awaited.iter().copied().collect());
    }

    #[tokio::test(start_paused = true)]
    async fn killed_before_each_command() {
        kill("serve 2", false, &[OLD, NEW]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn killed_after_each_command() {
        kill("serve 2", true, &[OLD, NEW]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn killed_before_each_command_of_one_that_fails() {
        kill("exit 7", false, &[OLD]).await;
    }
}
