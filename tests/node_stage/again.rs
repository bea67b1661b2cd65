//! The loop of `scripts/dev-container-test.sh`: a cycle that cannot run is told, and tried again when somebody wants it.

use std::time::Duration;

use archipelago_lab::StandIn;
use rustix::process::Signal;

use crate::deployed::{Deployed, broken, folder, good, shell};
use crate::node::{let_the_lease_end, lock};
use crate::script::{Running, Script};
use crate::trial::{Outcome, trials};

const NAME: &str = "dev-container-test.sh";
const AGAIN: &str = "Enter runs it again";
/// A link that is none to speak of: what is wanted is a port that stays when the node boots.
const KILOBITS: u32 = 1_000_000;

trials![
    a_busy_node_is_told_and_tried_again,
    a_node_that_loses_power_is_told_and_tried_again,
    a_lost_link_is_told_and_tried_again,
    the_lease_of_an_own_run_that_has_ended_is_waited_for,
    what_cannot_mend_itself_ends_it_at_once,
    a_killed_loop_takes_its_cycle_with_it,
];

/// Waits for the end of a cycle; the one that could not run has said why.
async fn could_not_run(running: &Running, cycle: usize, why: &str) -> Outcome {
    running.says(AGAIN, cycle).await?;
    let told = running.told();
    let mut rest = told.as_str();
    for text in [why, "could not run", AGAIN] {
        match rest.split_once(text) {
            Some((_, after)) => rest = after,
            None => return Err(format!("it was to say `{text}`: {told}")),
        }
    }
    Ok(())
}

async fn a_busy_node_is_told_and_tried_again(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let broken = broken(&folder)?;
    let before = Deployed::on(node).await?;
    lock(node, "take", "theirs").await?;
    let mut running = Script::new(node, NAME, &["--binary", &broken]).begin()?;
    could_not_run(&running, 1, "somebody else has the node").await?;
    lock(node, "release", "theirs").await?;
    running.types("").await?;
    running.says("failed: restart", 1).await?;
    running.says(AGAIN, 2).await?;
    before.is_back_on(node).await?;
    // The last word counts, whichever way it is stopped.
    lock(node, "take", "theirs").await?;
    running.types("").await?;
    running.says(AGAIN, 3).await?;
    running.interrupt()?;
    let said = running
        .end()
        .await?
        .with_code(2, &["could not run", "failed: restart", "could not run"])?
        .to_string();
    // What bash itself has to say is none of a person's business.
    if said.contains(".sh: line ") {
        return Err(format!("bash complains: {said}"));
    }
    let mut running = Script::new(node, NAME, &["--binary", &broken]).begin()?;
    running.types_no_more();
    running.end().await?.with_code(2, &["could not run"])?;
    lock(node, "release", "theirs").await?;
    let mut running = Script::new(node, NAME, &["--binary", &broken]).begin()?;
    running.types_no_more();
    running.end().await?.with_code(1, &["failed: restart"])?;
    before.is_back_on(node).await
}

async fn a_node_that_loses_power_is_told_and_tried_again(node: &mut StandIn) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    let folder = folder()?;
    let good = good(&folder)?;
    let relay = node.relay(Duration::ZERO, KILOBITS).map_err(chain)?;
    let mut running = Script::new(node, NAME, &["--binary", &good])
        .with("ARCHIPELAGO_NODE_PORT", relay.port().to_string())
        .begin()?;
    running.says("== smoke ==", 1).await?;
    node.power_loss().await.map_err(chain)?;
    relay.follow(node);
    could_not_run(&running, 1, "was lost during: smoke").await?;
    running.types("").await?;
    running.says(AGAIN, 2).await?;
    running.interrupt()?;
    running.end().await?.with_code(0, &["passed after"])?;
    Ok(())
}

async fn a_lost_link_is_told_and_tried_again(node: &mut StandIn) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    let folder = folder()?;
    let broken = broken(&folder)?;
    let before = Deployed::on(node).await?;
    let mut running = Script::new(node, NAME, &["--binary", &broken]).begin()?;
    running.says("== restart ==", 1).await?;
    node.drop_link().await.map_err(chain)?;
    could_not_run(&running, 1, "was lost during: restart").await?;
    // Still away.
    running.types("").await?;
    could_not_run(&running, 2, "cannot be reached on port").await?;
    node.restore_link().await.map_err(chain)?;
    // Its own earlier run may have the node yet, and is not somebody else to be refused for.
    let_the_lease_end(node).await?;
    running.types("").await?;
    running.says("failed: restart", 1).await?;
    running.says(AGAIN, 3).await?;
    running.interrupt()?;
    running
        .end()
        .await?
        .with_code(1, &["failed: restart", "the old archipelago is back"])?;
    before.is_back_on(node).await
}

async fn the_lease_of_an_own_run_that_has_ended_is_waited_for(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let said = std::process::Command::new("sh")
        .args([
            "-c",
            "printf %s \"$(id -un)@$(uname -n)\" | tr -c 'A-Za-z0-9@._:+-' _",
        ])
        .output()
        .map_err(|error| error.to_string())?;
    let me = String::from_utf8_lossy(&said.stdout).into_owned();
    let take = async |holder: &str, pid: u32| {
        let lock = include_str!("../../scripts/node/lock.sh");
        let take = format!("sh -s -- take earlier {holder} 600 {pid} <<'END'\n{lock}\nEND");
        shell(node, &take).await
    };
    let arguments = ["--once", "--binary", &broken(&folder)?];
    // No kernel has such a process.
    take(&me, 99_999_999).await?;
    let running = Script::new(node, NAME, &arguments).begin()?;
    running.says("which is waited for", 1).await?;
    let_the_lease_end(node).await?;
    running.end().await?.with_code(1, &["failed: restart"])?;
    // One that runs, and one of somebody else.
    for (holder, pid) in [(me.as_str(), std::process::id()), ("you@there", 99_999_999)] {
        take(holder, pid).await?;
        let ended = Script::new(node, NAME, &arguments).to_end().await?;
        let said = ended
            .with_code(2, &["error:", "somebody else has the node"])?
            .to_string();
        if said.contains("is waited for") {
            return Err(format!("it waits for {holder}, process {pid}: {said}"));
        }
    }
    Ok(())
}

async fn what_cannot_mend_itself_ends_it_at_once(node: &mut StandIn) -> Outcome {
    let at_once = async |script: Script, text: &str| {
        let ended = script.begin()?.end().await?.with_code(2, &[text])?;
        if ended.to_string().contains(AGAIN) {
            return Err(format!("it goes on: {ended}"));
        }
        Ok(())
    };
    let script = |arguments: &[&str]| Script::new(node, NAME, arguments);
    at_once(script(&["--build", "elsewhere"]), "remote or local").await?;
    at_once(script(&["--binary", "/nowhere"]), "wants a program").await?;
    at_once(script(&[]).with("ARCHIPELAGO_NODE", "x"), "USER@HOST").await?;
    at_once(
        script(&[]).with("ARCHIPELAGO_NODE", "archipelago@192.168.1.228"),
        "is not this machine",
    )
    .await?;
    at_once(
        script(&["--watch"]).with("ARCHIPELAGO_NODE_KEY", "/nowhere"),
        "there is no key",
    )
    .await
}

async fn a_killed_loop_takes_its_cycle_with_it(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let broken = broken(&folder)?;
    let before = Deployed::on(node).await?;
    let running = Script::new(node, NAME, &["--binary", &broken]).begin()?;
    running.says("== restart ==", 1).await?;
    crate::cut_off::until_swapped(node).await?;
    running.signal(Signal::KILL)?;
    let ended = running.end_of_a_killed_one().await?;
    let said = ended.with_code(137, &["rolled back"])?.to_string();
    if said.contains("failed: restart") {
        return Err(format!("the cycle went on: {said}"));
    }
    before.is_back_on(node).await
}
