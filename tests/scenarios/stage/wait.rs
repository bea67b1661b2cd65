//! How scenarios wait: for a named condition, with a deadline, and with what was seen last where it never came.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Stage;
use crate::registry::Outcome;
use crate::target::Target;

/// How long a named condition may take to come about.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(50);

/// Waiting for something, from now on.
struct Wait {
    awaited: String,
    until: Instant,
}

impl Wait {
    /// What is awaited is a clause: "`bitcoin` runs".
    fn that(awaited: impl Into<String>) -> Self {
        Self {
            awaited: awaited.into(),
            until: Instant::now() + DEADLINE,
        }
    }

    /// Lets the time between two looks go by; an error once the deadline is over, which tells what was seen last.
    async fn again(&self, target: &dyn Target, last_seen: impl FnOnce() -> String) -> Outcome {
        if Instant::now() > self.until {
            return Err(format!(
                "not so within {} s: {}; last seen:\n{}",
                DEADLINE.as_secs(),
                self.awaited,
                last_seen()
            ));
        }
        target.pause(LOOK).await;
        Ok(())
    }
}

impl Stage {
    /// Asks for a path of the HTTP service until its text is as `condition` wants it; the text.
    pub(crate) async fn until_text(
        &mut self,
        path: &str,
        awaited: &str,
        condition: impl Fn(&str) -> bool + Send,
    ) -> Result<String, String> {
        let wait = Wait::that(format!("{path} {awaited}"));
        loop {
            let body = self.open(path).await?;
            let bytes = axum::body::to_bytes(body, usize::MAX).await;
            let bytes = bytes.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if condition(&text) {
                return Ok(text);
            }
            wait.again(&*self.target, || text).await?;
        }
    }

    /// Makes the monitor look so many times, and waits until it has and heals nothing. What it has not done then it will
    /// not do.
    pub(crate) async fn have_looked(&mut self, times: u64) -> Outcome {
        for _ in 0..times {
            let before = self.health().await?;
            self.target.look_now().await?;
            let wait = Wait::that("the monitor has looked, and come to rest");
            loop {
                let now = self.health().await?;
                if now["looks"] != before["looks"] && now["healing"] == json!([]) {
                    break;
                }
                wait.again(&*self.target, || format!("{now}; before: {before}"))
                    .await?;
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

    /// Waits until a package is shown as `condition` wants it; returns it as it was then.
    pub(crate) async fn until(
        &mut self,
        id: &str,
        awaited: &str,
        condition: impl Fn(&Value) -> bool + Send,
    ) -> Result<Value, String> {
        let wait = Wait::that(format!("`{id}` {awaited}"));
        loop {
            let seen = match self.package(id).await {
                Ok(package) if condition(&package) => {
                    self.note(&wait.awaited);
                    return Ok(package);
                }
                Ok(package) => format!("{package:#}"),
                Err(error) => error,
            };
            if let Err(error) = wait.again(&*self.target, || seen).await {
                self.note(format!("`{id}` never {awaited}"));
                return Err(error);
            }
        }
    }

    /// Waits until archipelago lists no package any more; what podman holds goes a moment before.
    pub(crate) async fn until_none_is_listed(&mut self) -> Outcome {
        let wait = Wait::that("no package is listed any more");
        loop {
            let list = self.rpc("package.list", json!({})).await?;
            if list == json!([]) {
                return Ok(());
            }
            wait.again(&*self.target, || format!("{list:#}")).await?;
        }
    }

    /// Waits until a container runs, as podman has it.
    pub(crate) async fn until_running(&mut self, container: &str) -> Outcome {
        let wait = Wait::that(format!("`{container}` runs"));
        loop {
            let argv = ["ps", "--all", "--format", "json"];
            let output = self.target.podman(&argv).await?;
            let list: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
            let found = list
                .as_array()
                .into_iter()
                .flatten()
                .find(|found| found["Names"][0] == container);
            if found.is_some_and(|found| found["State"] == "running") {
                self.note(wait.awaited);
                return Ok(());
            }
            wait.again(&*self.target, || format!("{found:?}")).await?;
        }
    }

    /// Waits until a container runs that was started at another time than this, as podman has it.
    pub(crate) async fn until_started_after(&mut self, container: &str, before: &Value) -> Outcome {
        let wait = Wait::that(format!("`{container}`, started at {before}, runs anew"));
        loop {
            let argv = ["container", "inspect", container];
            let output = self.target.podman(&argv).await?;
            let inspected: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
            let state = &inspected[0]["State"];
            if state["Running"] == true && state["StartedAt"] != *before {
                self.note(wait.awaited);
                return Ok(());
            }
            wait.again(&*self.target, || format!("{state:#}")).await?;
        }
    }

    /// Waits until `GET path` on a port of the node has this status.
    pub(crate) async fn until_http(&mut self, port: u16, path: &str, status: u16) -> Outcome {
        let wait = Wait::that(format!("GET {path} on port {port} -> {status}"));
        loop {
            let seen = self.target.http_status(port, path).await?;
            if seen == Ok(status) {
                self.note(wait.awaited);
                return Ok(());
            }
            wait.again(&*self.target, || format!("{seen:?}")).await?;
        }
    }

    /// Waits until what is remembered of a container's restarts is as `condition` wants it.
    pub(crate) async fn until_tracked(
        &mut self,
        container: &str,
        awaited: &str,
        condition: impl Fn(&Value) -> bool + Send,
    ) -> Result<Value, String> {
        let wait = Wait::that(format!("`{container}` {awaited}"));
        loop {
            let history = self.tracked(container).await?;
            if condition(&history) {
                self.note(wait.awaited);
                return Ok(history);
            }
            wait.again(&*self.target, || format!("{history:#}")).await?;
        }
    }

    /// Waits until podman holds this and nothing else.
    pub(crate) async fn until_inventory(
        &mut self,
        wanted: &BTreeSet<String>,
        awaited: &str,
    ) -> Outcome {
        let wait = Wait::that(format!("what podman holds {awaited}"));
        loop {
            let now = self.inventory().await?;
            if now == *wanted {
                self.note(wait.awaited);
                return Ok(());
            }
            let seen = || {
                format!(
                    "too much: {:?}; missing: {:?}",
                    now.difference(wanted).collect::<Vec<_>>(),
                    wanted.difference(&now).collect::<Vec<_>>()
                )
            };
            wait.again(&*self.target, seen).await?;
        }
    }
}
