//! The steps of `scripts/dev-container-test.sh`.

use archipelago_lab::StandIn;

use super::{Cut, Place, Step, Steps, arm, is_all, seen, whole};
use crate::deployed::{Deployed, broken, folder, good, shell};
use crate::node;
use crate::script::{Ended, Script};
use crate::trial::{Outcome, trials};

pub(super) const NAME: &str = "dev-container-test.sh";
/// In place of the smoke stage: what needs no node, so that what the script sends is all that comes there.
pub(super) const NO_SMOKE: [&str; 2] = ["--ignore-default-filter", "unit::node_target::refuse::"];
/// The old archipelago again, after one was accepted.
const BACK: &str =
    "cd /usr/local/bin && mv archipelago.previous archipelago && systemctl restart archipelago";

trials![
    the_connection_is_lost_before_each_step_of_a_cycle,
    the_connection_is_lost_after_each_step_of_a_cycle,
    ctrl_c_at_each_step_of_a_cycle,
    the_connection_is_lost_before_each_step_of_a_rollback,
    the_connection_is_lost_after_each_step_of_a_rollback,
    ctrl_c_at_each_step_of_a_rollback,
];

async fn the_connection_is_lost_before_each_step_of_a_cycle(node: &mut StandIn) -> Outcome {
    accepted(node, Cut::LostBefore).await
}

async fn the_connection_is_lost_after_each_step_of_a_cycle(node: &mut StandIn) -> Outcome {
    accepted(node, Cut::LostAfter).await
}

async fn ctrl_c_at_each_step_of_a_cycle(node: &mut StandIn) -> Outcome {
    accepted(node, Cut::CtrlC).await
}

async fn the_connection_is_lost_before_each_step_of_a_rollback(node: &mut StandIn) -> Outcome {
    rolled_back(node, Cut::LostBefore).await
}

async fn the_connection_is_lost_after_each_step_of_a_rollback(node: &mut StandIn) -> Outcome {
    rolled_back(node, Cut::LostAfter).await
}

async fn ctrl_c_at_each_step_of_a_rollback(node: &mut StandIn) -> Outcome {
    rolled_back(node, Cut::CtrlC).await
}

/// Runs it, cut off at a step; whether that came.
pub(super) async fn cut_off(
    node: &StandIn,
    script: &Script,
    cut: Cut,
    step: &Step,
) -> Result<(Ended, bool), String> {
    let chain = |error| archipelago_lab::chain(&error);
    arm(node, cut, step).await?;
    let mut running = script.begin()?;
    if cut == Cut::CtrlC {
        tokio::select! {
            held = node.gate_holds() => {
                held.map_err(chain)?;
                running.interrupt()?;
            }
            () = running.ends() => {}
        }
        node.let_go().await.map_err(chain)?;
    }
    let ended = running.end().await?;
    Ok((ended, seen(node).await?.has_struck))
}

/// What a run says whose connection was lost. It cannot be lost before it is there.
pub(super) fn loss(step: &Step) -> &'static str {
    match step.number {
        1 => "cannot be reached",
        _ => "was lost during",
    }
}

/// One that passes: from the moment on at which it is accepted the new one stays.
async fn accepted(node: &mut StandIn, cut: Cut) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    let folder = folder()?;
    let binary = good(&folder)?;
    let arguments = [&["--once", "--binary", &binary], &NO_SMOKE[..]].concat();
    let script = Script::new(node, NAME, &arguments);
    let before = Deployed::on(node).await?;
    node.install_gate().await.map_err(chain)?;
    script.to_end().await?.with_code(0, &["passed after"])?;
    let steps = Steps::of(node, "deploy.sh accept", 1)
        .await?
        .without_renewals();
    let after = Deployed::on(node).await?;
    restore(node, &before).await?;
    let run = async |step: &Step| {
        let (ended, came) = cut_off(node, &script, cut, step).await?;
        let place = match came {
            true => steps.place(step),
            false => Place::After,
        };
        let (code, says) = match (cut, place) {
            (Cut::CtrlC, _) if came => (130, ""),
            (_, Place::Before) => (2, loss(step)),
            // What follows is to tell and to tidy up, and is asked for again.
            (_, Place::At | Place::After) => (0, "passed after"),
        };
        let wholes = match (cut, place) {
            (_, Place::Before) => &[&before][..],
            // It is accepted and taken back at the same time: one of them comes first.
            (Cut::CtrlC, Place::At) => &[&before, &after],
            (_, Place::At | Place::After) => &[&after],
        };
        let ended = ended.with_code(code, &[says])?;
        let found = whole(node, wholes)
            .await
            .map_err(|error| format!("{error}\n{ended}"))?;
        if *wholes[found] == after {
            restore(node, &before).await?;
        }
        Ok(came)
    };
    steps.each(cut, run, || put_right(node, &before)).await
}

/// The old archipelago in the place of the one that was accepted.
pub(super) async fn restore(node: &StandIn, before: &Deployed) -> Outcome {
    shell(node, BACK).await?;
    whole(node, &[before]).await.map(drop)
}

/// Whatever was left, as the next run would do it.
pub(super) async fn put_right(node: &StandIn, before: &Deployed) -> Outcome {
    node.disarm_gate()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    node::let_the_lease_end(node).await?;
    let rollback = Script::new(node, NAME, &["--rollback"]);
    rollback.to_end().await?.with_code(0, &[])?;
    let is_accepted = shell(node, "ls /usr/local/bin").await?.contains("previous");
    if is_accepted {
        shell(node, BACK).await?;
    }
    whole(node, &[before]).await.map(drop)
}

/// One that does not come up: the old one comes back, wherever it is cut off. Up to its restart it is as any other.
async fn rolled_back(node: &mut StandIn, cut: Cut) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    let folder = folder()?;
    let binary = broken(&folder)?;
    let script = Script::new(node, NAME, &["--once", "--binary", &binary]);
    let before = Deployed::on(node).await?;
    node.install_gate().await.map_err(chain)?;
    script.to_end().await?.with_code(1, &["rolled back"])?;
    let mut steps = Steps::of(node, "deploy.sh abandon", 1).await?;
    steps.from("deploy.sh restart")?;
    if !is_all() {
        // What follows is as with any other.
        let decides = steps.decides;
        steps.all.retain(|step| step.number <= decides);
    }
    let run = async |step: &Step| {
        let (ended, came) = cut_off(node, &script, cut, step).await?;
        let (code, says) = match (cut, steps.place(step)) {
            (Cut::CtrlC, _) if came => (130, ""),
            (_, Place::Before) if came => (2, "was lost during"),
            (_, _) => (1, "the old archipelago is back"),
        };
        let ended = ended.with_code(code, &[says])?;
        whole(node, &[&before])
            .await
            .map_err(|error| format!("{error}\n{ended}"))?;
        Ok(came)
    };
    steps.each(cut, run, || put_right(node, &before)).await
}
