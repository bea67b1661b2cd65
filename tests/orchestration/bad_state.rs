//! State files that are not what the daemon wrote, and a disk that takes no more: reported, and nothing is lost that
//! anything else tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::node::{Node, container};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const NO_RESTART: &str = "restart = \"no\"";

const FILES: [&str; 5] = [
    "archipelago.pid",
    "restart-tracker.json",
    "user-stopped.json",
    "running-containers.json",
    "packages/echo.json",
];

/// What may become of a file of these bytes.
fn damages(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("half-written", whole[..whole.len() / 2].to_vec()),
        ("no text", b"\xff\xfe\x00{".to_vec()),
        ("a list", b"[]".to_vec()),
        ("another type", br#"{"version":1,"data":7}"#.to_vec()),
        ("a later version", br#"{"version":2,"data":{}}"#.to_vec()),
        ("no number", br#"{"version":"1","data":{}}"#.to_vec()),
        (
            "deep",
            [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        ),
    ]
}

/// `echo` (two containers) and `neighbour` run, `quiet` is user-stopped.
async fn node() -> Node {
    let node = Node::new().await;
    node.manifest(
        "echo",
        &[
            container(
                "echo-db",
                "serve 1",
                "restart = \"no\"\nvolumes = [{ name = \"echo-data\", path = \"/d\" }]",
            ),
            container(
                "echo",
                "serve 2",
                "restart = \"no\"\ndepends_on = [\"echo-db\"]",
            ),
        ]
        .concat(),
    );
    node.app("neighbour", "serve 3", NO_RESTART);
    node.app("quiet", "serve 4", NO_RESTART);
    for id in ["echo", "neighbour", "quiet"] {
        node.install(id).await;
    }
    node.rpc("package.stop", json!({ "id": "quiet" }))
        .await
        .expect("stopped");
    node.podman.kill_process("neighbour");
    tokio::time::sleep(SECOND).await;
    node.look_and_wait(SECOND * 5).await;
    node
}

async fn states(node: &Node) -> Vec<(String, String)> {
    let list = node.rpc("package.list", json!({})).await.expect("a list");
    let word = |entry: &serde_json::Value, key: &str| entry[key].as_str().expect(key).to_owned();
    let entries = list.as_array().expect("a list").iter();
    entries
        .map(|entry| (word(entry, "id"), word(entry, "state")))
        .collect()
}

/// Files that were moved aside, with their content.
fn aside(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(aside(&path));
        } else if path.to_string_lossy().contains(".corrupt-") {
            found.push(fs::read(path).expect("a file"));
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn one_bad_file_is_moved_aside_and_rebuilt_and_costs_no_package_anything() {
    let mut node = node().await;
    let before = states(&node).await;
    let words: Vec<&str> = before.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(words, ["running", "running", "stopped"]);
    for file in FILES {
        let path = node.state_file(file);
        let whole = fs::read(&path).expect(file);
        for (what, bytes) in damages(&whole) {
            let place = format!("{file}, {what}");
            node.kill_daemon().await;
            fs::write(&path, &bytes).expect("damaged on purpose");
            let from = node.podman.calls().len();
            node.start_daemon().await;
            assert_eq!(states(&node).await, before, "{place}");
            node.look_and_wait(MINUTE * 3).await;
            assert_eq!(states(&node).await, before, "{place}");
            for verb in ["start", "stop", "rm", "create"] {
                assert_eq!(node.calls(verb, from), [""; 0], "{place}: {verb}");
            }
            assert_eq!(aside(&node.config.state_dir), [bytes], "{place}");
            for name in [
                &node.config.state_dir,
                &node.config.state_dir.join("packages"),
            ] {
                for entry in fs::read_dir(name).expect("a folder") {
                    let path = entry.expect("an entry").path();
                    if path.to_string_lossy().contains(".corrupt-") {
                        fs::remove_file(path).expect("tidy");
                    }
                }
            }
        }
    }
    // What was rebuilt is a whole package.
    node.rpc("package.uninstall", json!({ "id": "echo" }))
        .await
        .expect("uninstalled");
    assert_eq!(node.state("echo-db"), None);
    assert!(
        !node
            .podman(&["volume", "ls", "--format=json"])
            .await
            .contains("echo-data")
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_is_also_rebuilt_by_the_daemon_after_the_one_that_moved_it_aside() {
    let mut node = node().await;
    let before = states(&node).await;
    node.kill_daemon().await;
    for file in ["packages/echo.json", "user-stopped.json"] {
        fs::write(node.state_file(file), "{").expect("damaged on purpose");
    }
    // It moves them aside, and is killed before podman answers.
    node.podman_is(super::node::Mood::Hangs);
    let daemon = node.try_daemon().expect("starts");
    tokio::time::sleep(SECOND).await;
    daemon.abort().await;
    assert_eq!(aside(&node.config.state_dir).len(), 2);
    node.podman_is(super::node::Mood::Well);
    node.start_daemon().await;
    assert_eq!(states(&node).await, before);
    // A package that is gone is not brought back by what is left of its record.
    node.rpc("package.uninstall", json!({ "id": "echo" }))
        .await
        .expect("uninstalled");
    node.shutdown().await;
    node.start_daemon().await;
    node.look_and_wait(MINUTE * 3).await;
    assert_eq!(states(&node).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_nothing_tells_is_reported_and_its_containers_are_left_alone() {
    let mut node = node().await;
    node.kill_daemon().await;
    fs::write(node.state_file("packages/echo.json"), "{").expect("damaged on purpose");
    fs::remove_file(node.config.apps_dir.join("echo.toml")).expect("removed");
    let from = node.podman.calls().len();
    node.start_daemon().await;
    node.look_and_wait(MINUTE * 3).await;
    assert!(node.is_running("echo") && node.is_running("echo-db"));
    for verb in ["start", "stop", "rm", "create"] {
        assert_eq!(node.calls(verb, from), [""; 0], "{verb}");
    }
    // Its manifest is back: so is the package.
    node.manifest(
        "echo",
        &[
            container(
                "echo-db",
                "serve 1",
                "restart = \"no\"\nvolumes = [{ name = \"echo-data\", path = \"/d\" }]",
            ),
            container(
                "echo",
                "serve 2",
                "restart = \"no\"\ndepends_on = [\"echo-db\"]",
            ),
        ]
        .concat(),
    );
    node.shutdown().await;
    node.start_daemon().await;
    assert_eq!(states(&node).await.len(), 3);
}

/// Nothing can be written below the state folder, nor read, until what is given back is renamed back.
fn take_away(folder: &Path) -> std::path::PathBuf {
    let away = folder.with_extension("away");
    fs::rename(folder, &away).expect("renamed");
    fs::write(folder, "").expect("in its place");
    away
}

fn give_back(folder: &Path, away: &Path) {
    fs::remove_file(folder).expect("removed");
    fs::rename(away, folder).expect("renamed");
}

#[tokio::test(start_paused = true)]
async fn while_nothing_can_be_written_operations_say_so_and_the_monitor_works_from_memory() {
    let node = node().await;
    node.app("new", "serve 5", "");
    let before = states(&node).await;
    let files: BTreeSet<String> = node.census().await;
    let folder = node.config.state_dir.clone();
    let away = take_away(&folder);
    for (method, params) in [
        ("package.install", json!({ "id": "new" })),
        ("package.stop", json!({ "id": "echo" })),
        ("package.start", json!({ "id": "quiet" })),
        ("package.uninstall", json!({ "id": "echo" })),
    ] {
        let error = node.rpc(method, params).await.expect_err(method);
        let text = error["message"].to_string();
        assert!(
            text.contains(folder.to_str().expect("text")) && text.contains("free space"),
            "{method}: which file, and what to look at: {text}"
        );
    }
    // Nothing was done by halves: what cannot be written down first is not begun.
    assert_eq!(states(&node).await, before);
    // The monitor heals as before, counts, and keeps its intervals.
    node.podman.fail_start("echo", 2);
    node.podman.kill_process("echo");
    tokio::time::sleep(SECOND).await;
    let from = node.podman.calls().len();
    node.look_and_wait(MINUTE * 7).await;
    assert!(node.is_running("echo"));
    assert_eq!(node.calls("start", from).len(), 3);
    assert_eq!(node.container("echo").await["restarts"], 3);
    // Space is back: so is everything, and what was counted meanwhile is not lost.
    give_back(&folder, &away);
    node.podman.kill_process("neighbour");
    tokio::time::sleep(SECOND).await;
    node.look_and_wait(SECOND * 5).await;
    let tracker = fs::read_to_string(node.state_file("restart-tracker.json")).expect("a file");
    let tracker: serde_json::Value = serde_json::from_str(&tracker).expect("JSON");
    assert_eq!(tracker["data"]["containers"]["echo"]["attempts"], 3);
    let kinds = |census: &BTreeSet<String>| -> Vec<String> {
        let words = |line: &String| line.split(' ').take(3).collect::<Vec<_>>().join(" ");
        census.iter().map(words).collect()
    };
    assert_eq!(kinds(&node.census().await), kinds(&files));
    node.install("new").await;
    node.rpc("package.stop", json!({ "id": "echo" }))
        .await
        .expect("stopped");
}

#[tokio::test(start_paused = true)]
async fn a_state_folder_that_is_none_is_an_error_at_the_start_and_changes_nothing() {
    let mut node = node().await;
    let census = node.census().await;
    node.shutdown().await;
    let folder = node.config.state_dir.clone();
    let away = take_away(&folder);
    let Err(error) = node.try_daemon() else {
        panic!("must refuse");
    };
    let text = archipelago::package::chain(&error);
    assert!(text.contains(folder.to_str().expect("text")), "{text}");
    give_back(&folder, &away);
    node.start_daemon().await;
    assert_eq!(node.census().await, census);
}
