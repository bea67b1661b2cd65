//! `package.*`. Operations go on to their end when the client hangs up.

use std::future::Future;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Context, RpcError};
use crate::package::{InstallOptions, PackageError, Packages, UninstallOptions};

/// A package.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    id: String,
}

/// Parameters of `package.uninstall`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Uninstall {
    id: String,
    #[serde(default)]
    keep_data: bool,
    #[serde(default)]
    force: bool,
}

pub(super) async fn list(context: &Context) -> Result<Value, RpcError> {
    Ok(json!(context.packages.entries().await?))
}

pub(super) async fn install(context: &Context, Id { id }: Id) -> Result<Value, RpcError> {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.install(&name, InstallOptions::default()).await
    })
    .await
}

pub(super) async fn start(context: &Context, Id { id }: Id) -> Result<Value, RpcError> {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.start(&name).await
    })
    .await
}

pub(super) async fn stop(context: &Context, Id { id }: Id) -> Result<Value, RpcError> {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.stop(&name).await
    })
    .await
}

pub(super) async fn restart(context: &Context, Id { id }: Id) -> Result<Value, RpcError> {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.restart(&name).await
    })
    .await
}

pub(super) async fn uninstall(context: &Context, params: Uninstall) -> Result<Value, RpcError> {
    let Uninstall {
        id,
        keep_data,
        force,
    } = params;
    let name = id.clone();
    let options = UninstallOptions { keep_data, force };
    run(context, id, move |packages| async move {
        packages.uninstall(&name, options).await
    })
    .await
}

/// Runs an operation; its result is the package as it then is, or `null` where there is none any more.
async fn run<F, Work>(context: &Context, id: String, operation: F) -> Result<Value, RpcError>
where
    F: FnOnce(Arc<Packages>) -> Work + Send + 'static,
    Work: Future<Output = Result<(), PackageError>> + Send + 'static,
{
    let packages = Arc::clone(&context.packages);
    let work = operation(packages);
    context
        .tasks
        .run(work)
        .await
        .unwrap_or(Err(PackageError::Interrupted))?;
    let entries = context.packages.entries().await?;
    Ok(json!(entries.into_iter().find(|entry| entry.id == id)))
}
