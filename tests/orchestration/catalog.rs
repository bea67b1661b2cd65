//! The built-in packages on a podman in memory: each can be installed, stopped and removed.

use std::path::Path;

use archipelago::catalog::{Catalog, Manifest, start_order};
use serde_json::json;

use super::node::Node;

/// The packages that `id` needs, and it: in an order in which they can be installed. Of packages that exclude each other
/// the first one that will do.
fn closure(catalog: &Catalog, id: &str, order: &mut Vec<String>) {
    let manifest = catalog.get(id).expect("a good manifest");
    for need in manifest.containers.iter().flat_map(|c| c.needs()) {
        let is_here = |manifest: &Manifest| {
            let mut names = manifest.containers.iter().map(|c| &c.name);
            names.any(|name| need.contains(name))
        };
        let mut chosen = order.iter().map(|id| catalog.get(id).expect("a manifest"));
        if is_here(manifest) || chosen.any(is_here) {
            continue;
        }
        let provider = catalog.manifests().find(|other| is_here(other));
        closure(catalog, &provider.expect("somebody provides it").id, order);
    }
    if !order.iter().any(|other| other == id) {
        order.push(id.to_owned());
    }
}

/// Installs these packages in order, stops and removes them in reverse.
async fn live_and_leave_nothing(catalog: &Catalog, order: &[String]) {
    let node = Node::new().await;
    let before = node.census().await;
    for id in order {
        node.install(id).await;
        let entry = node.package(id).await.expect("it is listed");
        assert_eq!(entry["state"], "running", "{id}: {entry}");
    }
    for id in order.iter().rev() {
        let from = node.podman.calls().len();
        let stopped = node.rpc("package.stop", json!({ "id": id })).await;
        assert!(stopped.is_ok(), "{id}: {stopped:?}");
        let containers = &catalog.get(id).expect("a manifest").containers;
        let expected: Vec<Vec<String>> = start_order(containers)
            .into_iter()
            .rev()
            .filter_map(|name| containers.iter().find(|container| container.name == name))
            .map(|container| {
                let time = format!("--time={}", container.stop_grace().as_secs());
                ["stop", &time, "--", &container.name]
                    .map(str::to_owned)
                    .to_vec()
            })
            .collect();
        let mut stops = node.podman.calls().split_off(from);
        stops.retain(|args| args[0] == "stop");
        assert_eq!(stops, expected, "{id}");
    }
    for id in order.iter().rev() {
        let gone = node.rpc("package.uninstall", json!({ "id": id })).await;
        assert!(gone.is_ok(), "{id}: {gone:?}");
    }
    let mut after = node.census().await;
    // Files of the daemon's own come with the first operation.
    after.retain(|thing| before.contains(thing) || !is_the_daemons(thing));
    assert_eq!(after, before, "{order:?}");
}

fn is_the_daemons(thing: &str) -> bool {
    thing
        .strip_prefix("file ")
        .is_some_and(|file| !file.contains('/') && file.ends_with(".json"))
}

/// In as many rounds as packages that exclude each other ask for.
#[tokio::test(start_paused = true)]
async fn every_built_in_package_installs_stops_in_reverse_and_leaves_nothing() {
    let catalog = Catalog::load(Path::new("/nonexistent"));
    let mut left: Vec<&Manifest> = catalog
        .manifests()
        .filter(|manifest| manifest.not_installable().is_none())
        .collect();
    assert!(left.len() > 1);
    while !left.is_empty() {
        let mut order: Vec<String> = Vec::new();
        for manifest in &left {
            if !order.iter().any(|other| manifest.excludes.contains(other)) {
                closure(&catalog, &manifest.id, &mut order);
            }
        }
        left.retain(|manifest| !order.contains(&manifest.id));
        live_and_leave_nothing(&catalog, &order).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_package_without_an_image_is_listed_and_refused_with_the_reason() {
    let node = Node::new().await;
    let list = node.rpc("catalog.list", json!({})).await.expect("a list");
    let entry = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["id"] == "indeedhub");
    let reason = &entry.expect("it is listed")["not_installable"];
    assert_eq!(reason["kind"], "no_image", "{reason}");
    let error = node
        .rpc("package.install", json!({ "id": "indeedhub" }))
        .await
        .expect_err("refused");
    assert_eq!(error["code"], -32027, "{error}");
    assert_eq!(&error["data"]["reason"], reason);
    assert_eq!(node.podman.containers(), []);
}

/// Either of electrs and electrumx will do for mempool, and one of them must be there.
#[tokio::test(start_paused = true)]
async fn one_of_several_dependencies_is_enough_and_none_is_not() {
    let node = Node::new().await;
    node.install("bitcoin-core").await;
    let error = node
        .rpc("package.install", json!({ "id": "mempool" }))
        .await
        .expect_err("refused");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("`electrs` or `electrumx`"), "{error}");
    node.install("electrumx").await;
    node.install("mempool").await;
    let error = node
        .rpc("package.uninstall", json!({ "id": "electrumx" }))
        .await
        .expect_err("is needed");
    assert_eq!(error["data"]["dependents"], json!(["mempool"]), "{error}");
}
