//! A target with a note of everything that was done to it, and the ways in which scenarios look at it.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fixture::{Container, manifest};
use crate::registry::Outcome;
use crate::target::{Fault, Output, Target};

/// How long a named condition may take to come about.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Stage {
    target: Box<dyn Target>,
    begun: Instant,
    /// What was done when, and what came of it.
    pub(crate) timeline: Vec<String>,
}

impl Stage {
    pub(crate) fn new(target: Box<dyn Target>) -> Self {
        Self {
            target,
            begun: Instant::now(),
            timeline: Vec::new(),
        }
    }

    fn note(&mut self, what: impl AsRef<str>) {
        let at = self.begun.elapsed().as_secs_f64();
        self.timeline.push(format!("{at:8.3} s  {}", what.as_ref()));
    }

    /// A call that has to be answered with a result.
    pub(crate) async fn rpc(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let said = format!("rpc {method} {params}");
        let answer = self.target.rpc(method, params).await?;
        match answer {
            Ok(result) => {
                self.note(format!("{said} -> {result}"));
                Ok(result)
            }
            Err(error) => {
                self.note(format!("{said} -> error {error}"));
                Err(format!("{said} was answered with the error {error:#}"))
            }
        }
    }

    /// A call that has to be answered with an error; the error object.
    pub(crate) async fn rpc_error(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let said = format!("rpc {method} {params}");
        match self.target.rpc(method, params).await? {
            Ok(result) => {
                self.note(format!("{said} -> {result}"));
                Err(format!(
                    "{said} was answered with {result}, not with an error"
                ))
            }
            Err(error) => {
                self.note(format!("{said} -> error {error}"));
                Ok(error)
            }
        }
    }

    /// Opens a path of the HTTP service that has to be answered with 200; the body may have no end.
    pub(crate) async fn open(&mut self, path: &str) -> Result<Body, String> {
        let (status, body) = self.target.open(path).await?;
        self.note(format!("GET {path} -> {status}"));
        expect(status == 200, || {
            format!("GET {path} was answered with {status}")
        })?;
        Ok(body)
    }

    /// Asks for a path of the HTTP service until its text is as `condition` wants it; the text.
    pub(crate) async fn until_text(
        &mut self,
        path: &str,
        awaited: &str,
        condition: impl Fn(&str) -> bool + Send,
    ) -> Result<String, String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let body = self.open(path).await?;
            let bytes = axum::body::to_bytes(body, usize::MAX).await;
            let bytes = bytes.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if condition(&text) {
                return Ok(text);
            }
            expect(Instant::now() < deadline, || {
                format!(
                    "{path} did not {awaited} within {} s; last seen:\n{text}",
                    DEADLINE.as_secs()
                )
            })?;
            self.target.pause(LOOK).await;
        }
    }

    /// podman's command line; a non-zero exit code is an error that quotes what podman said.
    pub(crate) async fn podman(&mut self, argv: &[&str]) -> Result<String, String> {
        let Output {
            code,
            stdout,
            stderr,
        } = self.target.podman(argv).await?;
        self.note(format!("podman {} -> {code}", argv.join(" ")));
        if code == 0 {
            Ok(stdout)
        } else {
            Err(format!(
                "`podman {}` ended with {code}: {}",
                argv.join(" "),
                stderr.trim_end()
            ))
        }
    }

    /// podman's command line, its standard output as JSON.
    pub(crate) async fn podman_json(&mut self, argv: &[&str]) -> Result<Value, String> {
        let text = self.podman(argv).await?;
        serde_json::from_str(&text)
            .map_err(|error| format!("`podman {}` printed {text:?}: {error}", argv.join(" ")))
    }

    /// Makes a package known to the node and installs it.
    pub(crate) async fn install(&mut self, id: &str, containers: &[Container]) -> Outcome {
        self.add_app(id, containers).await?;
        self.rpc("package.install", json!({ "id": id })).await?;
        Ok(())
    }

    /// Makes a package known to the node.
    pub(crate) async fn add_app(&mut self, id: &str, containers: &[Container]) -> Outcome {
        self.note(format!("add the manifest of {id}"));
        self.target.add_app(id, &manifest(id, containers)).await
    }

    pub(crate) async fn inject(&mut self, fault: Fault<'_>) -> Outcome {
        self.note(format!("{fault:?}"));
        self.target.inject(fault).await
    }

    pub(crate) async fn look_now(&mut self) -> Outcome {
        self.note("make the monitor look");
        self.target.look_now().await
    }

    pub(crate) async fn restart_daemon(&mut self) -> Outcome {
        self.note("restart the daemon");
        self.target.restart_daemon().await?;
        self.note("the daemon answers again");
        Ok(())
    }

    pub(crate) async fn power_loss(&mut self) -> Outcome {
        self.note("cut the power");
        self.target.power_loss().await?;
        self.note("booted, the daemon answers again");
        Ok(())
    }

    pub(crate) async fn watch_podman(&mut self) -> Outcome {
        self.note("note down every call of podman");
        self.target.watch_podman().await
    }

    pub(crate) async fn leaks(&mut self, texts: &[&str]) -> Result<Vec<String>, String> {
        self.target.leaks(texts).await
    }

    pub(crate) async fn state_files(&mut self) -> Result<Vec<(String, String)>, String> {
        self.target.state_files().await
    }

    /// Makes the monitor look so many times, and waits until it has and heals nothing. What it has not done then it will
    /// not do.
    pub(crate) async fn have_looked(&mut self, times: u64) -> Outcome {
        for _ in 0..times {
            let before = self.health().await?;
            self.target.look_now().await?;
            let deadline = Instant::now() + DEADLINE;
            loop {
                let now = self.health().await?;
                if now["looks"] != before["looks"] && now["healing"] == json!([]) {
                    break;
                }
                expect(Instant::now() < deadline, || {
                    format!(
                        "the monitor did not look, and come to rest, within {} s; before: {before}; now: {now}",
                        DEADLINE.as_secs()
                    )
                })?;
                self.target.pause(LOOK).await;
            }
        }
        self.note(format!("the monitor has looked {times} times"));
        Ok(())
    }

    async fn health(&self) -> Result<Value, String> {
        self.target
            .rpc("system.health", json!({}))
            .await?
            .map_err(|error| format!("system.health was answered with {error}"))
    }

    /// One package as `package.list` shows it.
    pub(crate) async fn package(&mut self, id: &str) -> Result<Value, String> {
        let list = match self.target.rpc("package.list", json!({})).await? {
            Ok(list) => list,
            Err(error) => return Err(format!("package.list was answered with {error}")),
        };
        list.as_array()
            .into_iter()
            .flatten()
            .find(|package| package["id"] == id)
            .cloned()
            .ok_or_else(|| format!("package.list does not show `{id}`: {list}"))
    }

    /// Waits until a package is shown as `condition` wants it; returns it as it was then.
    pub(crate) async fn until(
        &mut self,
        id: &str,
        awaited: &str,
        condition: impl Fn(&Value) -> bool + Send,
    ) -> Result<Value, String> {
        let deadline = Instant::now() + DEADLINE;
        let mut last = String::from("nothing");
        loop {
            match self.package(id).await {
                Ok(package) if condition(&package) => {
                    self.note(format!("`{id}` {awaited}"));
                    return Ok(package);
                }
                Ok(package) => last = format!("{package:#}"),
                Err(error) => {
                    last = if deadline > Instant::now() {
                        error
                    } else {
                        last
                    }
                }
            }
            if Instant::now() > deadline {
                self.note(format!("`{id}` never {awaited}"));
                return Err(format!(
                    "`{id}` was not seen to be so within {} s: {awaited}; last seen:\n{last}",
                    DEADLINE.as_secs()
                ));
            }
            self.target.pause(LOOK).await;
        }
    }

    /// Names of everything podman holds but images: `container x`, `volume y`, `network z`, `secret s`.
    pub(crate) async fn inventory(&mut self) -> Result<BTreeSet<String>, String> {
        let mut found = BTreeSet::new();
        for (kind, argv) in [
            ("container", &["ps", "--all", "--format", "{{.Names}}"][..]),
            ("volume", &["volume", "ls", "--quiet"]),
            ("network", &["network", "ls", "--quiet"]),
            ("secret", &["secret", "ls", "--format", "{{.Name}}"]),
        ] {
            let names = self.podman(argv).await?;
            found.extend(names.lines().map(|name| format!("{kind} {}", name.trim())));
        }
        Ok(found)
    }

    /// `.State` of a container as `podman inspect` gives it.
    pub(crate) async fn state_of(&mut self, container: &str) -> Result<Value, String> {
        let found = self
            .podman_json(&["container", "inspect", container])
            .await?;
        Ok(found[0]["State"].clone())
    }
}

/// A failed expectation, with what was seen.
pub(crate) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise()) }
}
