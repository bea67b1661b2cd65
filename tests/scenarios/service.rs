//! `archipelago.service`, as it is shipped, under a real systemd.

use std::time::Duration;

use serde_json::Value;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    a_stop_of_the_service_leaves_containers_running needs [Systemd],
    a_killed_daemon_is_started_again_and_touches_no_container needs [Systemd],
    a_stuck_daemon_is_restarted_by_the_watchdog needs [Systemd],
    containers_are_as_confined_as_those_started_by_hand needs [Systemd],
    systemd_finds_no_fault_with_the_unit needs [Systemd],
];

/// What a container was like; the same at the end where nobody touched it.
async fn untouched(stage: &mut Stage, name: &str) -> Result<(Value, Value), String> {
    let state = stage.state_of(name).await?;
    expect(state["Running"] == true, || {
        format!("`{name}` does not run: {state:#}")
    })?;
    Ok((state["Pid"].clone(), state["StartedAt"].clone()))
}

async fn main_pid(stage: &mut Stage) -> Result<String, String> {
    let show = ["systemctl", "show", "--property=MainPID", "--value"];
    let pid = stage
        .shell(&[&show[..], &["archipelago.service"]].concat())
        .await?;
    Ok(pid.trim().to_owned())
}

/// Waits until systemd has started another daemon than that, and it answers.
async fn until_another_daemon_answers(stage: &mut Stage, before: &str) -> Outcome {
    let mut now = before.to_owned();
    // Six hundred looks of 50 ms.
    for _ in 0..600 {
        now = main_pid(stage).await?;
        if now != "0" && now != before && stage.rpc("system.health", Value::Null).await.is_ok() {
            return Ok(());
        }
        stage.pause(Duration::from_millis(50)).await;
    }
    Err(format!(
        "systemd did not start another daemon within 30 s; before it was {before}, now {now}"
    ))
}

async fn a_stop_of_the_service_leaves_containers_running(stage: &mut Stage) -> Outcome {
    stage.install("steady", &[serve("steady")]).await?;
    let before = untouched(stage, "steady").await?;
    stage
        .shell(&["systemctl", "stop", "archipelago.service"])
        .await?;
    expect(untouched(stage, "steady").await? == before, || {
        "the stop of the daemon touched it".into()
    })?;
    stage
        .shell(&["systemctl", "start", "archipelago.service"])
        .await?;
    stage.have_looked(2).await?;
    expect(untouched(stage, "steady").await? == before, || {
        "the start of the daemon touched it".into()
    })
}

async fn a_killed_daemon_is_started_again_and_touches_no_container(stage: &mut Stage) -> Outcome {
    stage.install("steady", &[serve("steady")]).await?;
    let before = untouched(stage, "steady").await?;
    let pid = main_pid(stage).await?;
    stage.shell(&["kill", "-KILL", &pid]).await?;
    until_another_daemon_answers(stage, &pid).await?;
    stage.have_looked(2).await?;
    expect(untouched(stage, "steady").await? == before, || {
        "it was touched".into()
    })
}

async fn a_stuck_daemon_is_restarted_by_the_watchdog(stage: &mut Stage) -> Outcome {
    // A shorter watchdog than the shipped one, and all else as shipped: nobody waits a minute for it.
    let script = "mkdir -p /run/systemd/system/archipelago.service.d && printf '[Service]\\nWatchdogSec=3\\n' >/run/systemd/system/archipelago.service.d/test.conf && systemctl daemon-reload && systemctl restart archipelago.service";
    stage.shell(&["sh", "-ec", script]).await?;
    stage.install("steady", &[serve("steady")]).await?;
    let before = untouched(stage, "steady").await?;
    let pid = main_pid(stage).await?;
    well_for_longer_than_the_watchdog_waits(stage).await?;
    expect(main_pid(stage).await? == pid, || {
        "it was restarted while it was well".into()
    })?;
    stage.shell(&["kill", "-STOP", &pid]).await?;
    until_another_daemon_answers(stage, &pid).await?;
    stage.have_looked(2).await?;
    expect(untouched(stage, "steady").await? == before, || {
        "it was touched".into()
    })
}

/// Systemd has been told that all is well, and again more than three seconds later.
async fn well_for_longer_than_the_watchdog_waits(stage: &mut Stage) -> Outcome {
    let show = [
        "systemctl",
        "show",
        "--property=WatchdogTimestampMonotonic",
        "--value",
        "archipelago.service",
    ];
    let mut told = Vec::new();
    for _ in 0..600 {
        let text = stage.shell(&show).await?;
        let micros: u64 = text
            .trim()
            .parse()
            .map_err(|error| format!("{text:?}: {error}"))?;
        told.push(micros);
        if micros > told[0] + 4_000_000 {
            return Ok(());
        }
        stage.pause(Duration::from_millis(50)).await;
    }
    told.dedup();
    Err(format!("systemd was told at {told:?} µs only"))
}

async fn containers_are_as_confined_as_those_started_by_hand(stage: &mut Stage) -> Outcome {
    stage.install("ours", &[serve("ours")]).await?;
    let image = archipelago_lab::image::FIXTURE_IMAGE;
    let run = [
        "run", "--detach", "--name", "by-hand", image, "serve", "8080",
    ];
    stage.podman(&run).await?;
    let ours = confinement(stage, "ours").await?;
    let by_hand = confinement(stage, "by-hand").await?;
    expect(!ours.is_empty() && ours == by_hand, || {
        format!("the daemon's container has\n{ours}\nand one started by hand\n{by_hand}")
    })
}

/// What a process of the container may do, as the kernel tells it.
async fn confinement(stage: &mut Stage, name: &str) -> Result<String, String> {
    let state = stage.state_of(name).await?;
    let script = "grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters|CapBnd|CapEff):' \"/proc/$1/status\"; cat \"/proc/$1/oom_score_adj\"";
    let pid = state["Pid"].to_string();
    stage.shell(&["sh", "-ec", script, "sh", &pid]).await
}

async fn systemd_finds_no_fault_with_the_unit(stage: &mut Stage) -> Outcome {
    let path = "/etc/systemd/system/archipelago.service";
    // It says what it does not know on standard error, and still ends with 0.
    let script = format!("systemd-analyze verify --man=no {path} 2>&1");
    let said = stage.shell(&["sh", "-ec", &script]).await?;
    expect(!said.contains("archipelago.service"), || {
        format!("systemd-analyze verify: {said}")
    })?;
    // The sandbox is there at all, and is the one that the unit's comments explain.
    let show = ["systemctl", "show", "--property=CapabilityBoundingSet"];
    let set = stage
        .shell(&[&show[..], &["archipelago.service"]].concat())
        .await?;
    expect(
        set.contains("cap_sys_admin") && !set.contains("cap_sys_boot"),
        || format!("another bounding set than that of the unit: {set}"),
    )
}
