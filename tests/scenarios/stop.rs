//! Stop, and that it stays stopped.

use serde_json::json;

use crate::fixture::{command, serve};
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    user_stopped_package_is_left_alone_also_after_a_daemon_restart harmless true,
    containers_stop_in_reverse_order_each_with_its_grace harmless true,
    second_operation_is_refused_while_one_runs harmless true,
];

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

async fn containers_stop_in_reverse_order_each_with_its_grace(stage: &mut Stage) -> Outcome {
    // The one that goes first takes all of its grace; the others must not be stopped before it is.
    stage
        .install(
            "chain",
            &[
                serve("chain-db").tier(0),
                serve("chain-api").with(r#"depends_on = ["chain-db"]"#),
                command("chain-ui", r#"["ignore-term"]"#)
                    .tier(3)
                    .with("stop_grace_secs = 2")
                    .with(r#"depends_on = ["chain-api"]"#),
            ],
        )
        .await?;
    let call = stage
        .begin("package.stop", json!({ "id": "chain" }))
        .await?;
    let shown = stage
        .until("chain", "is stopping, the last first", |package| {
            package
                .to_string()
                .contains("\"podman_state\":\"stopping\"")
        })
        .await?;
    expect(shown["state"] == "stopping", || {
        format!("while it stops it is shown as {shown:#}")
    })?;
    let outcome = stage.answer(call).await?;
    expect(outcome.is_ok(), || format!("the stop failed: {outcome:?}"))?;
    let mut ends = Vec::new();
    for (name, code) in [("chain-ui", 137), ("chain-api", 0), ("chain-db", 0)] {
        let state = stage.state_of(name).await?;
        expect(state["ExitCode"] == code, || {
            format!("`{name}` ended otherwise than it should: {state:#}")
        })?;
        ends.push(super::recovery::at(&state["FinishedAt"])?);
    }
    expect(ends.is_sorted(), || {
        format!("not in reverse order: {ends:?}")
    })?;
    let package = stage.package("chain").await?;
    expect(package["state"] == "stopped", || {
        format!("whatever the codes, the user stopped it: {package:#}")
    })
}

async fn second_operation_is_refused_while_one_runs(stage: &mut Stage) -> Outcome {
    let stubborn = command("slow", r#"["ignore-term"]"#).with("stop_grace_secs = 2");
    stage.install("slow", &[stubborn]).await?;
    let call = stage.begin("package.stop", json!({ "id": "slow" })).await?;
    stage
        .until("slow", "is stopping", |package| {
            package["state"] == "stopping"
        })
        .await?;
    for method in ["package.start", "package.uninstall", "package.stop"] {
        let error = stage.rpc_error(method, json!({ "id": "slow" })).await?;
        expect(error["data"]["running"] == "stop", || {
            format!("{method} is refused without saying what runs: {error:#}")
        })?;
    }
    let outcome = stage.answer(call).await?;
    expect(outcome.is_ok(), || format!("the stop failed: {outcome:?}"))?;
    stage.rpc("package.start", json!({ "id": "slow" })).await?;
    Ok(())
}
