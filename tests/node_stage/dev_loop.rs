//! `scripts/dev-container-test.sh`: what holds stays, what does not goes back.

use std::time::Duration;

use archipelago_lab::StandIn;

use crate::deployed::{Deployed, broken, folder, foreign, good, shell};
use crate::script::{CTRL_C, Script};
use crate::trial::{Outcome, trials};

const NAME: &str = "dev-container-test.sh";
const KEPT: &str = "/usr/local/bin/archipelago.rollback";

trials![
    one_that_holds_stays_and_the_old_one_is_kept,
    built_on_the_node_it_holds_as_well,
    one_that_does_not_come_up_is_taken_back_and_its_journal_is_shown,
    an_older_one_that_knows_no_health_comes_back_as_well,
    one_that_fails_the_smoke_stage_is_taken_back,
    one_that_cannot_run_there_is_never_swapped_in,
    keep_bad_keeps_it_until_it_is_rolled_back,
    a_build_that_fails_changes_nothing_there_or_here,
    enter_and_a_changed_file_run_it_again,
    the_menu_starts_it_too,
];

/// A checksum of what lies there.
async fn sum(node: &StandIn, name: &str) -> Result<String, String> {
    let said = shell(node, &format!("sha256sum </usr/local/bin/{name}")).await?;
    Ok(said.trim().to_owned())
}

async fn one_that_holds_stays_and_the_old_one_is_kept(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let old = sum(node, "archipelago").await?;
    Script::new(node, NAME, &["--once", "--binary", &good(&folder)?])
        .to_end()
        .await?
        .with_code(
            0,
            &[
                "== build ==",
                "== rsync ==",
                "== restart ==",
                "== smoke ==",
                "== containers ==",
                "== what the monitor said ==",
                "ready listen=",
                "passed after",
                "rsync",
                "smoke",
            ],
        )?;
    let previous = sum(node, "archipelago.previous").await?;
    if previous != old || sum(node, "archipelago").await? == old {
        return Err("the new one is not there, or the old one is not kept".into());
    }
    // No second one, no lock, no unit of ours, no process.
    let now = Deployed::on(node).await?;
    let left = ["rollback", ".new", "archipelago-node-test", "deploy-guard"];
    if let Some(left) = left.iter().find(|left| format!("{now:?}").contains(**left)) {
        return Err(format!("`{left}` is left: {now:?}"));
    }
    Ok(())
}

async fn built_on_the_node_it_holds_as_well(node: &mut StandIn) -> Outcome {
    let old = sum(node, "archipelago").await?;
    // From nothing, beside others that build.
    Script::new(node, NAME, &["--once"])
        .within(Duration::from_secs(900))
        .to_end()
        .await?
        .with_code(
            0,
            &[
                "== rsync ==",
                "== build ==",
                "Finished",
                "== restart ==",
                "== smoke ==",
                "passed after",
            ],
        )?;
    if sum(node, "archipelago").await? == old || sum(node, "archipelago.previous").await? != old {
        return Err("the one that was built there is not there, or the old one is not kept".into());
    }
    Ok(())
}

async fn one_that_does_not_come_up_is_taken_back_and_its_journal_is_shown(
    node: &mut StandIn,
) -> Outcome {
    let folder = folder()?;
    let before = Deployed::on(node).await?;
    Script::new(node, NAME, &["--once", "--binary", &broken(&folder)?])
        .to_end()
        .await?
        .with_code(
            1,
            &[
                "archipelago is not healthy after 15 s",
                "cannot serve: broken on purpose",
                "failed: restart",
                "rolled back",
                "is healthy",
                "the old archipelago is back",
            ],
        )?;
    before.is_back_on(node).await
}

async fn an_older_one_that_knows_no_health_comes_back_as_well(node: &mut StandIn) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    let folder = folder()?;
    let older = folder.path().join("older");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_archipelago"));
    archipelago_lab::standin::without(program, "system.health", &older).map_err(chain)?;
    node.deploy(&older).await.map_err(chain)?;
    let before = Deployed::on(node).await?;
    Script::new(node, NAME, &["--once", "--binary", &broken(&folder)?])
        .to_end()
        .await?
        .with_code(1, &["failed: restart", "rolled back", "is healthy"])?;
    before.is_back_on(node).await
}

async fn one_that_fails_the_smoke_stage_is_taken_back(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    // A user's volume of that name: the tests refuse to touch it.
    shell(node, "podman volume create filebrowser-data").await?;
    let before = Deployed::on(node).await?;
    Script::new(node, NAME, &["--once", "--binary", &good(&folder)?])
        .to_end()
        .await?
        .with_code(1, &["failed: smoke", "rolled back", "is healthy"])?;
    before.is_back_on(node).await
}

async fn one_that_cannot_run_there_is_never_swapped_in(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let before = Deployed::on(node).await?;
    let pid = shell(
        node,
        "systemctl show --property=MainPID archipelago.service",
    )
    .await?;
    Script::new(node, NAME, &["--once", "--binary", &foreign(&folder)?])
        .to_end()
        .await?
        .with_code(1, &["does not run on this node", "failed: restart"])?;
    before.is_back_on(node).await?;
    if shell(
        node,
        "systemctl show --property=MainPID archipelago.service",
    )
    .await?
        != pid
    {
        return Err("the service was restarted for nothing".into());
    }
    Ok(())
}

async fn keep_bad_keeps_it_until_it_is_rolled_back(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let before = Deployed::on(node).await?;
    let old = sum(node, "archipelago").await?;
    Script::new(
        node,
        NAME,
        &["--once", "--keep-bad", "--binary", &broken(&folder)?],
    )
    .to_end()
    .await?
    .with_code(1, &["failed: restart", "stays on the node"])?;
    // Longer than its guard looks.
    if sum(node, "archipelago").await? == old
        || shell(node, &format!("sleep 3; ls {KEPT}"))
            .await?
            .is_empty()
    {
        return Err("it did not stay".into());
    }
    Script::new(node, NAME, &["--rollback"])
        .to_end()
        .await?
        .with_code(0, &["rolled back"])?;
    before.is_back_on(node).await
}

async fn a_build_that_fails_changes_nothing_there_or_here(node: &mut StandIn) -> Outcome {
    let before = Deployed::on(node).await?;
    Script::new(node, NAME, &["--once", "--build", "local"])
        .with("RUSTC_WRAPPER", "/bin/false")
        .to_end()
        .await?
        .with_code(1, &["== build ==", "failed: build"])?;
    before.is_back_on(node).await?;
    // There, with the node's own cargo: nothing can be linked.
    shell(node, "chmod 0 /usr/bin/cc").await?;
    Script::new(node, NAME, &["--once"])
        .to_end()
        .await?
        .with_code(1, &["== rsync ==", "== build ==", "failed: build"])?;
    before.is_back_on(node).await
}

async fn enter_and_a_changed_file_run_it_again(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let broken = broken(&folder)?;
    let before = Deployed::on(node).await?;
    let mut running = Script::new(node, NAME, &["--watch", "--binary", &broken]).begin()?;
    running
        .says("a changed file or Enter runs it again", 1)
        .await?;
    before.is_back_on(node).await?;
    running.types("").await?;
    running
        .says("a changed file or Enter runs it again", 2)
        .await?;
    let touched = crate::script::root().join("README.md");
    std::fs::File::options()
        .append(true)
        .open(&touched)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .map_err(|error| error.to_string())?;
    running
        .says("a changed file or Enter runs it again", 3)
        .await?;
    running.interrupt()?;
    // What it said last.
    running.end().await?.with_code(1, &["failed: restart"])?;
    before.is_back_on(node).await
}

async fn the_menu_starts_it_too(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let broken = broken(&folder)?;
    let before = Deployed::on(node).await?;
    Script::new(node, "dev-start.sh", &["9", "--once", "--binary", &broken])
        .to_end()
        .await?
        .with_code(1, &["failed: restart", "rolled back"])?;
    // As a person uses it.
    let mut running = Script::new(node, "dev-start.sh", &[]).begin_in_terminal()?;
    running
        .says("9  Container orchestration dev (live on .228)", 1)
        .await?;
    running.says("Number: ", 1).await?;
    running.types(&format!("9 --binary {broken}")).await?;
    running.says("Enter runs it again", 1).await?;
    running.types("").await?;
    running.says("== restart ==", 2).await?;
    crate::cut_off::until_swapped(node).await?;
    running.presses(CTRL_C).await?;
    running
        .end()
        .await?
        .with_code(130, &["failed: restart", "== restart ==", "rolled back"])?;
    before.is_back_on(node).await
}
