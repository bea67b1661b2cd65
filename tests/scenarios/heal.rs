//! The health monitor.

use serde_json::{Value, json};

use crate::fixture::{command, serve};
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};
use crate::target::Fault;

scenarios![
    oom_killed_container_is_shown_and_healed look_every 3600 needs [MemoryLimit],
    created_container_is_seen_and_started look_every 3600,
    exited_container_is_restarted_and_counted,
    killed_container_is_shown_so_and_healed look_every 3600,
    unhealthy_container_is_restarted look_every 3600,
    container_without_processes_is_made_anew look_every 3600,
    dependents_wait_until_their_dependency_is_healthy look_every 3600,
    paused_and_done_containers_are_left_alone,
    container_that_never_stays_up_is_given_up_once_and_tried_again_in_the_slow_lane attempts 2 slow_lane 10,
    killed_container_runs_again_within_seconds look_every 3600 events true harmless true,
    unhealthy_container_is_restarted_at_once look_every 3600 events true,
];

/// A health check that passes as long as the app says so; podman looks every second.
const CHECK: &str =
    "[containers.health]\ncommand = [\"/fixture\", \"check\"]\ninterval_secs = 1\nretries = 1";

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

async fn killed_container_is_shown_so_and_healed(stage: &mut Stage) -> Outcome {
    stage.install("prey", &[serve("prey")]).await?;
    stage.inject(Fault::Kill { container: "prey" }).await?;
    // podman before 5 cannot tell who killed it, and there `killed (OOM)` is shown.
    let is_killed = |word: &Value| word == "killed" || word == "killed (OOM)";
    let shown = stage
        .until("prey", "is shown as killed", |package| {
            is_killed(&package["state"])
        })
        .await?;
    expect(shown["exit_code"] == 137, || {
        format!("with another exit code: {shown:#}")
    })?;
    stage.look_now().await?;
    let healed = stage
        .until("prey", "runs again", |package| {
            package["state"] == "running" && container(package)["restarts"] == 1
        })
        .await?;
    let last = &container(&healed)["last_exit"];
    expect(last["code"] == 137 && is_killed(&last["reason"]), || {
        format!("why it was restarted is forgotten: {healed:#}")
    })
}

async fn unhealthy_container_is_restarted(stage: &mut Stage) -> Outcome {
    stage
        .install("frail", &[serve("frail").with(CHECK)])
        .await?;
    let first = stage.state_of("frail").await?;
    stage.inject(Fault::Sick { container: "frail" }).await?;
    stage
        .until("frail", "is shown as unhealthy", |package| {
            package["state"] == "unhealthy"
        })
        .await?;
    stage.look_now().await?;
    let healed = stage
        .until("frail", "runs again, healthy", |package| {
            container(package)["health"] == "healthy" && container(package)["restarts"] == 1
        })
        .await?;
    let second = stage.state_of("frail").await?;
    expect(second["StartedAt"] != first["StartedAt"], || {
        format!("it was not restarted: {healed:#}")
    })
}

async fn container_without_processes_is_made_anew(stage: &mut Stage) -> Outcome {
    let data = r#"volumes = [{ name = "ghost-data", path = "/data" }]"#;
    stage.install("ghost", &[serve("ghost").with(data)]).await?;
    let write = ["exec", "ghost", "/fixture", "write", "/data/kept", "mine"];
    stage.podman(&write).await?;
    let before = stage
        .podman_json(&["container", "inspect", "ghost"])
        .await?;
    stage.inject(Fault::KillBoth { container: "ghost" }).await?;
    let claimed = stage.state_of("ghost").await?;
    expect(claimed["Status"] == "running", || {
        format!("podman has noticed by itself: {claimed:#}")
    })?;
    stage.look_now().await?;
    stage
        .until("ghost", "was made anew", |package| {
            package["state"] == "running" && container(package)["restarts"] == 1
        })
        .await?;
    let after = stage
        .podman_json(&["container", "inspect", "ghost"])
        .await?;
    expect(
        after[0]["Id"] != before[0]["Id"] && after[0]["State"]["Running"] == true,
        || format!("it is the same container: {:#}", after[0]["State"]),
    )?;
    let kept = stage
        .podman(&["exec", "ghost", "/fixture", "cat", "/data/kept"])
        .await?;
    expect(kept == "mine", || format!("its data is {kept:?}"))
}

async fn dependents_wait_until_their_dependency_is_healthy(stage: &mut Stage) -> Outcome {
    stage
        .install(
            "pair",
            &[
                serve("pair-db").tier(0).with(CHECK),
                serve("pair").with(r#"depends_on = ["pair-db"]"#),
            ],
        )
        .await?;
    let of = |package: &Value, name: &str| {
        let mut containers = package["containers"].as_array().into_iter().flatten();
        containers
            .find(|container| container["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    stage
        .inject(Fault::Sick {
            container: "pair-db",
        })
        .await?;
    stage
        .until("pair", "has an unhealthy database", |package| {
            of(package, "pair-db")["health"] == "unhealthy"
        })
        .await?;
    stage
        .inject(Fault::Exit {
            container: "pair",
            code: 3,
        })
        .await?;
    stage
        .until("pair", "is down as well", |package| {
            of(package, "pair")["exit_code"] == 3
        })
        .await?;
    // The database is restarted; the other must wait until it is healthy again, which no attempt is spent on.
    stage.look_now().await?;
    let healthy = stage
        .until("pair", "has a healthy database again", |package| {
            of(package, "pair-db")["health"] == "healthy" && of(package, "pair-db")["restarts"] == 1
        })
        .await?;
    expect(of(&healthy, "pair")["restarts"] == 0, || {
        format!("the dependent did not wait: {healthy:#}")
    })?;
    stage.look_now().await?;
    stage
        .until("pair", "has both running again", |package| {
            package["state"] == "running" && of(package, "pair")["restarts"] == 1
        })
        .await?;
    let mut order = Vec::new();
    for name in ["pair-db", "pair"] {
        order.push(super::recovery::at(
            &stage.state_of(name).await?["StartedAt"],
        )?);
    }
    expect(order[0] < order[1], || {
        format!("the dependent was started first: {order:?}")
    })
}

async fn paused_and_done_containers_are_left_alone(stage: &mut Stage) -> Outcome {
    stage
        .install(
            "calm",
            &[
                command("calm-job", r#"["exit", "0", "--after", "0.5"]"#)
                    .tier(0)
                    .with("one_shot = true"),
                serve("calm").with(r#"depends_on = ["calm-job"]"#),
            ],
        )
        .await?;
    stage.podman(&["pause", "calm"]).await?;
    let before = (
        stage.state_of("calm").await?,
        stage.state_of("calm-job").await?,
    );
    expect(before.0["Status"] == "paused", || {
        format!("it is not paused: {:#}", before.0)
    })?;
    stage.have_looked(3).await?;
    let after = (
        stage.state_of("calm").await?,
        stage.state_of("calm-job").await?,
    );
    expect(
        after.0["Status"] == "paused" && after.1["StartedAt"] == before.1["StartedAt"],
        || format!("the monitor did something: {after:#?}"),
    )?;
    stage.podman(&["unpause", "calm"]).await?;
    stage
        .until("calm", "runs", |package| package["state"] == "running")
        .await?;
    Ok(())
}

async fn container_that_never_stays_up_is_given_up_once_and_tried_again_in_the_slow_lane(
    stage: &mut Stage,
) -> Outcome {
    let app = command("lost", r#"["exit", "9", "--after", "2"]"#);
    stage.install("lost", &[app]).await?;
    let given_up = stage
        .until_tracked("lost", "is given up", |history| {
            !history["gave_up"].is_null()
        })
        .await?;
    expect(given_up["attempts"] == 2, || {
        format!("it was given up after another number of attempts: {given_up:#}")
    })?;
    let tried = stage
        .until_tracked("lost", "is tried again", |history| history["attempts"] == 3)
        .await?;
    expect(tried["gave_up"] == given_up["gave_up"], || {
        format!("it was given up twice: {given_up:#}, then {tried:#}")
    })?;
    let between = super::recovery::at(&tried["last_attempt"])?
        - super::recovery::at(&given_up["last_attempt"])?;
    expect(between.num_seconds() >= 10, || {
        format!("the slow lane is too fast: {between}")
    })?;
    let told = stage.rpc("system.notifications", json!({})).await?;
    let of_it = |item: &&Value| item["container"] == "lost";
    let of_it: Vec<&Value> = told
        .as_array()
        .into_iter()
        .flatten()
        .filter(of_it)
        .collect();
    expect(
        matches!(of_it[..], [one] if one["severity"] == "error" && one["package"] == "lost"
            && one["text"].as_str().is_some_and(|text| text.contains("gave up after 2 attempts"))),
        || format!("that it was given up is not told, or more than once: {told:#}"),
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
