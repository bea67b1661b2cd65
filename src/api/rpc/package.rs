//! `package.*`. Operations go on to their end when the client hangs up.

use std::future::Future;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Nothing, RpcError};
use crate::package::{InstallOptions, PackageError, Packages, UninstallOptions};
use crate::state::PackageDataEntry;

/// A package.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    /// The package.
    id: String,
}

/// Parameters of `package.uninstall`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Uninstall {
    /// The package.
    id: String,
    /// Keep volumes and secrets.
    #[serde(default)]
    keep_data: bool,
    /// Also when other installed packages need it.
    #[serde(default)]
    force: bool,
}

/// The package as it then is, or `null` where there is none any more.
type Outcome = Result<Option<PackageDataEntry>, RpcError>;

pub(super) async fn list(context: Context, _: Nothing) -> Result<Vec<PackageDataEntry>, RpcError> {
    Ok(context.packages.entries().await?)
}

pub(super) async fn install(context: Context, Id { id }: Id) -> Outcome {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.install(&name, InstallOptions::default()).await
    })
    .await
}

pub(super) async fn start(context: Context, Id { id }: Id) -> Outcome {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.start(&name).await
    })
    .await
}

pub(super) async fn stop(context: Context, Id { id }: Id) -> Outcome {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.stop(&name).await
    })
    .await
}

pub(super) async fn restart(context: Context, Id { id }: Id) -> Outcome {
    let name = id.clone();
    run(context, id, move |packages| async move {
        packages.restart(&name).await
    })
    .await
}

pub(super) async fn uninstall(context: Context, params: Uninstall) -> Outcome {
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

async fn run<F, Work>(context: Context, id: String, operation: F) -> Outcome
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
    Ok(entries.into_iter().find(|entry| entry.id == id))
}
