//! Ctrl-C wherever a person has to wait.

use anyhow::{Context, ensure};
use archipelago_lab::image::Base;
use rustix::process::Signal;

use crate::bad_image::TestBase;
use crate::bad_input::{NEVER_READY, READY_UNIT};
use crate::processes::{self, signal, until};
use crate::stage::{Stage, finish};

crate::registry::scenarios![
    ctrl_c_while_a_base_is_made,
    ctrl_c_while_an_image_is_built,
    ctrl_c_while_a_lab_starts,
    sigterm_while_a_lab_starts,
    ctrl_c_while_a_command_runs_in_a_lab,
    ctrl_c_while_a_stand_in_is_awaited,
];

/// A time to sleep that no other process sleeps.
fn marked_sleep() -> String {
    format!("86400.{}", std::process::id())
}

async fn until_sleeps(mark: &str) -> anyhow::Result<()> {
    until(
        "the command that blocks",
        async || match processes::with_command(&format!("sleep\0{mark}")).as_slice() {
            [] => Err("it has not begun".into()),
            _ => Ok(()),
        },
    )
    .await
}

async fn until_none_sleeps(mark: &str) -> anyhow::Result<()> {
    until(
        "the end of the command that blocks",
        async || match processes::with_command(&format!("sleep\0{mark}")).as_slice() {
            [] => Ok(()),
            left => Err(processes::describe(left)),
        },
    )
    .await
}

/// mmdebstrap, by a stand-in that mounts and starts a child as it does, and blocks.
async fn ctrl_c_while_a_base_is_made() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new()?;
    let mark = marked_sleep();
    let program = stage.folder().join("mmdebstrap");
    std::fs::write(
        &program,
        format!(
            "#!/bin/sh\nmkdir \"$TMPDIR/{mark}\"\nif [ \"$(id -u)\" = 0 ]; then mount -t proc proc \"$TMPDIR/{mark}\"; fi\n\
             sleep {mark} | cat\n"
        ),
    )?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let path = std::env::var("PATH")?;
    let path = format!("{}:{path}", stage.folder().display());
    let stage = stage.path(path);
    let build = stage.spawn(&["image", "build", "--afresh", "--base", "debian-13"])?;
    until_sleeps(&mark).await?;
    signal(build.id().context("it ended")?, Signal::INT)?;
    finish(build).await?.expect(130, &["interrupted"])?;
    until_none_sleeps(&mark).await?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let left = mounts.lines().find(|mount| mount.contains(&mark));
    ensure!(left.is_none(), "{left:?} is left");
    stage.nothing_is_left(&[]).await
}

async fn ctrl_c_while_an_image_is_built() -> anyhow::Result<()> {
    let mark = marked_sleep();
    let base = TestBase::make("slow", &format!("exec sleep {mark}")).await?;
    let stage = Stage::new()?;
    let build = stage.spawn(&["image", "build", "--base", base.reference()])?;
    until_sleeps(&mark).await?;
    signal(build.id().context("it ended")?, Signal::INT)?;
    finish(build).await?.expect(130, &["interrupted"])?;
    until_none_sleeps(&mark).await?;
    stage.nothing_is_left(&[]).await?;
    base.remove_as_the_only_one().await
}

async fn interrupt_a_start(with: Signal, code: i32) -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let unit = stage.folder().join("unit");
    std::fs::write(&unit, NEVER_READY)?;
    let file = format!("{}:{READY_UNIT}", unit.display());
    let up = stage.spawn(&["up", "half", "--file", &file])?;
    let footprint = stage.footprint("half").await?;
    signal(up.id().context("it ended")?, with)?;
    finish(up).await?.expect(code, &[])?;
    stage.nothing_is_left(&[footprint]).await
}

async fn ctrl_c_while_a_lab_starts() -> anyhow::Result<()> {
    interrupt_a_start(Signal::INT, 130).await
}

async fn sigterm_while_a_lab_starts() -> anyhow::Result<()> {
    interrupt_a_start(Signal::TERM, 143).await
}

/// As with `docker exec`, the command goes on; it ends with the lab.
async fn ctrl_c_while_a_command_runs_in_a_lab() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let mark = marked_sleep();
    stage.succeed(&["up", "busy"]).await?;
    let footprint = stage.footprint("busy").await?;
    let exec = stage.spawn(&["exec", "--lab", "busy", "sleep", &mark])?;
    until_sleeps(&mark).await?;
    signal(exec.id().context("it ended")?, Signal::INT)?;
    finish(exec).await?.expect(130, &["interrupted"])?;
    stage.succeed(&["exec", "--lab", "busy", "true"]).await?;
    stage.succeed(&["down", "busy"]).await?;
    until_none_sleeps(&mark).await?;
    stage.nothing_is_left(&[footprint]).await
}

/// A kept lab that is ready stays whatever becomes of who started it; a stand-in is not, before its service has answered.
async fn ctrl_c_while_a_stand_in_is_awaited() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new()?;
    let mark = marked_sleep();
    let program = stage.folder().join("silent");
    std::fs::write(&program, format!("#!/bin/sh\nexec sleep {mark}\n"))?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let base = Base::preferred()?.to_string();
    let program = program.display().to_string();
    let up = stage.spawn(&[
        "node-up",
        "--name",
        "silent",
        "--base",
        &base,
        "--no-toolchain",
        "--program",
        &program,
    ])?;
    until_sleeps(&mark).await?;
    // The last that is done to it before it is asked.
    until("a stand-in that is set up", async || {
        let look = [
            "exec",
            "-l",
            "silent",
            "test",
            "-s",
            "/etc/sudoers.d/archipelago",
        ];
        match stage.lab(&look).await {
            Ok(ran) if ran.code == Some(0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    signal(up.id().context("it ended")?, Signal::INT)?;
    finish(up).await?.expect(130, &["interrupted"])?;
    until_none_sleeps(&mark).await?;
    stage.nothing_is_left(&[]).await
}
