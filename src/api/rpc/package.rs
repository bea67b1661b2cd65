//! `package.*`. Operations go on to their end when the client hangs up.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Nothing, RpcError};
use crate::package::{
    InstallOptions, PackageError, ReconcileReport, Request, Submitted, UninstallOptions,
    UpdateOptions,
};
use crate::state::PackageDataEntry;

/// A package, and whether to wait.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    /// The package.
    id: String,
    /// Answer when it is done; `false` answers at once, with the operation's number.
    #[serde(default = "yes")]
    wait: bool,
}

/// Parameters of `package.install`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Install {
    /// The package.
    id: String,
    /// Another image than the manifest's, with registry and tag or digest.
    #[serde(default)]
    docker_image: Option<String>,
    /// Answer when it is done; `false` answers at once, with the operation's number.
    #[serde(default = "yes")]
    wait: bool,
}

/// Parameters of `package.update`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Update {
    /// The package.
    id: String,
    /// Another version than the catalog's: it takes the place of the catalog's version in the tags of images.
    #[serde(default)]
    version: Option<String>,
    /// Another image than the manifest's, with registry and tag or digest. Where absent, one that was chosen before stays.
    #[serde(default)]
    docker_image: Option<String>,
    /// Answer when it is done; `false` answers at once, with the operation's number.
    #[serde(default = "yes")]
    wait: bool,
}

/// Parameters of `package.reconcile`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reconcile {
    /// The package; all installed ones where absent.
    #[serde(default)]
    id: Option<String>,
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
    /// Answer when it is done; `false` answers at once, with the operation's number.
    #[serde(default = "yes")]
    wait: bool,
}

fn yes() -> bool {
    true
}

/// What became of an operation.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Answer {
    /// It has begun; `operation.get` and `/events` tell how it goes on.
    Begun {
        /// Its number.
        operation: u64,
    },
    /// It is done: the package as it then is, or `null` where there is none any more.
    Done(Option<PackageDataEntry>),
}

/// All installed packages.
pub(super) async fn list(context: Context, _: Nothing) -> Result<Vec<PackageDataEntry>, RpcError> {
    Ok(context.packages.entries().await?)
}

/// Installs.
pub(super) async fn install(context: Context, params: Install) -> Result<Answer, RpcError> {
    let Install {
        id,
        docker_image,
        wait,
    } = params;
    let request = Request::Install(InstallOptions { docker_image });
    submit(&context, id, request, wait).await
}

/// Updates.
pub(super) async fn update(context: Context, params: Update) -> Result<Answer, RpcError> {
    let Update {
        id,
        version,
        docker_image,
        wait,
    } = params;
    let request = Request::Update(UpdateOptions {
        version,
        docker_image,
    });
    submit(&context, id, request, wait).await
}

/// Reconciles.
pub(super) async fn reconcile(
    context: Context,
    Reconcile { id }: Reconcile,
) -> Result<ReconcileReport, RpcError> {
    let packages = Arc::clone(&context.packages);
    let work = async move { packages.reconcile(id.as_deref()).await };
    let report = context.tasks.run(work).await;
    Ok(report.unwrap_or(Err(PackageError::Interrupted))?)
}

/// Starts.
pub(super) async fn start(context: Context, Id { id, wait }: Id) -> Result<Answer, RpcError> {
    submit(&context, id, Request::Start, wait).await
}

/// Stops.
pub(super) async fn stop(context: Context, Id { id, wait }: Id) -> Result<Answer, RpcError> {
    submit(&context, id, Request::Stop, wait).await
}

/// Stops and starts.
pub(super) async fn restart(context: Context, Id { id, wait }: Id) -> Result<Answer, RpcError> {
    submit(&context, id, Request::Restart, wait).await
}

/// Removes.
pub(super) async fn uninstall(context: Context, params: Uninstall) -> Result<Answer, RpcError> {
    let Uninstall {
        id,
        keep_data,
        force,
        wait,
    } = params;
    let request = Request::Uninstall(UninstallOptions { keep_data, force });
    submit(&context, id, request, wait).await
}

async fn submit(
    context: &Context,
    id: String,
    request: Request,
    wait: bool,
) -> Result<Answer, RpcError> {
    let Submitted { operation, work } = context.packages.submit(&id, request)?;
    if !wait {
        // How it ends is kept with the operation.
        context.tasks.spawn(async move { drop(work.await) });
        return Ok(Answer::Begun { operation });
    }
    context
        .tasks
        .run(work)
        .await
        .unwrap_or(Err(PackageError::Interrupted))?;
    let entries = context.packages.entries().await?;
    Ok(Answer::Done(
        entries.into_iter().find(|entry| entry.id == id),
    ))
}
