//! Power loss.

use serde_json::{Value, json};

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![after_power_loss_all_that_ran_runs_again_in_order needs [PowerLoss]];

async fn after_power_loss_all_that_ran_runs_again_in_order(stage: &mut Stage) -> Outcome {
    // The tiers alone would give another order than the edges: api (tier 2) needs core (tier 1) needs db (tier 0), and
    // `side` (tier 1) needs `core` inside one tier.
    stage
        .install(
            "chain",
            &[
                serve("chain-api")
                    .tier(2)
                    .with(r#"depends_on = ["chain-side"]"#),
                serve("chain-side")
                    .tier(1)
                    .with(r#"depends_on = ["chain-core"]"#),
                serve("chain-core")
                    .tier(1)
                    .with(r#"depends_on = ["chain-db"]"#),
                serve("chain-db").tier(0),
            ],
        )
        .await?;
    stage.install("quiet", &[serve("quiet")]).await?;
    stage.rpc("package.stop", json!({ "id": "quiet" })).await?;
    let quiet = stage.state_of("quiet").await?;
    let before = stage.state_of("chain-db").await?;
    stage.power_loss().await?;
    stage
        .until("chain", "runs again", |package| {
            package["state"] == "running"
        })
        .await?;
    let mut started = Vec::new();
    for name in ["chain-db", "chain-core", "chain-side", "chain-api"] {
        let state = stage.state_of(name).await?;
        expect(state["Running"] == true, || {
            format!("`{name}` does not run: {state:#}")
        })?;
        started.push((name, at(&state["StartedAt"])?));
    }
    expect(started[0].1 != at(&before["StartedAt"])?, || {
        "the power was not cut: the database still runs since before".into()
    })?;
    expect(started.is_sorted_by(|one, next| one.1 < next.1), || {
        format!("not in order: {started:?}")
    })?;
    stage.have_looked(2).await?;
    let still = stage.state_of("quiet").await?;
    expect(
        still["Running"] == false && still["StartedAt"] == quiet["StartedAt"],
        || format!("what the user had stopped was started: {still:#}"),
    )?;
    let package = stage.package("quiet").await?;
    expect(package["state"] == "stopped", || {
        format!("what the user had stopped is shown as {package:#}")
    })
}

/// A time as `podman inspect` prints it.
fn at(value: &Value) -> Result<chrono::DateTime<chrono::FixedOffset>, String> {
    let text = value.as_str().unwrap_or_default();
    chrono::DateTime::parse_from_rfc3339(text).map_err(|error| format!("{text:?}: {error}"))
}
