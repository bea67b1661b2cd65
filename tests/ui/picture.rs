//! The README's picture of the page.

use archipelago::container::mock_podman::FIXTURE_IMAGE;
use serde_json::json;

use crate::browser::Browser;
use crate::node::{Node, container};
use crate::shown::CARDS;
use crate::trial::{Outcome, expect, trials};

trials![Node; picture];

/// Names the file to write.
const VARIABLE: &str = "ARCHIPELAGO_SCREENSHOT";
/// Largest picture for a README, in bytes.
const LARGEST: usize = 200_000;

/// Why no picture is taken; none where one is wanted.
pub(crate) fn unwanted() -> Option<String> {
    std::env::var_os(VARIABLE)
        .is_none()
        .then(|| format!("{VARIABLE} names no file to write"))
}

async fn picture(node: &Node, browser: &Browser) -> Outcome {
    let path = std::env::var(VARIABLE).map_err(|error| format!("{VARIABLE}: {error}"))?;
    for (id, title, version, containers) in [
        (
            "bitcoin-core",
            "Bitcoin Core",
            "29.0",
            container("bitcoin-core", "tier = 1"),
        ),
        (
            "lnd",
            "LND",
            "0.18.4",
            container("lnd", "tier = 2\ndepends_on = [\"bitcoin-core\"]"),
        ),
        (
            "filebrowser",
            "File Browser",
            "2.63.23",
            container("filebrowser", "tier = 3"),
        ),
        ("strfry", "strfry", "1.0.4", container("strfry", "")),
        ("fedimint", "Fedimint", "0.8.0", container("fedimint", "")),
        (
            "mempool",
            "Mempool",
            "3.0.0",
            [
                container("mempool-db", "tier = 0"),
                container("mempool-api", "tier = 2\ndepends_on = [\"mempool-db\"]"),
                container("mempool-web", "tier = 3\ndepends_on = [\"mempool-api\"]"),
            ]
            .concat(),
        ),
    ] {
        node.offer(id, title, version, &containers);
        node.rpc("package.install", json!({ "id": id })).await?;
    }
    node.rpc("package.stop", json!({ "id": "fedimint" }))
        .await?;
    node.open(browser).await?;
    // The first ends are healed at once, the last ones wait for their turn.
    for (name, what, package) in [
        ("strfry", "exit 1", "strfry"),
        ("strfry", "exit 1", "strfry"),
        ("mempool-db", "oom", "mempool"),
        ("mempool-db", "oom", "mempool"),
    ] {
        browser
            .until("it can end", CARDS, |cards| {
                cards[package]["state"] == "running"
            })
            .await?;
        node.poke(name, what).await?;
        let ends = format!(
            "return document.querySelectorAll('[data-container={name}] .exits li').length;"
        );
        browser
            .until("its end is in the history", &ends, |count| {
                count.as_u64() >= Some(1)
            })
            .await?;
    }
    // An update that takes its time, and one that waits below.
    node.podman.pull_delay_ms(120_000);
    node.offer(
        "electrs",
        "electrs",
        "0.10.9",
        &container("electrs", "").replace(FIXTURE_IMAGE, "docker.io/getumbrel/electrs:v0.10.9"),
    );
    node.rpc("package.install", json!({ "id": "electrs", "wait": false }))
        .await?;
    browser
        .until("all is as it is to be shown", CARDS, |cards| {
            cards["strfry"]["state"] == "crashed"
                && cards["mempool"]["state"] == "killed (OOM)"
                && cards["electrs"]["state"] == "installing"
        })
        .await?;
    browser.prefer("light").await?;
    browser.resize(1280, 1010, 1.0).await?;
    let png = browser.picture().await?;
    expect(png.len() < LARGEST, || {
        format!("the picture has {} bytes", png.len())
    })?;
    std::fs::write(&path, png).map_err(|error| format!("{path}: {error}"))
}
