//! Pulls, from a real registry where the target is a lab.

use serde_json::{Value, json};

use crate::api::Events;
use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    pull_tells_its_progress_and_the_package_runs needs [Registry],
    pull_that_hangs_can_be_cancelled_and_leaves_nothing needs [Registry],
];

/// Installs `id` without waiting; the operation's views up to the one that `wanted` takes.
async fn install_until(
    stage: &mut Stage,
    events: &mut Events,
    id: &str,
    awaited: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, String> {
    let begun = stage
        .rpc("package.install", json!({ "id": id, "wait": false }))
        .await?;
    let mut views: Vec<Value> = Vec::new();
    events
        .until(awaited, |name, data| {
            let is_it = name == "operation" && data["id"] == begun["operation"];
            if is_it {
                views.push(data.clone());
            }
            is_it && wanted(data)
        })
        .await?;
    Ok(views)
}

async fn pull_tells_its_progress_and_the_package_runs(stage: &mut Stage) -> Outcome {
    let remote = stage.registry().await?;
    stage
        .add_app("far", &[serve("far").image(&remote.image)])
        .await?;
    let mut events = Events::open(stage).await?;
    let views = install_until(stage, &mut events, "far", "the install has ended", |view| {
        view["state"] != "running"
    })
    .await?;
    let last = views.last().ok_or("no view of the install")?;
    expect(last["state"] == "succeeded", || {
        format!("the install failed: {last:#}")
    })?;
    let told: Vec<(u64, Option<u64>)> = views
        .iter()
        .map(|view| &view["progress"])
        .filter(|progress| !remote.tells_bytes || progress["unit"] == "bytes")
        .filter_map(|progress| Some((progress["done"].as_u64()?, progress["total"].as_u64())))
        .collect();
    expect(told.iter().any(|(done, _)| *done > 0), || {
        format!("nothing was told of the pull: {views:#?}")
    })?;
    expect(
        told.iter()
            .all(|(done, total)| total.is_none_or(|total| *done <= total)),
        || format!("more came than there was: {told:?}"),
    )?;
    stage.until_running("far").await
}

async fn pull_that_hangs_can_be_cancelled_and_leaves_nothing(stage: &mut Stage) -> Outcome {
    let remote = stage.registry().await?;
    stage
        .add_app("far", &[serve("far").image(&remote.image)])
        .await?;
    let before = stage.inventory().await?;
    let mut events = Events::open(stage).await?;
    stage.registry_hangs().await?;
    let views = install_until(stage, &mut events, "far", "the pull is under way", |view| {
        view["cancellable"] == true
    })
    .await?;
    let id = views.last().ok_or("no view of the install")?["id"].clone();
    stage.rpc("operation.cancel", json!({ "id": id })).await?;
    let mut end = Value::Null;
    events
        .until("the install has ended", |name, data| {
            let is_end = name == "operation" && data["id"] == id && data["state"] != "running";
            if is_end {
                end = data.clone();
            }
            is_end
        })
        .await?;
    expect(end["state"] == "cancelled", || {
        format!("it ended otherwise: {end:#}")
    })?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("something is left: before {before:?}, after {after:?}")
    })
}
