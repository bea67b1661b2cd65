//! `container.*`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Nothing, RpcError, codes};
use crate::package::PACKAGE_LABEL;
use crate::state::{ContainerEntry, PackageState};

/// Most log lines that are given.
const MOST_LINES: u32 = 10_000;

/// Parameters of `container.logs`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsParams {
    /// The container.
    name: String,
    /// How many of the last lines; never more than some thousand.
    #[serde(default = "default_tail")]
    tail: u32,
}

fn default_tail() -> u32 {
    100
}

/// Parameters of `container.health`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthParams {
    /// Only this container; all of them where absent.
    #[serde(default)]
    name: Option<String>,
}

/// A container and its package.
#[derive(Serialize, JsonSchema)]
pub(super) struct Container {
    /// Its package.
    package: String,
    #[serde(flatten)]
    entry: ContainerEntry,
}

/// Log lines of a container.
#[derive(Serialize, JsonSchema)]
pub(super) struct Logs {
    /// The container.
    name: String,
    /// The oldest first.
    lines: Vec<String>,
}

/// What the health check of a container says.
#[derive(Serialize, JsonSchema)]
pub(super) struct ContainerHealth {
    /// Its package.
    package: String,
    /// Its name.
    name: String,
    /// `starting`, `healthy` or `unhealthy`; `null` where it has no check, or does not run.
    health: Option<&'static str>,
    /// How it is.
    state: PackageState,
    /// Why it is in that state.
    reason: String,
}

/// All containers of packages.
pub(super) async fn list(context: Context, _: Nothing) -> Result<Vec<Container>, RpcError> {
    let entries = context.packages.entries().await?;
    let containers = entries.into_iter().flat_map(|package| {
        let id = package.id;
        package.containers.into_iter().map(move |entry| Container {
            package: id.clone(),
            entry,
        })
    });
    Ok(containers.collect())
}

/// What the health checks say.
pub(super) async fn health(
    context: Context,
    HealthParams { name }: HealthParams,
) -> Result<Vec<ContainerHealth>, RpcError> {
    let mut containers = list(context, Nothing {}).await?;
    if let Some(name) = name {
        containers.retain(|container| container.entry.name == name);
        if containers.is_empty() {
            return Err(no_such(&name));
        }
    }
    let health = |Container { package, entry }: Container| ContainerHealth {
        package,
        name: entry.name,
        health: entry.health,
        state: entry.state,
        reason: entry.reason,
    };
    Ok(containers.into_iter().map(health).collect())
}

/// The last log lines of one container; only of one that belongs to a package.
pub(super) async fn logs(context: Context, params: LogsParams) -> Result<Logs, RpcError> {
    let LogsParams { name, tail } = params;
    let podman = &context.packages.podman;
    let status = if crate::catalog::is_name(&name) {
        podman.inspect(&name).await?
    } else {
        None
    };
    if status.is_none_or(|status| !status.labels.contains_key(PACKAGE_LABEL)) {
        return Err(no_such(&name));
    }
    let lines = podman.logs(&name, tail.min(MOST_LINES)).await?;
    Ok(Logs { name, lines })
}

fn no_such(name: &str) -> RpcError {
    let name: String = name.chars().take(80).collect();
    RpcError::new(
        codes::NO_SUCH_CONTAINER,
        format!("no container {name:?} of any package"),
    )
}
