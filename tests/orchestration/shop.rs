//! A package of two containers in two versions, for updates.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use archipelago::package::{PackageError, Packages, UpdateOptions};

use super::node::Node;

pub(crate) const OLD: &str = "registry.example/archipelago-fixture:1";
pub(crate) const NEW: &str = "registry.example/archipelago-fixture:2";

pub(crate) fn packages(node: &Node) -> &Arc<Packages> {
    node.daemon().packages()
}

/// Version `version` of a package of two containers; the second runs `command`.
pub(crate) fn shop(node: &Node, version: &str, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    let text = format!(
        r#"id = "shop"
title = "shop"
version = "{version}"
[[containers]]
name = "shop-db"
image = "registry.example/archipelago-fixture:{version}"
command = ["serve", "1"]
tier = 0
restart = "no"
volumes = [{{ name = "shop-data", path = "/d" }}]
secrets = [{{ name = "shop-token", env = "T" }}]
[[containers]]
name = "shop"
image = "registry.example/archipelago-fixture:{version}"
command = {words:?}
tier = 2
restart = "no"
depends_on = ["shop-db"]
"#
    );
    let file = node.config.apps_dir.join("shop.toml");
    std::fs::write(file, text).expect("a manifest");
}

pub(crate) async fn installed() -> Node {
    let node = Node::with(|config| config.install.stay_up = Duration::from_secs(1)).await;
    shop(&node, "1", "serve 2");
    node.install("shop").await;
    node
}

/// Names, images and states of containers.
pub(crate) fn containers(node: &Node) -> BTreeSet<(String, String, String)> {
    let containers = node.podman.containers().into_iter();
    containers
        .map(|it| (it.name, it.image, it.state.as_str().to_owned()))
        .collect()
}

pub(crate) fn running(image: &str) -> BTreeSet<(String, String, String)> {
    ["shop", "shop-db"]
        .map(|name| (name.to_owned(), image.to_owned(), "running".to_owned()))
        .into()
}

pub(crate) async fn update(node: &Node) -> Result<(), PackageError> {
    packages(node)
        .update("shop", UpdateOptions::default())
        .await
}
