//! Server-sent events.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::node::Node;

/// An open stream.
struct Events {
    body: Body,
    text: String,
    comments: usize,
}

impl Events {
    async fn open(node: &Node) -> Self {
        let response = node
            .stream("/events", &[("authorization", &node.bearer())])
            .await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
            comments: 0,
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                match (field("event: "), field("data: ")) {
                    (Some(name), Some(data)) => {
                        let data = serde_json::from_str(&data).expect("JSON");
                        return Some((name, data));
                    }
                    _ => self.comments += 1,
                }
                continue;
            }
            let frame = self.body.frame().await?.expect("a whole stream");
            let data = frame.into_data().expect("data");
            self.text += std::str::from_utf8(&data).expect("text");
        }
    }

    /// Events until `wanted`, which is the last of them.
    async fn until(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Vec<(String, Value)> {
        let mut seen = Vec::new();
        let search = async {
            while let Some((name, data)) = self.next().await {
                let found = wanted(&name, &data);
                seen.push((name, data));
                if found {
                    return true;
                }
            }
            false
        };
        let found = timeout(Duration::from_secs(600), search).await;
        assert_eq!(
            found,
            Ok(true),
            "the awaited event did not come; seen: {seen:#?}"
        );
        seen
    }

    /// Events that are there now, or come within `time`.
    async fn within(&mut self, time: Duration) -> Vec<(String, Value)> {
        let mut seen = Vec::new();
        drop(
            timeout(time, async {
                while let Some(event) = self.next().await {
                    seen.push(event);
                }
            })
            .await,
        );
        seen
    }
}

fn state_of<'a>(packages: &'a Value, id: &str) -> Option<&'a str> {
    let mut packages = packages.as_array()?.iter();
    packages.find(|package| package["id"] == id)?["state"].as_str()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_begins_with_all_there_is() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    let mut events = Events::open(&node).await;
    let seen = events.until(|name, _| name == "packages").await;
    assert_eq!(names(&seen), ["health", "operation", "packages"]);
    assert_eq!(seen[0].1["status"], "ok");
    assert_eq!(
        (&seen[1].1["kind"], &seen[1].1["state"]),
        (&json!("install"), &json!("succeeded"))
    );
    let list = node.rpc("package.list", json!({})).await.expect("a list");
    assert_eq!(seen[2].1, list);
}

#[tokio::test(start_paused = true)]
async fn steps_of_an_operation_come_in_order_and_the_packages_with_them() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "");
    let mut events = Events::open(&node).await;
    events.until(|name, _| name == "packages").await;
    let begun = node
        .rpc("package.install", json!({ "id": "echo", "wait": false }))
        .await
        .expect("begun");
    let id = begun["operation"].as_u64().expect("a number");
    let seen = events
        .until(|name, data| name == "packages" && state_of(data, "echo") == Some("running"))
        .await;
    let of_operation: Vec<&Value> = seen
        .iter()
        .filter(|(name, _)| name == "operation")
        .map(|(_, data)| data)
        .collect();
    assert!(
        of_operation.iter().all(|view| view["id"] == id),
        "{seen:#?}"
    );
    let states: Vec<&str> = of_operation
        .iter()
        .filter_map(|view| view["state"].as_str())
        .collect();
    let (last, before) = states.split_last().expect("some");
    assert_eq!(*last, "succeeded");
    assert!(
        before.len() >= 3 && before.iter().all(|state| *state == "running"),
        "{states:?}"
    );
    let shown: Vec<Option<&str>> = seen
        .iter()
        .filter(|(name, _)| name == "packages")
        .map(|(_, data)| state_of(data, "echo"))
        .collect();
    assert!(shown.contains(&Some("installing")), "{shown:?}");
    let operation = node.rpc("operation.get", json!({ "id": id })).await;
    assert_eq!(
        &operation.expect("known"),
        of_operation[of_operation.len() - 1]
    );
}

#[tokio::test(start_paused = true)]
async fn packages_are_sent_when_they_changed_and_only_then() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    let mut events = Events::open(&node).await;
    events.until(|name, _| name == "packages").await;
    for _ in 0..5 {
        node.daemon().look_now();
        assert_eq!(events.within(Duration::from_secs(40)).await, []);
    }
    // Somebody else who is shown the same changes nothing either.
    let mut other = Events::open(&node).await;
    other.until(|name, _| name == "packages").await;
    assert_eq!(events.within(Duration::from_secs(1)).await, []);
    assert!(
        events.comments >= 5,
        "comments keep the connection alive: {}",
        events.comments
    );
    node.podman.kill_process("echo");
    node.daemon().look_now();
    let seen = events
        .until(|name, data| name == "packages" && state_of(data, "echo") == Some("running"))
        .await;
    let states: Vec<Option<&str>> = seen
        .iter()
        .map(|(_, data)| state_of(data, "echo"))
        .collect();
    assert!(states.len() > 1, "how it was down is shown too: {states:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_user_should_know_and_how_the_daemon_is_are_told() {
    let node = Node::with(|config| config.health.max_restart_attempts = 1).await;
    node.app("echo", "serve 8080", "restart = \"no\"");
    node.install("echo").await;
    let mut events = Events::open(&node).await;
    events.until(|name, _| name == "packages").await;
    node.podman.fail_start("echo", 5);
    node.podman.kill_process("echo");
    node.daemon().look_now();
    let seen = events.until(|name, _| name == "notification").await;
    let (_, notification) = seen.last().expect("one");
    assert_eq!(notification["container"], "echo");
    let kept = node
        .rpc("system.notifications", json!({}))
        .await
        .expect("a list");
    assert_eq!(
        kept.as_array().and_then(|kept| kept.last()),
        Some(notification)
    );

    node.is_cut
        .store(true, std::sync::atomic::Ordering::Relaxed);
    node.daemon().look_now();
    let seen = events.until(|name, _| name == "health").await;
    assert_eq!(seen.last().expect("one").1["status"], "podman failed");
    node.is_cut
        .store(false, std::sync::atomic::Ordering::Relaxed);
    let seen = events.until(|name, _| name == "health").await;
    assert_eq!(seen.last().expect("one").1["status"], "ok");
}

#[tokio::test(start_paused = true)]
async fn who_reads_too_slowly_is_given_everything_anew() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    let mut events = Events::open(&node).await;
    events.until(|name, _| name == "packages").await;
    for _ in 0..30 {
        for method in ["package.stop", "package.start"] {
            node.rpc(method, json!({ "id": "echo" }))
                .await
                .expect("done");
        }
    }
    node.rpc("package.stop", json!({ "id": "echo" }))
        .await
        .expect("done");
    sleep(Duration::from_secs(1)).await;
    let seen = events.within(Duration::from_secs(1)).await;
    assert_eq!(seen[0].0, "health", "it begins anew: {:?}", names(&seen));
    let operations: Vec<Value> = seen
        .iter()
        .filter(|(name, _)| name == "operation")
        .map(|(_, data)| data.clone())
        .collect();
    let known = node.rpc("operation.list", json!({})).await.expect("a list");
    assert_eq!(Value::Array(operations), known);
    let (name, packages) = seen.last().expect("some");
    assert_eq!(
        (name.as_str(), state_of(packages, "echo")),
        ("packages", Some("stopped"))
    );
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_end_with_the_daemon() {
    let node = Node::new().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(Events::open(&node).await);
    }
    let auth = node.bearer();
    let headers = [("authorization", auth.as_str())];
    let refused = node.stream("/events", &headers).await;
    assert_eq!(refused.status(), 503);
    streams.pop();
    let mut last = Events::open(&node).await;
    last.until(|name, _| name == "packages").await;
    let ended = timeout(Duration::from_secs(15), async {
        tokio::join!(node.daemon().shutdown(), async {
            while last.next().await.is_some() {}
        })
    });
    assert!(ended.await.is_ok(), "the stream is still open");
}

#[tokio::test(start_paused = true)]
async fn packages_are_looked_at_for_listeners_only() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    let looks = async || {
        sleep(Duration::from_secs(5)).await;
        let from = node.podman.calls().len();
        let stopped = node.rpc("package.stop", json!({ "id": "echo" })).await;
        stopped.expect("stopped");
        sleep(Duration::from_secs(5)).await;
        let looks = node.calls("ps", from).len();
        let started = node.rpc("package.start", json!({ "id": "echo" })).await;
        started.expect("started");
        looks
    };
    let without = looks().await;
    let mut events = Events::open(&node).await;
    events.until(|name, _| name == "packages").await;
    let with = looks().await;
    assert!(without >= 1 && with > without, "{without} and {with}");
}

#[tokio::test(start_paused = true)]
async fn events_and_metrics_need_the_token_and_a_plain_host() {
    let node = Node::new().await;
    let auth = node.bearer();
    for path in ["/events", "/metrics"] {
        assert_eq!(node.get(path, &[]).await.0, 401, "{path}");
        let foreign = [("authorization", auth.as_str()), ("host", "evil.example")];
        assert_eq!(node.get(path, &foreign).await.0, 403, "{path}");
    }
    let foreign = [("host", "evil.example")];
    assert_eq!(node.get("/rpc/v1/schema", &foreign).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn that_podman_failed_is_told_also_where_nothing_is_installed() {
    let node = Node::new().await;
    let mut events = Events::open(&node).await;
    events.until(|name, _| name == "packages").await;
    for (is_cut, status) in [(true, "podman failed"), (false, "ok")] {
        node.is_cut
            .store(is_cut, std::sync::atomic::Ordering::Relaxed);
        node.daemon().look_now();
        let seen = events.until(|name, _| name == "health").await;
        assert_eq!(seen.last().expect("one").1["status"], status);
    }
}
