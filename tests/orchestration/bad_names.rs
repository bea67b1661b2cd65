//! Hostile ids, on every method that takes one: a clear error, and neither podman nor any file hears of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::node::Node;

/// Every method, with each parameter of it that names a package, a container, an image or a version, as the OpenRPC
/// document has them; and the parameters of a good call. A parameter that the document has and that is in no list here
/// fails: somebody must say whether it names something.
async fn naming(node: &Node) -> Vec<(String, String, Value)> {
    let (_, document) = node.get("/rpc/v1/schema", &[]).await;
    let mut found = Vec::new();
    for method in document["methods"].as_array().expect("methods") {
        let name = method["name"].as_str().expect("a name");
        let mut good = json!({});
        for param in method["params"].as_array().expect("parameters") {
            if param["required"] == true {
                good[param["name"].as_str().expect("a name")] = json!("echo");
            }
        }
        for param in method["params"].as_array().expect("parameters") {
            let key = param["name"].as_str().expect("a name");
            let is_number = param["schema"]["type"] == "integer";
            match key {
                "name" | "dockerImage" | "version" => {}
                "id" if !is_number => {}
                "id" | "tail" | "wait" | "keepData" | "force" => continue,
                other => panic!("does `{other}` of `{name}` name something?"),
            }
            found.push((name.to_owned(), key.to_owned(), good.clone()));
        }
    }
    found
}

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
    let methods = naming(&node).await;
    assert!(methods.len() > 6, "{methods:?}");
    for (method, key, good) in &methods {
        let with = |value: Value| {
            let mut params = good.clone();
            params[key] = value;
            params
        };
        for id in ids {
            let error = node
                .rpc(method, with(json!(id)))
                .await
                .expect_err(&format!("{method} {id:?}"));
            let code = error["code"].as_i64();
            assert!(
                matches!(
                    code,
                    Some(-32602 | -32010 | -32011 | -32018 | -32029 | -32034)
                ),
                "{method} {id:?}: {error}"
            );
            let text = error["message"].as_str().expect("a text");
            assert!(
                !text.is_empty() && text.len() < 400,
                "{method} {id:?}: {text}"
            );
        }
        // An optional one may be null: that is the same as absent.
        let required = good.get(key).map(|_| Value::Null);
        let others = [json!(7), json!(["echo"]), json!({ "a": 1 }), json!(true)];
        for id in required.into_iter().chain(others) {
            let error = node.rpc(method, with(id.clone())).await.expect_err("no id");
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
