//! The health monitor.

use serde_json::Value;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};
use crate::target::Fault;

scenarios![
    oom_killed_container_is_shown_and_healed look_every 3600 needs [MemoryLimit],
    created_container_is_seen_and_started look_every 3600,
    exited_container_is_restarted_and_counted,
    killed_container_runs_again_within_seconds look_every 3600 events true,
    unhealthy_container_is_restarted_at_once look_every 3600 events true,
];

fn container(package: &Value) -> &Value {
    &package["containers"][0]
}

async fn oom_killed_container_is_shown_and_healed(stage: &mut Stage) -> Outcome {
    stage
        .install("hog", &[serve("hog").with(r#"memory = "64m""#)])
        .await?;
    stage.inject(Fault::EatMemory { container: "hog" }).await?;
    // The monitor looks only when told: what is shown before it heals can be seen.
    let shown = stage
        .until("hog", "is shown as killed (OOM)", |package| {
            package["state"] == "killed (OOM)"
        })
        .await?;
    expect(shown["exit_code"] == 137, || {
        format!("with another exit code: {shown:#}")
    })?;
    stage.look_now().await?;
    let healed = stage
        .until("hog", "runs again", |package| package["state"] == "running")
        .await?;
    let last = &container(&healed)["last_exit"];
    expect(
        last["reason"] == "killed (OOM)" && last["code"] == 137,
        || format!("why it was restarted is forgotten: {healed:#}"),
    )?;
    expect(container(&healed)["restarts"] == 1, || {
        format!("the restart is not counted: {healed:#}")
    })
}

async fn created_container_is_seen_and_started(stage: &mut Stage) -> Outcome {
    stage.install("sleepy", &[serve("sleepy")]).await?;
    // As a crash between create and start leaves it: podman's own restart never starts such a container.
    let id = |state: &str| format!("the container is {state}");
    let found = stage
        .podman_json(&["container", "inspect", "sleepy"])
        .await?;
    let labels = found[0]["Config"]["Labels"].clone();
    let image = archipelago_lab::image::FIXTURE_IMAGE;
    stage
        .podman(&["rm", "--force", "--time", "0", "sleepy"])
        .await?;
    let labels: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let mut argv = vec!["create", "--name", "sleepy"];
    for label in &labels {
        argv.extend(["--label", label]);
    }
    argv.extend([image, "serve", "8080"]);
    stage.podman(&argv).await?;
    let package = stage.package("sleepy").await?;
    expect(
        package["state"] == "waiting" && container(&package)["podman_state"] == "created",
        || format!("a container that was never started is shown as {package:#}"),
    )?;
    let before = stage.state_of("sleepy").await?;
    expect(before["Status"] == "created", || {
        id(&before["Status"].to_string())
    })?;
    stage.look_now().await?;
    stage
        .until("sleepy", "runs", |package| package["state"] == "running")
        .await?;
    let after = stage.state_of("sleepy").await?;
    expect(
        after["Running"] == true,
        || id(&after["Status"].to_string()),
    )
}

async fn exited_container_is_restarted_and_counted(stage: &mut Stage) -> Outcome {
    stage.install("fragile", &[serve("fragile")]).await?;
    let first = stage.state_of("fragile").await?;
    for (code, restarts) in [(3, 1), (4, 2)] {
        stage
            .inject(Fault::Exit {
                container: "fragile",
                code,
            })
            .await?;
        let healed = stage
            .until(
                "fragile",
                "was restarted by the monitor's own look",
                |package| {
                    package["state"] == "running" && container(package)["restarts"] == restarts
                },
            )
            .await?;
        let last = &container(&healed)["last_exit"];
        expect(last["reason"] == "crashed" && last["code"] == code, || {
            format!("its exit with {code} is shown as {healed:#}")
        })?;
    }
    let second = stage.state_of("fragile").await?;
    expect(
        second["Running"] == true && second["StartedAt"] != first["StartedAt"],
        || format!("podman did not start it again: {second:#}"),
    )
}

async fn killed_container_runs_again_within_seconds(stage: &mut Stage) -> Outcome {
    stage
        .install("fragile", &[serve("fragile"), serve("steady")])
        .await?;
    let first = stage.state_of("fragile").await?;
    // The next look of its own is an hour away: only podman's event tells the monitor.
    stage
        .inject(Fault::Exit {
            container: "fragile",
            code: 3,
        })
        .await?;
    stage
        .until("fragile", "was restarted", |package| {
            package["state"] == "running" && container(package)["restarts"] == 1
        })
        .await?;
    let second = stage.state_of("fragile").await?;
    expect(second["Pid"] != first["Pid"], || {
        format!("podman did not start it again: {second:#}")
    })
}

async fn unhealthy_container_is_restarted_at_once(stage: &mut Stage) -> Outcome {
    let health =
        "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 1\nretries = 1";
    stage.install("ill", &[serve("ill").with(health)]).await?;
    stage
        .podman(&["exec", "ill", "/fixture", "poke", "unhealthy"])
        .await?;
    stage
        .until("ill", "was restarted and is healthy", |package| {
            package["state"] == "running" && container(package)["restarts"] == 1
        })
        .await?;
    Ok(())
}
