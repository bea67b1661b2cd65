//! `operation.*`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Nothing, RpcError};
use crate::package::OperationView;

/// An operation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    /// The operation's number.
    id: u64,
}

/// How an operation stands.
pub(super) async fn get(context: Context, Id { id }: Id) -> Result<OperationView, RpcError> {
    Ok(context.packages.operation(id)?)
}

/// Operations under way, and the last ones that ended.
pub(super) async fn list(context: Context, _: Nothing) -> Result<Vec<OperationView>, RpcError> {
    Ok(context.packages.operations())
}

/// Cancels an operation.
pub(super) async fn cancel(context: Context, Id { id }: Id) -> Result<OperationView, RpcError> {
    context.packages.cancel(id)?;
    Ok(context.packages.operation(id)?)
}
