//! The steps of the target `node`: a visit for one scenario, from the connection to the last look back.

use archipelago_lab::StandIn;
use rustix::process::Signal;

use super::{Cut, Place, Step, Steps, arm, make_quick, seen};
use crate::node::{self, Ours};
use crate::program::{Ended, Run};
use crate::trial::{Outcome, trials};

/// The cheapest that installs something, and ends the daemon as well.
pub(super) const SCENARIO: &str = "node::recovery::daemon_that_ends_leaves_containers_running";
/// What goes on for as long as the connection does: there is nothing after it.
pub(super) const CONNECTION: &str = "exec cat";
/// With this it begins to tidy up, as it began to look around.
pub(super) const DEPARTS: &str = "rpc-token";
trials![
    the_connection_is_lost_before_each_step_of_a_visit,
    the_connection_is_lost_after_each_step_of_a_visit,
    ctrl_c_at_each_step_of_a_visit,
];

async fn the_connection_is_lost_before_each_step_of_a_visit(node: &mut StandIn) -> Outcome {
    visited(node, Cut::LostBefore).await
}

async fn the_connection_is_lost_after_each_step_of_a_visit(node: &mut StandIn) -> Outcome {
    visited(node, Cut::LostAfter).await
}

async fn ctrl_c_at_each_step_of_a_visit(node: &mut StandIn) -> Outcome {
    visited(node, Cut::CtrlC).await
}

async fn visited(node: &mut StandIn, cut: Cut) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    make_quick(node).await?;
    let before = Ours::of(node).await?;
    node.install_gate().await.map_err(chain)?;
    Run::new(node, SCENARIO).to_end().await?.passed()?;
    let mut steps = Steps::of(node, DEPARTS, 2).await?;
    before.is_all_there_is(node).await?;
    if cut == Cut::LostAfter {
        steps
            .all
            .retain(|step| !step.command.kind.contains(CONNECTION));
    }
    let run = async |step: &Step| {
        let (ended, came) = cut_off(node, cut, step).await?;
        match (cut, steps.place(step)) {
            (Cut::CtrlC, Place::Before) if came => {
                ended.failed_saying(&["interrupted by SIGINT"])?;
            }
            // Nothing was begun.
            (_, _) if step.command.kind.contains(CONNECTION) => {
                ended.failed_saying(&["no connection to"])?;
            }
            (_, Place::Before) if came => {
                ended.failed_saying(&["the connection to the node was lost"])?;
            }
            // The work is done: what follows is to tidy up, over another connection if it has to be.
            (_, _) => ended.passed()?,
        }
        before
            .is_all_there_is(node)
            .await
            .map_err(|error| format!("{error}\nwhat it said: {}", ended.said))?;
        Ok(came)
    };
    let put_right = async || {
        node.disarm_gate().await.map_err(chain)?;
        node::let_the_lease_end(node).await?;
        Run::new(node, SCENARIO).to_end().await?.passed()?;
        before.is_all_there_is(node).await
    };
    steps.each(cut, run, put_right).await
}

/// Runs it, cut off at a step; whether that came. Nothing of it is left on this machine.
async fn cut_off(node: &StandIn, cut: Cut, step: &Step) -> Result<(Ended, bool), String> {
    let chain = |error| archipelago_lab::chain(&error);
    arm(node, cut, step).await?;
    let mut running = Run::new(node, SCENARIO).begin().await?;
    let pid = running.pid()?;
    if cut == Cut::CtrlC {
        tokio::select! {
            held = node.gate_holds() => {
                held.map_err(chain)?;
                running.signal(Signal::INT)?;
            }
            () = running.ends() => {}
        }
        node.let_go().await.map_err(chain)?;
    }
    let ended = running.end().await?;
    if let Some(folder) = node::folder_of(pid)? {
        return Err(format!("its sockets are left: {folder}\n{}", ended.said));
    }
    Ok((ended, seen(node).await?.has_struck))
}
