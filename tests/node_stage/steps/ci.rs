//! The steps of `scripts/run-container-tests.sh` that are its own.

use archipelago_lab::StandIn;
use archipelago_report::Report;

use super::scripts::{NO_SMOKE, cut_off, loss, put_right};
use super::{Cut, Place, Step, Steps, whole};
use crate::deployed::{Deployed, folder};
use crate::script::Script;
use crate::trial::{Outcome, trials};

const NAME: &str = "run-container-tests.sh";

trials![
    the_connection_is_lost_before_each_step_of_a_run_for_ci,
    the_connection_is_lost_after_each_step_of_a_run_for_ci,
    ctrl_c_at_each_step_of_a_run_for_ci,
];

async fn the_connection_is_lost_before_each_step_of_a_run_for_ci(node: &mut StandIn) -> Outcome {
    told_in_a_report(node, Cut::LostBefore).await
}

async fn the_connection_is_lost_after_each_step_of_a_run_for_ci(node: &mut StandIn) -> Outcome {
    told_in_a_report(node, Cut::LostAfter).await
}

async fn ctrl_c_at_each_step_of_a_run_for_ci(node: &mut StandIn) -> Outcome {
    told_in_a_report(node, Cut::CtrlC).await
}

async fn told_in_a_report(node: &mut StandIn, cut: Cut) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    let out = folder()?;
    let out = out.path().display().to_string();
    // Nothing is deployed: that is as with the other script.
    let arguments = [&["--build", "none", "--out", &out], &NO_SMOKE[..]].concat();
    let script = Script::new(node, NAME, &arguments);
    let before = Deployed::on(node).await?;
    node.install_gate().await.map_err(chain)?;
    script.to_end().await?.with_code(0, &[])?;
    let steps = Steps::of(node, "deploy.sh accept", 1)
        .await?
        .without_renewals();
    let run = async |step: &Step| {
        let (ended, came) = cut_off(node, &script, cut, step).await?;
        let (code, says) = match (cut, steps.place(step)) {
            (Cut::CtrlC, Place::Before | Place::At) => (3, "cut short: SIGINT"),
            (_, Place::Before) if came => (2, loss(step)),
            // All has passed: what follows tells of it and tidies up. Ctrl-C does not break that off.
            (_, _) => (0, ""),
        };
        let ended = ended.with_code(code, &[says])?;
        let report: Report = serde_json::from_str(&ended.stdout)
            .map_err(|error| format!("no report: {error}: {ended}"))?;
        let facts = &report.facts;
        if i32::from(report.exit_code) != code || !facts.leftovers.is_empty() {
            return Err(format!("{report:#?}\n{ended}"));
        }
        if code == 0 && facts.archipelago.is_none() {
            return Err(format!(
                "it does not tell what was tested: {report:#?}\n{ended}"
            ));
        }
        whole(node, &[&before])
            .await
            .map_err(|error| format!("{error}\n{ended}"))?;
        Ok(came)
    };
    steps.each(cut, run, || put_right(node, &before)).await
}
