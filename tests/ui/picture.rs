//! The README's picture of the page.

use archipelago::container::mock_podman::FIXTURE_IMAGE;
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

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

/// How some containers ended in the last days.
fn past() -> Value {
    let history = |attempts: u32, ends: &[(&str, Option<i32>, i64)]| {
        let exits: Vec<Value> = ends
            .iter()
            .map(|(reason, code, minutes)| {
                let at = Utc::now() - TimeDelta::minutes(*minutes);
                json!({ "reason": reason, "code": code, "at": at, "run": at - TimeDelta::minutes(7) })
            })
            .collect();
        let none = Value::Null;
        json!({
            "attempts": attempts, "last_attempt": Utc::now() - TimeDelta::minutes(20), "running_since": none, "gave_up": none,
            "start_error": none, "stopping_since": none, "podman_restarts": 0, "exits": exits,
        })
    };
    let oom = ("killed (OOM)", Some(137));
    json!({ "containers": {
        "mempool-db": history(2, &[(oom.0, oom.1, 310), (oom.0, oom.1, 190), (oom.0, oom.1, 64)]),
        "bitcoin-core": history(0, &[("interrupted", None, 1270)]),
        "lnd": history(0, &[("interrupted", None, 1270), ("crashed", Some(2), 1262)]),
        "strfry": history(1, &[("crashed", Some(1), 42), ("crashed", Some(1), 27)]),
    }})
}

async fn picture(node: &Node, browser: &Browser) -> Outcome {
    let path = std::env::var(VARIABLE).map_err(|error| format!("{VARIABLE}: {error}"))?;
    // One that can be given a past.
    let _ = node;
    let mut node = Node::new().await?;
    for (id, title, version, containers) in [
        (
            "bitcoin-core",
            "Bitcoin Core",
            "29.0",
            format!(
                "excludes = [\"bitcoin-knots\"]\n{}",
                container("bitcoin-core", "tier = 1")
            ),
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
    node.remember(&past()).await?;
    node.open(browser).await?;
    // The first end of each is healed at once, and the second waits for its turn.
    for (name, what) in [("strfry", "exit 1"), ("mempool-db", "oom")] {
        for _ in 0..2 {
            let history = format!(
                "const row = document.querySelector('[data-container={name}]'); \
                 return [row.querySelector('.since').checkVisibility(), row.querySelectorAll('.exits li').length];"
            );
            let before = browser
                .until("it runs", &history, |seen| seen[0] == true)
                .await?;
            node.poke(name, what).await?;
            browser
                .until("its end is remembered", &history, |seen| {
                    seen[1] != before[1]
                })
                .await?;
        }
    }
    // An install that takes its time.
    node.podman.pull_delay_ms(120_000);
    node.offer(
        "electrs",
        "electrs",
        "0.10.9",
        &format!(
            "excludes = [\"electrumx\"]\n{}",
            container("electrs", "").replace(FIXTURE_IMAGE, "docker.io/getumbrel/electrs:v0.10.9")
        ),
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
    browser.resize(1280, 860, 1.0).await?;
    let png = browser.picture().await?;
    expect(png.len() < LARGEST, || {
        format!("the picture has {} bytes", png.len())
    })?;
    node.end().await;
    std::fs::write(&path, png).map_err(|error| format!("{path}: {error}"))
}
