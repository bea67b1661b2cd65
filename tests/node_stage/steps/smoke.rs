//! The steps of the tests that `scripts/dev-container-test.sh` runs. They have a connection of their own, and join the script's
//! lock.

use archipelago_lab::StandIn;

use super::scripts::{NAME, cut_off, put_right, restore};
use super::target::{CONNECTION, DEPARTS, SCENARIO};
use super::{Cut, Place, Step, Steps, is_all, make_quick, seen, whole};
use crate::deployed::{Deployed, folder, good};
use crate::node::Ours;
use crate::script::Script;
use crate::trial::{Outcome, trials};

/// What is struck where not everything is: it joins, notes down what it will do, and is done. The rest is as in a visit without
/// a script around it.
const USUAL: [&str; 3] = [" renew ", "umask", "rm -f /var"];

trials![
    the_connection_is_lost_after_each_step_of_the_tests,
    ctrl_c_at_each_step_of_the_tests,
];

async fn the_connection_is_lost_after_each_step_of_the_tests(node: &mut StandIn) -> Outcome {
    tested(node, Cut::LostAfter).await
}

async fn ctrl_c_at_each_step_of_the_tests(node: &mut StandIn) -> Outcome {
    tested(node, Cut::CtrlC).await
}

async fn tested(node: &mut StandIn, cut: Cut) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    make_quick(node).await?;
    let folder = folder()?;
    let binary = good(&folder)?;
    let script = Script::new(node, NAME, &["--once", "--binary", &binary, SCENARIO]);
    let (before, held) = (Deployed::on(node).await?, Ours::of(node).await?);
    node.install_gate().await.map_err(chain)?;
    script.to_end().await?.with_code(0, &["passed after"])?;
    let of_script = seen(node).await?.commands[0].session;
    let mut steps = Steps::of(node, DEPARTS, 2).await?;
    steps.all.retain(|Step { command, .. }| {
        let is_usual = USUAL.iter().any(|usual| command.kind.contains(usual));
        command.session != of_script
            && (is_all() || is_usual)
            && !(cut == Cut::LostAfter && command.kind.contains(CONNECTION))
    });
    let after = Deployed::on(node).await?;
    restore(node, &before).await?;
    let run = async |step: &Step| {
        let (ended, came) = cut_off(node, &script, cut, step).await?;
        let (code, says, end) = match (cut, steps.place(step)) {
            (Cut::CtrlC, _) if came => (130, "rolled back", &before),
            (_, Place::Before) if came => (1, "failed: smoke", &before),
            // They have passed, and tidy up over another connection.
            (_, _) => (0, "passed after", &after),
        };
        let ended = ended.with_code(code, &[says])?;
        whole(node, &[end])
            .await
            .map_err(|error| format!("{error}\n{ended}"))?;
        if *end == after {
            restore(node, &before).await?;
        }
        held.is_all_there_is(node)
            .await
            .map_err(|error| format!("{error}\n{ended}"))?;
        Ok(came)
    };
    steps.each(cut, run, || put_right(node, &before)).await
}
