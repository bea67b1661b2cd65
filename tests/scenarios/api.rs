//! The HTTP service as a program on the node's network meets it.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    steps_of_an_install_arrive_as_events_in_order,
    metrics_tell_what_containers_use needs [MemoryLimit],
    hostile_names_leave_the_daemon_alive,
];

/// How long an awaited event may take.
const EVENT: Duration = Duration::from_secs(60);

/// An open stream of events.
pub(crate) struct Events {
    body: Body,
    text: String,
    seen: Vec<String>,
}

impl Events {
    /// Opens one, and reads how everything is.
    pub(crate) async fn open(stage: &mut Stage) -> Result<Self, String> {
        let mut events = Self {
            body: stage.open("/events").await?,
            text: String::new(),
            seen: Vec::new(),
        };
        events
            .until("the packages as they are", |name, _| name == "packages")
            .await?;
        Ok(events)
    }

    /// The next event and its data.
    async fn next(&mut self) -> Result<(String, Value), String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                let event = field("event: ").zip(field("data: "));
                self.text = rest.to_owned();
                if let Some((name, data)) = event {
                    self.seen.push(format!("{name} {data}"));
                    let data = serde_json::from_str(&data).map_err(|error| error.to_string())?;
                    return Ok((name, data));
                }
                continue;
            }
            let frame = self.body.frame().await.ok_or("the stream ended")?;
            let frame = frame.map_err(|error| format!("the stream broke: {error}"))?;
            if let Ok(data) = frame.into_data() {
                self.text += &String::from_utf8_lossy(&data);
            }
        }
    }

    /// Reads until `wanted` has had enough.
    pub(crate) async fn until(
        &mut self,
        awaited: &str,
        mut wanted: impl FnMut(&str, &Value) -> bool,
    ) -> Outcome {
        let search = async {
            loop {
                let (name, data) = self.next().await?;
                if wanted(&name, &data) {
                    return Ok(());
                }
            }
        };
        match timeout(EVENT, search).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!(
                "no event within {} s: {awaited}; seen:\n{}",
                EVENT.as_secs(),
                self.seen.join("\n")
            )),
        }
    }
}

fn state_of<'a>(packages: &'a Value, id: &str) -> Option<&'a str> {
    let mut packages = packages.as_array()?.iter();
    packages.find(|package| package["id"] == id)?["state"].as_str()
}

async fn steps_of_an_install_arrive_as_events_in_order(stage: &mut Stage) -> Outcome {
    stage.add_app("echo", &[serve("echo")]).await?;
    let mut events = Events::open(stage).await?;
    let begun = stage
        .rpc("package.install", json!({ "id": "echo", "wait": false }))
        .await?;
    let mut views: Vec<Value> = Vec::new();
    let mut shown: Vec<String> = Vec::new();
    events
        .until("`echo` is running, and its install done", |name, data| {
            match name {
                "operation" => views.push(data.clone()),
                "packages" => shown.extend(state_of(data, "echo").map(str::to_owned)),
                _ => {}
            }
            let is_done = views
                .last()
                .is_some_and(|view| view["state"] == "succeeded");
            is_done && shown.last().is_some_and(|state| state == "running")
        })
        .await?;
    expect(
        views.iter().all(|view| view["id"] == begun["operation"]),
        || format!("the install is {begun}, and these came: {views:#?}"),
    )?;
    let (_, before) = views.split_last().ok_or("no view of the install")?;
    expect(
        before.len() > 2 && before.iter().all(|view| view["state"] == "running"),
        || format!("not step by step to the end: {views:#?}"),
    )?;
    expect(
        shown.first().is_some_and(|state| state == "installing"),
        || format!("it was not shown as installing first: {shown:?}"),
    )
}

async fn metrics_tell_what_containers_use(stage: &mut Stage) -> Outcome {
    stage.install("echo", &[serve("echo")]).await?;
    // The collector asks at the daemon's start, and then seldom.
    stage.restart_daemon().await?;
    let series = "archipelago_container_memory_bytes{package=\"echo\",container=\"echo\"} ";
    let memory = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.and_then(|value| value.parse::<f64>().ok())
    };
    let text = stage
        .until_text("/metrics", "tells of the memory of `echo`", |text| {
            memory(text).is_some()
        })
        .await?;
    expect(memory(&text) > Some(0.0), || text.clone())?;
    for line in text.lines() {
        let is_sample = line.rsplit_once(' ').is_some_and(|(series, value)| {
            series.starts_with("archipelago_") && value.parse::<f64>().is_ok()
        });
        expect(line.starts_with("# ") || is_sample, || {
            format!("{line:?} is no line of the format")
        })?;
    }
    for sample in [
        "archipelago_podman_up 1",
        "archipelago_packages{state=\"running\"} 1",
        "archipelago_container_up{package=\"echo\",container=\"echo\"} 1",
    ] {
        expect(text.lines().any(|line| line == sample), || {
            format!("{sample} is missing in:\n{text}")
        })?;
    }
    Ok(())
}

async fn hostile_names_leave_the_daemon_alive(stage: &mut Stage) -> Outcome {
    stage.install("echo", &[serve("echo")]).await?;
    let before = stage.inventory().await?;
    let long = "x".repeat(300);
    for name in [
        "-x",
        "--all",
        "../echo",
        "a b",
        "",
        "echo\0",
        "echo;reboot",
        &long,
    ] {
        for method in ["package.install", "package.stop", "package.uninstall"] {
            let error = stage.rpc_error(method, json!({ "id": name })).await?;
            expect(
                [-32010, -32011].map(Value::from).contains(&error["code"]),
                || format!("{method} of {name:?} was answered with {error:#}"),
            )?;
        }
        let error = stage
            .rpc_error("container.logs", json!({ "name": name }))
            .await?;
        expect(error["code"] == -32018, || format!("{error:#}"))?;
    }
    for image in [
        "--privileged",
        "-v=/:/host",
        "docker.io/x:1 --privileged",
        "",
    ] {
        let params = json!({ "id": "filebrowser", "dockerImage": image });
        let error = stage.rpc_error("package.install", params).await?;
        expect(error["data"]["kind"] == "bad image", || {
            format!("the image {image:?} was answered with {error:#}")
        })?;
    }
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("something was made: before {before:?}, after {after:?}")
    })?;
    let package = stage.package("echo").await?;
    expect(package["state"] == "running", || format!("{package:#}"))
}
