//! After power cuts, kills of the daemon, and a full disk.

use serde_json::{Value, json};

use crate::fixture::{command, serve};
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};
use crate::target::Fault;

scenarios![
    after_power_loss_all_that_ran_runs_again_in_order needs [PowerLoss],
    daemon_that_ends_leaves_containers_running harmless true,
    install_that_was_killed_is_undone,
    uninstall_that_was_killed_is_finished,
    stop_that_was_killed_is_finished,
    full_disk_is_said_and_survived,
];

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
pub(crate) fn at(value: &Value) -> Result<chrono::DateTime<chrono::FixedOffset>, String> {
    let text = value.as_str().unwrap_or_default();
    chrono::DateTime::parse_from_rfc3339(text).map_err(|error| format!("{text:?}: {error}"))
}

async fn daemon_that_ends_leaves_containers_running(stage: &mut Stage) -> Outcome {
    stage.install("calm", &[serve("calm")]).await?;
    let before = stage.state_of("calm").await?;
    for how in ["restart", "kill"] {
        match how {
            "restart" => stage.restart_daemon().await?,
            _ => stage.kill_daemon().await?,
        }
        stage.have_looked(2).await?;
        let after = stage.state_of("calm").await?;
        expect(
            after["Running"] == true
                && after["StartedAt"] == before["StartedAt"]
                && after["Pid"] == before["Pid"],
            || format!("after a {how} of the daemon it is {after:#}"),
        )?;
        let package = stage.package("calm").await?;
        expect(package["state"] == "running", || {
            format!("after a {how} it is shown as {package:#}")
        })?;
    }
    Ok(())
}

async fn install_that_was_killed_is_undone(stage: &mut Stage) -> Outcome {
    // Of a name that the install uses: it stays.
    stage.podman(&["volume", "create", "half-data"]).await?;
    let before = stage.inventory().await?;
    stage
        .add_app(
            "half",
            &[
                serve("half-db")
                    .tier(0)
                    .with(r#"volumes = [{ name = "half-data", path = "/a" }, { name = "half-fresh", path = "/b" }]"#)
                    .with(r#"secrets = [{ name = "half-token", env = "TOKEN" }]"#),
                // It takes its time: the install waits for it, and is killed meanwhile.
                command("half-job", r#"["exit", "0", "--after", "60"]"#)
                    .with("one_shot = true")
                    .with(r#"depends_on = ["half-db"]"#),
            ],
        )
        .await?;
    let call = stage
        .begin("package.install", json!({ "id": "half" }))
        .await?;
    stage.until_running("half-job").await?;
    let shown = stage.package("half").await?;
    expect(shown["state"] == "installing", || {
        format!("while it is being installed it is shown as {shown:#}")
    })?;
    stage.kill_daemon().await?;
    call.abort();
    stage
        .until_inventory(&before, "is as before the install")
        .await?;
    stage.until_none_is_listed().await?;
    for (path, content) in stage.state_files().await? {
        expect(!path.contains("half") && !content.contains("half-"), || {
            format!("`{path}` still speaks of it: {content}")
        })?;
    }
    Ok(())
}

async fn uninstall_that_was_killed_is_finished(stage: &mut Stage) -> Outcome {
    let before = stage.inventory().await?;
    stage
        .install(
            "slow",
            &[
                serve("slow-db")
                    .tier(0)
                    .with(r#"volumes = [{ name = "slow-data", path = "/a" }]"#),
                command("slow", r#"["ignore-term"]"#)
                    .with("stop_grace_secs = 4")
                    .with(r#"depends_on = ["slow-db"]"#),
            ],
        )
        .await?;
    let call = stage
        .begin("package.uninstall", json!({ "id": "slow" }))
        .await?;
    stage
        .until("slow", "is being uninstalled", |package| {
            package["state"] == "uninstalling"
                && package
                    .to_string()
                    .contains("\"podman_state\":\"stopping\"")
        })
        .await?;
    stage.kill_daemon().await?;
    call.abort();
    stage
        .until_inventory(&before, "is as before the install")
        .await?;
    stage.until_none_is_listed().await
}

async fn stop_that_was_killed_is_finished(stage: &mut Stage) -> Outcome {
    stage
        .install(
            "slow",
            &[command("slow", r#"["ignore-term"]"#).with("stop_grace_secs = 4")],
        )
        .await?;
    let call = stage.begin("package.stop", json!({ "id": "slow" })).await?;
    stage
        .until("slow", "is being stopped", |package| {
            package
                .to_string()
                .contains("\"podman_state\":\"stopping\"")
        })
        .await?;
    stage.kill_daemon().await?;
    call.abort();
    stage
        .until("slow", "is stopped", |package| {
            package["state"] == "stopped"
        })
        .await?;
    stage.have_looked(2).await?;
    let state = stage.state_of("slow").await?;
    expect(state["Running"] == false, || {
        format!("the user stopped it, and it is {state:#}")
    })
}

async fn full_disk_is_said_and_survived(stage: &mut Stage) -> Outcome {
    stage.install("calm", &[serve("calm")]).await?;
    stage.add_app("new", &[serve("new")]).await?;
    stage.inject(Fault::DiskFull).await?;
    let before = stage.inventory().await?;
    for (method, id) in [
        ("package.install", "new"),
        ("package.stop", "calm"),
        ("package.uninstall", "calm"),
    ] {
        let error = stage.rpc_error(method, json!({ "id": id })).await?;
        expect(error.to_string().contains("free space"), || {
            format!("{method} does not say what to look at: {error:#}")
        })?;
    }
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("something was begun: {before:?}, {after:?}")
    })?;
    // The monitor needs no disk.
    stage
        .inject(Fault::Exit {
            container: "calm",
            code: 3,
        })
        .await?;
    stage
        .until("calm", "was restarted", |package| {
            package["state"] == "running" && package["containers"][0]["restarts"] == 1
        })
        .await?;
    stage.inject(Fault::DiskFree).await?;
    stage.rpc("package.install", json!({ "id": "new" })).await?;
    stage.rpc("package.stop", json!({ "id": "calm" })).await?;
    let files = stage.state_files().await?;
    let stopped = files.iter().find(|(path, _)| path == "user-stopped.json");
    expect(
        stopped.is_some_and(|(_, content)| content.contains("calm")),
        || format!("the stop is not kept: {files:#?}"),
    )
}
