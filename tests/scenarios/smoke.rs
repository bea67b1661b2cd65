//! The smoke stage: what a node has to be able to do, with a package from the catalog that is small and needs no other.
//!
//! Each item stands alone: it begins with the package installed and running, whatever was before. On the mock each is a
//! trial on a node of its own. On a lab and on a node they run in this order over one install: a node must not pull an
//! image a dozen times (registries count), nor be locked and looked over a dozen times. See `node/smoke_run.rs` for how
//! each is a trial of its own there all the same.

use archipelago::catalog::Catalog;
use serde_json::{Value, json};

use crate::registry::{Outcome, Scenario, scenarios};
use crate::stage::{Stage, expect};
use crate::target::{Fault, Need};

/// The package, and its one container.
pub(crate) const PACKAGE: &str = "filebrowser";
/// Where it serves on the node.
const PORT: u16 = 7421;
const HEALTH: &str = "/health";

scenarios![
    containers_are_listed harmless true,
    package_installs_and_runs harmless true,
    its_http_service_answers needs [Http] harmless true,
    its_health_is_told harmless true,
    stop_ends_it_within_its_grace_and_is_shown harmless true,
    start_brings_it_back harmless true,
    restart_runs_it_anew harmless true,
    crash_is_healed harmless true,
    restart_tracker_is_there_and_valid harmless true,
    removed_by_hand_it_is_made_anew harmless true,
    daemon_restart_leaves_it_running harmless true,
    uninstall_leaves_nothing harmless true,
    journal_has_no_errors needs [Systemd] harmless true,
];

/// All of them, for targets where a fresh node costs seconds.
pub(crate) const IN_ORDER: Scenario = Scenario {
    module: module_path!(),
    function: "all_items_in_order",
    needs: &[Need::Http, Need::Systemd, Need::Catalog],
    run: |stage| Box::pin(in_order(stage)),
    ..SCENARIOS[0]
};

async fn in_order(stage: &mut Stage) -> Outcome {
    for item in SCENARIOS {
        let outcome = (item.run)(stage).await;
        outcome.map_err(|error| format!("{}: {error}", item.name()))?;
    }
    Ok(())
}

/// Whether a scenario is one of them.
pub(crate) fn is_item(scenario: &Scenario) -> bool {
    scenario.module == module_path!()
}

/// The image of the package.
pub(crate) fn image() -> Result<String, String> {
    let catalog = Catalog::load("/nowhere".as_ref());
    let manifest = catalog
        .get(PACKAGE)
        .map_err(|error| archipelago_lab::chain(&error))?;
    let image = manifest.containers[0].image.clone();
    image.ok_or_else(|| format!("`{PACKAGE}` has no image"))
}

/// Installed, whatever was before; how it is shown.
async fn installed(stage: &mut Stage) -> Result<Value, String> {
    let list = stage.rpc("package.list", json!({})).await?;
    let mut packages = list.as_array().into_iter().flatten();
    if let Some(package) = packages.find(|package| package["id"] == PACKAGE) {
        return Ok(package.clone());
    }
    let install = json!({ "id": PACKAGE });
    stage.rpc("package.install", install).await?;
    stage.package(PACKAGE).await
}

/// Installed and running, whatever was before.
async fn given(stage: &mut Stage) -> Outcome {
    if installed(stage).await?["state"] == "stopped" {
        stage.rpc("package.start", json!({ "id": PACKAGE })).await?;
    }
    running(stage).await.map(drop)
}

/// Waits until archipelago shows it as running and podman agrees; `.State` of its container.
async fn running(stage: &mut Stage) -> Result<Value, String> {
    stage
        .until(PACKAGE, "runs", |package| package["state"] == "running")
        .await?;
    let state = stage.state_of(PACKAGE).await?;
    expect(state["Running"] == true, || {
        format!("it is shown as running, and podman says {state:#}")
    })?;
    Ok(state)
}

/// Waits until it runs as another process than before.
async fn runs_anew(stage: &mut Stage, before: &Value) -> Outcome {
    // podman is asked first: what archipelago shows may still be the old one.
    stage
        .until_started_after(PACKAGE, &before["StartedAt"])
        .await?;
    running(stage).await.map(drop)
}

async fn containers_are_listed(stage: &mut Stage) -> Outcome {
    let list = stage.rpc("container.list", json!({})).await?;
    let Some(list) = list.as_array() else {
        return Err(format!("container.list is no list: {list}"));
    };
    // Whatever packages there are, podman has the containers of those that run.
    let held = stage.inventory().await?;
    for container in list
        .iter()
        .filter(|container| container["state"] == "running")
    {
        let name = container["name"].as_str().unwrap_or("?");
        expect(held.contains(&format!("container {name}")), || {
            format!("container.list shows `{name}` as running, and podman has {held:?}")
        })?;
    }
    Ok(())
}

async fn package_installs_and_runs(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    let held = stage.inventory().await?;
    for thing in ["container filebrowser", "volume filebrowser-data"] {
        expect(held.contains(thing), || {
            format!("it is installed, and there is no {thing}: {held:?}")
        })?;
    }
    let list = stage.rpc("container.list", json!({})).await?;
    let mut containers = list.as_array().into_iter().flatten();
    expect(
        containers.any(|container| container["name"] == PACKAGE && container["package"] == PACKAGE),
        || format!("container.list does not show it: {list:#}"),
    )
}

async fn its_http_service_answers(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    stage.until_http(PORT, HEALTH, 200).await
}

async fn its_health_is_told(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    stage
        .until(PACKAGE, "is healthy", |package| {
            package["containers"][0]["health"] == "healthy"
        })
        .await?;
    let health = stage
        .rpc("container.health", json!({ "name": PACKAGE }))
        .await?;
    expect(
        health[0]["health"] == "healthy" && health[0]["name"] == PACKAGE,
        || format!("container.health says {health:#}"),
    )
}

async fn stop_ends_it_within_its_grace_and_is_shown(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    stage.rpc("package.stop", json!({ "id": PACKAGE })).await?;
    let state = stage.state_of(PACKAGE).await?;
    // 137 would be podman's SIGKILL after a grace that was not used.
    expect(
        state["Running"] == false && state["ExitCode"] != 137,
        || format!("after the stop podman says {state:#}"),
    )?;
    let shown = stage.package(PACKAGE).await?;
    expect(shown["state"] == "stopped", || {
        format!("after the stop it is shown as {shown:#}")
    })?;
    // And it stays so.
    stage.have_looked(1).await?;
    let later = stage.state_of(PACKAGE).await?;
    expect(
        later["StartedAt"] == state["StartedAt"] && later["Running"] == false,
        || format!("the user stopped it and it was started: {later:#}"),
    )
}

async fn start_brings_it_back(stage: &mut Stage) -> Outcome {
    installed(stage).await?;
    let before = stage.state_of(PACKAGE).await?;
    stage.rpc("package.stop", json!({ "id": PACKAGE })).await?;
    stage.rpc("package.start", json!({ "id": PACKAGE })).await?;
    runs_anew(stage, &before).await
}

async fn restart_runs_it_anew(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    let before = stage.state_of(PACKAGE).await?;
    stage
        .rpc("package.restart", json!({ "id": PACKAGE }))
        .await?;
    runs_anew(stage, &before).await
}

async fn crash_is_healed(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    let before = stage.state_of(PACKAGE).await?;
    stage.inject(Fault::Kill { container: PACKAGE }).await?;
    runs_anew(stage, &before).await
}

async fn restart_tracker_is_there_and_valid(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    let has_ended = |history: &Value| {
        let exits = history["exits"].as_array();
        exits.is_some_and(|exits| !exits.is_empty())
    };
    if has_ended(&stage.tracked(PACKAGE).await?) {
        return Ok(());
    }
    // It is written when there is something to remember.
    crash_is_healed(stage).await?;
    let awaited = "is remembered with an end";
    let history = stage.until_tracked(PACKAGE, awaited, has_ended);
    history.await.map(drop)
}

async fn removed_by_hand_it_is_made_anew(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    let before = stage.inventory().await?;
    let old = stage.state_of(PACKAGE).await?;
    stage
        .podman(&["rm", "--force", "--time", "10", PACKAGE])
        .await?;
    stage
        .rpc("package.reconcile", json!({ "id": PACKAGE }))
        .await?;
    runs_anew(stage, &old).await?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("before {before:?}, after {after:?}")
    })
}

async fn daemon_restart_leaves_it_running(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    let before = stage.state_of(PACKAGE).await?;
    stage.restart_daemon().await?;
    stage.have_looked(1).await?;
    let after = running(stage).await?;
    expect(
        (&after["StartedAt"], &after["Pid"]) == (&before["StartedAt"], &before["Pid"]),
        || format!("the daemon was restarted, and it with it: before {before:#}, after {after:#}"),
    )
}

async fn uninstall_leaves_nothing(stage: &mut Stage) -> Outcome {
    given(stage).await?;
    stage
        .rpc("package.uninstall", json!({ "id": PACKAGE }))
        .await?;
    let held = stage.inventory().await?;
    let left: Vec<_> = held
        .iter()
        .filter(|thing| thing.contains(PACKAGE))
        .collect();
    expect(left.is_empty(), || format!("podman still has {left:?}"))?;
    let list = stage.rpc("package.list", json!({})).await?;
    let mut packages = list.as_array().into_iter().flatten();
    expect(!packages.any(|package| package["id"] == PACKAGE), || {
        format!("package.list still shows it: {list:#}")
    })?;
    for (path, _) in stage.state_files().await? {
        expect(!path.contains(PACKAGE), || {
            format!("the file `{path}` is left")
        })?;
    }
    Ok(())
}

async fn journal_has_no_errors(stage: &mut Stage) -> Outcome {
    let journal = stage.journal().await?;
    let bad: Vec<_> = journal.lines().filter(|line| is_bad(line)).collect();
    expect(bad.is_empty(), || {
        format!(
            "the daemon's journal since this began has\n{}",
            bad.join("\n")
        )
    })
}

/// An error of the daemon, or a panic. A line begins with its time and its level.
fn is_bad(line: &str) -> bool {
    line.contains("panicked at") || line.split_whitespace().take(3).any(|word| word == "ERROR")
}
