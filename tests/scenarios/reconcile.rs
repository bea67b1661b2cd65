//! Reconcile.

use serde_json::json;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    removed_container_is_made_anew look_every 3600,
    strangers_are_told_and_left_alone look_every 3600,
];

async fn removed_container_is_made_anew(stage: &mut Stage) -> Outcome {
    let with_data = |name: &str| {
        serve(name).with(&format!(
            r#"volumes = [{{ name = "{name}-data", path = "/data" }}]"#
        ))
    };
    stage
        .install("pair", &[with_data("pair-db").tier(0), with_data("pair")])
        .await?;
    let before = stage.inventory().await?;
    let other = stage.state_of("pair").await?;
    stage
        .podman(&["rm", "--force", "--time", "0", "pair-db"])
        .await?;
    let report = stage
        .rpc("package.reconcile", json!({ "id": "pair" }))
        .await?;
    expect(
        report["recreated"] == json!(["pair-db"]) && report["unchanged"] == json!(["pair"]),
        || format!("what it did is reported as {report:#}"),
    )?;
    let state = stage.state_of("pair-db").await?;
    expect(state["Running"] == true, || {
        format!("podman says {state:#}")
    })?;
    let now = stage.state_of("pair").await?;
    expect(now["StartedAt"] == other["StartedAt"], || {
        format!("the other one was restarted: {now:#}")
    })?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("before {before:?}, after {after:?}")
    })
}

async fn strangers_are_told_and_left_alone(stage: &mut Stage) -> Outcome {
    let image = archipelago_lab::image::FIXTURE_IMAGE;
    stage.install("known", &[serve("known")]).await?;
    let label = "io.archipelago.package=gone";
    stage
        .podman(&[
            "create", "--name", "gone", "--label", label, image, "serve", "8080",
        ])
        .await?;
    stage
        .podman(&["volume", "create", "--label", label, "gone-data"])
        .await?;
    let before = stage.inventory().await?;
    let report = stage.rpc("package.reconcile", json!({})).await?;
    let strangers = report["strangers"].to_string();
    for name in ["\"gone\"", "\"gone-data\""] {
        expect(strangers.contains(name), || {
            format!("{name} is not reported: {report:#}")
        })?;
    }
    expect(!strangers.contains("known"), || {
        format!("what is installed is reported as a stranger: {report:#}")
    })?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("before {before:?}, after {after:?}")
    })
}
