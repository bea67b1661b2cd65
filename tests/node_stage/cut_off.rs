//! A cycle that is cut off amid what takes its time, or more rudely than by Ctrl-C: the node is as it was. What it sends to the
//! node is cut off in `steps`, command by command.

use std::time::Duration;

use archipelago_lab::StandIn;
use rustix::process::Signal;

use crate::deployed::{Deployed, broken, folder, good, shell};
use crate::node::until_there;
use crate::script::Script;
use crate::trial::{Outcome, trials};

const NAME: &str = "dev-container-test.sh";
/// The lease of a run that is gone, and what it takes to bring the old one back after it.
const BY_ITSELF: Duration = Duration::from_secs(90);

trials![
    ctrl_c_amid_builds_and_tests_leaves_the_node_as_it_was,
    a_killed_script_is_undone_by_the_node_itself,
    a_power_cut_amid_a_run_is_undone_by_the_next_run,
    a_lost_link_is_told_and_undone_by_the_node_itself,
];

async fn ctrl_c_amid_builds_and_tests_leaves_the_node_as_it_was(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let good = good(&folder)?;
    let before = Deployed::on(node).await?;
    for step in ["== build ==", "== smoke =="] {
        let running = Script::new(node, NAME, &["--once", "--binary", &good]).begin()?;
        running.says(step, 1).await?;
        running.interrupt()?;
        let ended = running.end().await?;
        ended
            .with_code(130, &[step])
            .map_err(|error| format!("at {step}: {error}"))?;
        before
            .is_back_on(node)
            .await
            .map_err(|error| format!("after Ctrl-C at {step}: {error}"))?;
    }
    // A build on the node goes with whoever wanted it.
    let running = Script::new(node, NAME, &["--once"]).begin()?;
    running.says("Compiling", 1).await?;
    running.interrupt()?;
    running.end().await?.with_code(130, &["== build =="])?;
    before.is_back_on(node).await
}

async fn a_killed_script_is_undone_by_the_node_itself(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let before = Deployed::on(node).await?;
    let arguments = ["--once", "--binary", &broken(&folder)?];
    let running = Script::new(node, NAME, &arguments).begin()?;
    running.says("== restart ==", 1).await?;
    until_swapped(node).await?;
    running.signal(Signal::KILL)?;
    running.end_of_a_killed_one().await?;
    until_the_old_one_is_healthy(node, BY_ITSELF).await?;
    Script::new(node, NAME, &["--rollback"])
        .to_end()
        .await?
        .with_code(0, &[])?;
    before.is_back_on(node).await
}

async fn a_power_cut_amid_a_run_is_undone_by_the_next_run(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let before = Deployed::on(node).await?;
    let arguments = ["--once", "--binary", &good(&folder)?];
    let running = Script::new(node, NAME, &arguments).begin()?;
    running.says("== smoke ==", 1).await?;
    node.power_loss()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    running.end().await?.with_code(2, &["was lost"])?;
    // It may have done so itself, where the node was up again in time.
    Script::new(node, NAME, &["--rollback"])
        .to_end()
        .await?
        .with_code(0, &["roll"])?;
    before.is_back_on(node).await
}

async fn a_lost_link_is_told_and_undone_by_the_node_itself(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let before = Deployed::on(node).await?;
    let arguments = ["--once", "--binary", &broken(&folder)?];
    let running = Script::new(node, NAME, &arguments).begin()?;
    running.says("== restart ==", 1).await?;
    until_swapped(node).await?;
    node.drop_link()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    running
        .end()
        .await?
        .with_code(2, &["was lost during: restart", "by itself"])?;
    until_the_old_one_is_healthy(node, BY_ITSELF).await?;
    node.restore_link()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    Script::new(node, NAME, &["--rollback"])
        .to_end()
        .await?
        .with_code(0, &[])?;
    before.is_back_on(node).await
}

/// Waits until the new one is where the old one was.
pub(crate) async fn until_swapped(node: &StandIn) -> Outcome {
    const LOOK: &str = "cd /usr/local/bin; ls; \
        [ -e archipelago.rollback ] && ! [ archipelago -ef archipelago.rollback ]";
    let within = Duration::from_secs(20);
    let seen = until_there(node, "the new archipelago lies there", within, LOOK).await;
    seen.map(drop)
}

async fn until_the_old_one_is_healthy(node: &StandIn, within: Duration) -> Outcome {
    const LOOK: &str = "cd /usr/local/bin; ls; ! [ -e archipelago.rollback ] && \
        ./archipelago rpc system.health | tee /dev/stderr | grep -q '\"status\": \"ok\"'";
    let awaited = "the node brings the old archipelago back by itself";
    let Err(error) = until_there(node, awaited, within, LOOK).await else {
        return Ok(());
    };
    let journal = "journalctl --no-pager -n 3 -u 'archipelago-deploy-guard*'";
    Err(format!("{error}\n{}", shell(node, journal).await?))
}
