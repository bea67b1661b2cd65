//! Keeper and engine: shared by all who start labs, and outlived by nobody.

use anyhow::{Context, ensure};
use rustix::process::Signal;

use crate::bad_input::{NEVER_READY, READY_UNIT};
use crate::processes::{self, signal, until_ended};
use crate::stage::{Stage, finish};

crate::registry::scenarios![
    labs_started_at_once_share_one_keeper_and_engine,
    the_keepers_death_is_survived,
    the_death_of_keeper_and_engine_is_survived,
    a_killed_owners_lab_is_removed,
    a_killed_starter_of_a_kept_lab_that_was_not_ready,
];

async fn labs_started_at_once_share_one_keeper_and_engine() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let names = ["one", "two"];
    let ups = [
        stage.spawn(&["up", names[0]])?,
        stage.spawn(&["up", names[1]])?,
    ];
    for up in ups {
        finish(up).await?.expect(0, &[])?;
    }
    let labs = [
        stage.footprint(names[0]).await?,
        stage.footprint(names[1]).await?,
    ];
    let keepers = processes::with(
        "environ",
        &format!("ARCHIPELAGO_LAB_KEEPER={}", stage.folder().display()),
    );
    let keepers: Vec<u32> = keepers
        .into_iter()
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.starts_with(b"archipelago-lab-keeper"))
        })
        .collect();
    ensure!(
        keepers == [stage.keeper()?.keeper.pid],
        "keepers: {}",
        processes::describe(&keepers)
    );
    let socket = stage.keeper()?.endpoint.0;
    let engines = processes::with("cmdline", &socket);
    ensure!(
        engines == [stage.service()?.process.pid],
        "engines: {}",
        processes::describe(&engines)
    );
    for name in names {
        stage.succeed(&["down", name]).await?;
    }
    stage.nothing_is_left(&labs).await
}

async fn the_keepers_death_is_survived() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.succeed(&["up", "orphan"]).await?;
    let footprint = stage.footprint("orphan").await?;
    let before = stage.keeper()?;
    signal(before.keeper.pid, Signal::KILL)?;
    until_ended("the keeper", &before.keeper).await?;
    stage.succeed(&["exec", "--lab", "orphan", "true"]).await?;
    let after = stage.keeper()?;
    ensure!(after.keeper != before.keeper, "{after:?}");
    ensure!(
        after.service == before.service,
        "the engine was not taken over: {after:?}"
    );
    stage.succeed(&["down", "orphan"]).await?;
    stage.nothing_is_left(&[footprint]).await
}

async fn the_death_of_keeper_and_engine_is_survived() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.succeed(&["up", "orphan"]).await?;
    let footprint = stage.footprint("orphan").await?;
    let before = stage.keeper()?;
    let engine = before.service.clone().context("no engine of ours")?;
    signal(before.keeper.pid, Signal::KILL)?;
    signal(engine.process.pid, Signal::KILL)?;
    until_ended("the keeper", &before.keeper).await?;
    until_ended("the engine", &engine.process).await?;
    stage.succeed(&["exec", "--lab", "orphan", "true"]).await?;
    let after = stage.service()?;
    ensure!(after.process != engine.process, "{after:?}");
    stage.succeed(&["down", "orphan"]).await?;
    stage.nothing_is_left(&[footprint]).await
}

/// Not to be kept: the lab of a test program, see `runner`, whose process is killed.
async fn a_killed_owners_lab_is_removed() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let mut owner = crate::runner::inner_program(&stage)?.spawn()?;
    let footprint = stage.footprint(crate::runner::INNER_LAB).await?;
    signal(owner.id().context("it ended")?, Signal::KILL)?;
    owner.wait().await?;
    stage.nothing_is_left(&[footprint]).await
}

async fn a_killed_starter_of_a_kept_lab_that_was_not_ready() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let unit = stage.folder().join("unit");
    std::fs::write(&unit, NEVER_READY)?;
    let file = format!("{}:{READY_UNIT}", unit.display());
    let mut up = stage.spawn(&["up", "half", "--file", &file])?;
    let footprint = stage.footprint("half").await?;
    up.kill().await?;
    stage.nothing_is_left(&[footprint]).await
}
