//! `system.*`.

use serde_json::{Value, json};

use super::{Context, RpcError};

/// How the daemon itself is. Asks nobody: it answers also while podman hangs.
///
/// `healing` are the packages that the monitor is at work on, `looks` counts the passes of the health monitor since the daemon started in which podman could be asked, `last_look` is
/// the end of the last one (RFC 3339) or `null`.
pub(super) fn health(context: &Context) -> Value {
    let book = context.packages.book();
    let status = if book.recovering {
        "recovering"
    } else if book.podman_error.is_some() {
        "podman failed"
    } else {
        "ok"
    };
    json!({
        "status": status,
        "recovering": book.recovering,
        "podman_error": book.podman_error,
        "operations": book.busy(),
        "healing": book.healing,
        "looks": book.looks,
        "last_look": book.last_look,
    })
}

/// Versions of archipelago and podman.
pub(super) async fn version(context: &Context) -> Result<Value, RpcError> {
    let podman = context.packages.podman.version().await?;
    Ok(json!({ "archipelago": env!("CARGO_PKG_VERSION"), "podman": podman.to_string() }))
}
