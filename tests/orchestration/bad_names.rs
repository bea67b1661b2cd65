//! Hostile ids, on every method that takes one: a clear error, and neither podman nor any file hears of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::node::Node;

/// Methods that take the id of a package, or the name of a container, and how they call it.
const METHODS: [(&str, &str); 6] = [
    ("package.install", "id"),
    ("package.start", "id"),
    ("package.stop", "id"),
    ("package.restart", "id"),
    ("package.uninstall", "id"),
    ("container.logs", "name"),
];

/// Every file below `folder`, with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                found.insert(path.display().to_string(), Vec::new());
                folders.push(path);
            } else {
                let content = std::fs::read(&path).expect("a file");
                found.insert(path.display().to_string(), content);
            }
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn hostile_ids_reach_nothing() {
    let node = Node::new().await;
    node.app("echo", "serve 1", "");
    node.install("echo").await;
    // What `../outside` would name, seen from the folders of manifests and of state.
    let parent = node.config.state_dir.parent().expect("a parent");
    std::fs::write(parent.join("outside.toml"), "id = \"outside\"").expect("written");
    std::fs::write(parent.join("outside.json"), "{}").expect("written");
    let long = "x".repeat(300);
    let ids = [
        "-x",
        "--all",
        "../outside",
        ".",
        "a/b",
        "a b",
        "echo ",
        "",
        "a\0b",
        "a\nb",
        "Echo",
        "écho",
        "{{.Id}}",
        &long,
    ];
    let before = files(parent);
    let from = node.podman.calls().len();
    for (method, key) in METHODS {
        for id in ids {
            let error = node
                .rpc(method, json!({ key: id }))
                .await
                .expect_err(&format!("{method} {id:?}"));
            let code = error["code"].as_i64();
            assert!(
                matches!(code, Some(-32602 | -32010 | -32011 | -32018)),
                "{method} {id:?}: {error}"
            );
            let text = error["message"].as_str().expect("a text");
            assert!(
                !text.is_empty() && text.len() < 400,
                "{method} {id:?}: {text}"
            );
        }
        for id in [
            Value::Null,
            json!(7),
            json!(["echo"]),
            json!({ "a": 1 }),
            json!(true),
        ] {
            let error = node
                .rpc(method, json!({ key: id }))
                .await
                .expect_err("no id");
            assert_eq!(error["code"], -32602, "{method} {id}: {error}");
        }
    }
    assert_eq!(files(parent), before);
    for call in &node.podman.calls()[from..] {
        for arg in call {
            assert!(
                !ids.iter()
                    .any(|id| id.len() > 1 && *id != "--all" && arg.contains(id)),
                "podman was given {call:?}"
            );
        }
    }
    assert!(node.is_running("echo"));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_an_option_or_no_reference_is_refused_before_podman_hears_of_it() {
    let node = Node::new().await;
    let before = node.census().await;
    for image in [
        "--privileged",
        "-v",
        "",
        " ",
        "x",
        "a b",
        "docker.io/../x:1",
        "docker.io/X:1",
        "docker.io//x:1",
        "http://a/b:1",
        "a.b/c",
    ] {
        let container = super::node::container("echo", "serve 1", "");
        node.manifest("echo", &container.replace(super::node::IMAGE, image));
        let from = node.podman.calls().len();
        let error = node
            .rpc("package.install", json!({ "id": "echo" }))
            .await
            .expect_err(image);
        let text = error["message"].as_str().expect("a text");
        assert!(text.contains("image"), "{image:?}: {text}");
        let heard = node.podman.calls()[from..]
            .iter()
            .any(|args| matches!(args[0].as_str(), "pull" | "create" | "image"));
        assert!(!heard, "{image:?}");
    }
    assert_eq!(node.census().await, before);
}
