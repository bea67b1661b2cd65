//! Stop, and that it stays stopped.

use serde_json::json;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![user_stopped_package_is_left_alone_also_after_a_daemon_restart];

async fn user_stopped_package_is_left_alone_also_after_a_daemon_restart(
    stage: &mut Stage,
) -> Outcome {
    stage.install("quiet", &[serve("quiet")]).await?;
    stage.install("busy", &[serve("busy")]).await?;
    stage.rpc("package.stop", json!({ "id": "quiet" })).await?;
    let stopped = stage.state_of("quiet").await?;
    expect(stopped["Running"] == false, || {
        format!("after the stop podman says {stopped:#}")
    })?;
    let busy_before = stage.state_of("busy").await?;
    for step in ["before", "after"] {
        if step == "after" {
            stage.restart_daemon().await?;
        }
        stage.have_looked(2).await?;
        let quiet = stage.package("quiet").await?;
        expect(quiet["state"] == "stopped", || {
            format!("{step} the restart it is shown as {quiet:#}")
        })?;
        let now = stage.state_of("quiet").await?;
        expect(
            now["Running"] == false && now["StartedAt"] == stopped["StartedAt"],
            || format!("{step} the restart it was started: {now:#}"),
        )?;
        let busy = stage.package("busy").await?;
        expect(busy["state"] == "running", || {
            format!("{step} the restart the other one is {busy:#}")
        })?;
        let busy = stage.state_of("busy").await?;
        expect(busy["StartedAt"] == busy_before["StartedAt"], || {
            format!("{step} the restart the other one was started anew: {busy:#}")
        })?;
    }
    // And it is no dead end.
    stage.rpc("package.start", json!({ "id": "quiet" })).await?;
    let again = stage.package("quiet").await?;
    expect(again["state"] == "running", || {
        format!("after a start it is {again:#}")
    })
}
