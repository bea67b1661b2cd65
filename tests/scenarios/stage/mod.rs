//! A target with a note of everything that was done to it, and the ways in which scenarios look at it. How they wait is in
//! `wait`.

mod wait;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fixture::{Container, manifest};
use crate::registry::Outcome;
use crate::target::{Call, Fault, Output, Remote, Target};

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

    /// A command on the node that has to succeed; its standard output.
    pub(crate) async fn shell(&mut self, argv: &[&str]) -> Result<String, String> {
        let output = self.target.shell(argv).await?;
        self.note(format!("{} -> {}", argv.join(" "), output.code));
        expect(output.code == 0, || {
            let said = output.stderr.trim_end();
            format!("`{}` ended with {}: {said}", argv.join(" "), output.code)
        })?;
        Ok(output.stdout)
    }

    /// Lets so much of the target's time go by, between two looks at something that no other method waits for.
    pub(crate) async fn pause(&mut self, time: Duration) {
        self.target.pause(time).await;
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

    /// Begins a call whose answer is waited for later, with [`Stage::answer`].
    pub(crate) async fn begin(&mut self, method: &str, params: Value) -> Result<Call, String> {
        self.note(format!("begin rpc {method} {params}"));
        self.target.begin(method, params).await
    }

    /// The answer of a call that was begun: its result, or its error object.
    pub(crate) async fn answer(&mut self, call: Call) -> Result<Result<Value, Value>, String> {
        let answer = call.await.map_err(|error| error.to_string())??;
        self.note(format!("the call that was begun -> {answer:?}"));
        Ok(answer)
    }

    pub(crate) async fn kill_daemon(&mut self) -> Outcome {
        self.note("kill the daemon");
        self.target.kill_daemon().await?;
        self.note("the daemon answers again");
        Ok(())
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

    /// What the daemon wrote to the journal since the target was opened.
    pub(crate) async fn journal(&mut self) -> Result<String, String> {
        self.target.journal().await
    }

    /// What is remembered of a container's restarts; null where nothing is.
    pub(crate) async fn tracked(&mut self, container: &str) -> Result<Value, String> {
        let files = self.target.state_files().await?;
        let file = files
            .iter()
            .find(|(path, _)| path == "restart-tracker.json");
        let tracker = file.map(|(_, content)| serde_json::from_str::<Value>(content));
        match tracker {
            Some(Ok(tracker)) => Ok(tracker["data"]["containers"][container].clone()),
            Some(Err(error)) => Err(format!("restart-tracker.json: {error}")),
            None => Ok(Value::Null),
        }
    }

    /// Starts a registry that holds an image.
    pub(crate) async fn registry(&mut self) -> Result<Remote, String> {
        self.note("a registry is started");
        self.target.registry().await
    }

    /// From now on that registry never answers.
    pub(crate) async fn registry_hangs(&mut self) -> Outcome {
        self.note("the registry hangs");
        self.target.registry_hangs().await
    }

    /// A reference of an image in a registry of the node's own that is down.
    pub(crate) async fn closed_registry(&mut self, image: &str) -> Result<String, String> {
        self.target.closed_registry(image).await
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
