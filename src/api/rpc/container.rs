//! `container.*`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Context, RpcError, codes};
use crate::package::PACKAGE_LABEL;

/// Most log lines that are given.
const MOST_LINES: u32 = 10_000;

/// Parameters of `container.logs`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logs {
    name: String,
    #[serde(default = "default_tail")]
    tail: u32,
}

fn default_tail() -> u32 {
    100
}

/// All containers of packages.
pub(super) async fn list(context: &Context) -> Result<Value, RpcError> {
    let entries = context.packages.entries().await?;
    let containers: Vec<Value> = entries
        .iter()
        .flat_map(|entry| {
            let package = &entry.id;
            entry
                .containers
                .iter()
                .map(move |container| (package, container))
        })
        .map(|(package, container)| {
            let mut value = json!(container);
            value["package"] = json!(package);
            value
        })
        .collect();
    Ok(Value::Array(containers))
}

/// The last log lines of one container; only of one that belongs to a package.
pub(super) async fn logs(context: &Context, params: Logs) -> Result<Value, RpcError> {
    let Logs { name, tail } = params;
    let status = if crate::catalog::is_name(&name) {
        context.packages.podman.inspect(&name).await?
    } else {
        None
    };
    if status.is_none_or(|status| !status.labels.contains_key(PACKAGE_LABEL)) {
        let name: String = name.chars().take(80).collect();
        return Err(RpcError::new(
            codes::NO_SUCH_CONTAINER,
            format!("no container `{name}` of any package"),
        ));
    }
    let lines = context
        .packages
        .podman
        .logs(&name, tail.min(MOST_LINES))
        .await?;
    Ok(json!({ "name": name, "lines": lines }))
}
