//! The text for Prometheus, and the collector behind it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::node::Node;

/// All samples, by name and labels; every line is one of the format's.
async fn scrape(node: &Node) -> BTreeMap<String, f64> {
    let (status, text) = node
        .get("/metrics", &[("authorization", &node.bearer())])
        .await;
    assert_eq!(status, 200, "{text}");
    let text = text.as_str().expect("text").to_owned();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let samples = text.lines().filter(|line| !line.starts_with("# "));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("series and value");
            assert!(series.starts_with("archipelago_"), "{line}");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn packages_containers_and_the_monitor_are_counted() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "restart = \"no\"");
    node.app("other", "serve 8081", "");
    node.install("echo").await;
    node.install("other").await;
    node.rpc("package.stop", json!({ "id": "other" }))
        .await
        .expect("stopped");
    node.podman.kill_process("echo");
    node.look_and_wait(Duration::from_secs(20)).await;
    let samples = scrape(&node).await;
    for (series, value) in [
        ("archipelago_podman_up", 1.0),
        ("archipelago_packages{state=\"running\"}", 1.0),
        ("archipelago_packages{state=\"stopped\"}", 1.0),
        ("archipelago_containers{state=\"running\"}", 1.0),
        (
            "archipelago_container_up{package=\"echo\",container=\"echo\"}",
            1.0,
        ),
        (
            "archipelago_container_up{package=\"other\",container=\"other\"}",
            0.0,
        ),
        (
            "archipelago_container_restart_attempts{package=\"echo\",container=\"echo\"}",
            1.0,
        ),
        (
            "archipelago_heals_total{action=\"restart\",outcome=\"succeeded\"}",
            1.0,
        ),
        (
            "archipelago_operations_total{kind=\"install\",outcome=\"succeeded\"}",
            2.0,
        ),
        (
            "archipelago_operations_total{kind=\"stop\",outcome=\"succeeded\"}",
            1.0,
        ),
        ("archipelago_operations_running", 0.0),
        (
            "archipelago_rpc_calls_total{method=\"package.install\",outcome=\"succeeded\"}",
            2.0,
        ),
        ("archipelago_event_streams", 0.0),
    ] {
        assert_eq!(
            samples.get(series),
            Some(&value),
            "{series} in {samples:#?}"
        );
    }
    assert!(samples["archipelago_looks_total"] >= 1.0);
    assert!(samples["archipelago_last_look_age_seconds"] <= 120.0);
    assert!(
        samples["archipelago_podman_commands_total{command=\"ps\",outcome=\"succeeded\"}"] > 1.0
    );
}

#[tokio::test(start_paused = true)]
async fn what_containers_use_is_sampled_at_its_interval_and_told() {
    let node = Node::with(|config| config.metrics.interval = Duration::from_secs(300)).await;
    node.app("echo", "serve 8080", "");
    let before = node.rpc("metrics", json!({})).await.expect("usage");
    assert_eq!(
        (&before["interval_secs"], &before["containers"]),
        (&json!(300), &json!([]))
    );
    node.install("echo").await;
    sleep(Duration::from_secs(310)).await;
    let from = node.podman.calls().len();
    let usage = node.rpc("metrics", json!({})).await.expect("usage");
    let container = &usage["containers"][0];
    assert_eq!(
        (&container["package"], &container["name"]),
        (&json!("echo"), &json!("echo"))
    );
    assert!(container["memory_bytes"].as_u64() > Some(0), "{usage}");
    assert_eq!(
        container["cpu_percent"],
        Value::Null,
        "one sample is no share"
    );
    let samples = scrape(&node).await;
    let series = "archipelago_container_memory_bytes{package=\"echo\",container=\"echo\"}";
    assert!(samples[series] > 0.0);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(node.calls("stats", from).len(), 2, "one each five minutes");
    let usage = node.rpc("metrics", json!({})).await.expect("usage");
    assert!(usage["containers"][0]["cpu_percent"].is_number(), "{usage}");
}

#[tokio::test(start_paused = true)]
async fn without_podman_all_else_is_told_and_the_last_sample_stays() {
    let node = Node::with(|config| config.metrics.interval = Duration::from_secs(10)).await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    sleep(Duration::from_secs(30)).await;
    for fault in [&node.is_cut, &node.hangs] {
        fault.store(true, Ordering::Relaxed);
        sleep(Duration::from_secs(60)).await;
        let samples = scrape(&node).await;
        assert_eq!(samples["archipelago_podman_up"], 0.0);
        let memory = "archipelago_container_memory_bytes{package=\"echo\",container=\"echo\"}";
        assert!(samples[memory] > 0.0);
        let usage = node.rpc("metrics", json!({})).await.expect("usage");
        assert!(usage["error"].is_string(), "{usage}");
        let broken = "archipelago_podman_commands_total{command=\"ps\",outcome=\"broken\"}";
        assert!(samples[broken] > 0.0);
        fault.store(false, Ordering::Relaxed);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(scrape(&node).await["archipelago_podman_up"], 1.0);
    }
}
