//! The methods: parameters in, result out. The work is done elsewhere.

mod container;
mod error;
mod package;
mod system;

use serde::Deserialize;
use serde_json::Value;

use super::jsonrpc::{RpcError, params};
use super::{Context, codes};

const METHODS: [&str; 10] = [
    "container.list",
    "container.logs",
    "package.install",
    "package.list",
    "package.restart",
    "package.start",
    "package.stop",
    "package.uninstall",
    "system.health",
    "system.version",
];

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Calls a method.
pub(super) async fn dispatch(
    context: &Context,
    method: &str,
    given: Value,
) -> Result<Value, RpcError> {
    match method {
        "container.list" => {
            let Nothing {} = params(given)?;
            container::list(context).await
        }
        "container.logs" => container::logs(context, params(given)?).await,
        "package.list" => {
            let Nothing {} = params(given)?;
            package::list(context).await
        }
        "package.install" => package::install(context, params(given)?).await,
        "package.start" => package::start(context, params(given)?).await,
        "package.stop" => package::stop(context, params(given)?).await,
        "package.restart" => package::restart(context, params(given)?).await,
        "package.uninstall" => package::uninstall(context, params(given)?).await,
        "system.health" => {
            let Nothing {} = params(given)?;
            Ok(system::health(context))
        }
        "system.version" => {
            let Nothing {} = params(given)?;
            system::version(context).await
        }
        _ => {
            let known = METHODS.iter().map(|name| (*name).to_owned());
            let near = crate::config::nearest(method, known).unwrap_or_default();
            let method: String = method.chars().take(80).collect();
            Err(RpcError::new(
                codes::METHOD_NOT_FOUND,
                format!("no method `{method}`; did you mean `{near}`?"),
            ))
        }
    }
}
