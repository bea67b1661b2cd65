//! `scripts/run-container-tests.sh`: one object of JSON on standard output, whatever comes of the run.

use std::time::Duration;

use archipelago_lab::StandIn;
use archipelago_report::{Outcome as Came, Report, Status};
use rustix::process::Signal;

use crate::deployed::{Deployed, broken, folder, good, shell};
use crate::node::until_there;
use crate::script::{Ended, Script};
use crate::trial::{Outcome, trials};

const NAME: &str = "run-container-tests.sh";
/// What tests say that did not go on to their own end.
const INTERRUPTED: &str = "interrupted by SIGTERM";

trials![
    a_run_that_passes_is_told_with_every_test,
    one_that_does_not_come_up_is_told_and_taken_back,
    a_time_limit_cleans_up_and_is_told,
    sigterm_amid_the_smoke_stage_cleans_up_and_is_told,
    what_is_left_on_the_node_is_named,
    a_node_that_cannot_be_had_is_told,
    a_token_that_is_missing_is_told,
];

/// Runs it with these arguments; its results go to a folder of their own.
fn script(node: &StandIn, out: &tempfile::TempDir, arguments: &[&str]) -> Script {
    let out = out.path().display().to_string();
    let arguments = [arguments, &["--out", &out]].concat();
    Script::new(node, NAME, &arguments)
}

/// The report of a run that ended with this code; the file and the stream say the same, and a JUnit lies beside it.
fn report(ended: &Ended, out: &tempfile::TempDir, came: Came) -> Result<Report, String> {
    let report: Report = serde_json::from_str(&ended.stdout)
        .map_err(|error| format!("no report: {error}: {ended}"))?;
    let file = std::fs::read_to_string(out.path().join("report.json"))
        .map_err(|error| error.to_string())?;
    if file != ended.stdout {
        return Err(format!("report.json says something else: {file}\n{ended}"));
    }
    let xml =
        std::fs::read_to_string(out.path().join("junit.xml")).map_err(|error| error.to_string())?;
    archipelago_report::tests(&xml).map_err(|error| archipelago_lab::chain(&error))?;
    if report.outcome != came || report.exit_code != came.exit_code() {
        return Err(format!("it was to be {came:?}: {report:#?}\n{ended}"));
    }
    Ok(report)
}

async fn a_run_that_passes_is_told_with_every_test(node: &mut StandIn) -> Outcome {
    let (programs, out) = (folder()?, folder()?);
    let ended = script(node, &out, &["--binary", &good(&programs)?])
        .to_end()
        .await?
        .with_code(0, &[])?;
    let report = report(&ended, &out, Came::Passed)?;
    let facts = &report.facts;
    let podman = shell(node, "podman version --format '{{.Client.Version}}'").await?;
    if facts.podman.as_deref() != Some(podman.trim())
        || facts.node != format!("{}:{}", node.node(), node.port())
        || facts.archipelago.as_deref() != Some(env!("CARGO_PKG_VERSION"))
        || facts
            .revision
            .as_ref()
            .is_none_or(|revision| revision.len() < 40)
        || facts.deployed.is_none()
        || !facts.leftovers.is_empty()
    {
        return Err(format!("some facts are not as they are: {facts:#?}"));
    }
    let smoke = report
        .tests
        .iter()
        .filter(|test| test.name.starts_with("node::smoke::"));
    if smoke.count() < 10 || report.totals.passed != report.tests.len() {
        return Err(format!("tests are missing: {report:#?}"));
    }
    // Each has a time of its own, though the first does the work of all.
    let slow = report.tests.iter().filter(|test| test.ms > 200).count();
    if slow < 3 {
        return Err(format!("the times are those of nextest: {report:#?}"));
    }
    Ok(())
}

async fn one_that_does_not_come_up_is_told_and_taken_back(node: &mut StandIn) -> Outcome {
    let (programs, out) = (folder()?, folder()?);
    let before = Deployed::on(node).await?;
    let ended = script(node, &out, &["--binary", &broken(&programs)?])
        .to_end()
        .await?
        .with_code(1, &["rolled back"])?;
    let report = report(&ended, &out, Came::Failed)?;
    if !report.facts.rolled_back || report.totals.tests != 0 {
        return Err(format!("it does not tell what became of it: {report:#?}"));
    }
    before.is_back_on(node).await
}

/// Builds the program for the report: a time limit that falls into its build leaves no report.
fn build_report() -> Result<(), String> {
    let arguments = [
        "build",
        "--quiet",
        "--locked",
        "--workspace",
        "--bin",
        "report",
    ];
    let built = std::process::Command::new("cargo")
        .args(arguments)
        .current_dir(crate::script::root())
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if built.success() {
        Ok(())
    } else {
        Err(format!(
            "the program for the report does not build: {built}"
        ))
    }
}

async fn a_time_limit_cleans_up_and_is_told(node: &mut StandIn) -> Outcome {
    let (programs, out) = (folder()?, folder()?);
    build_report()?;
    let before = Deployed::on(node).await?;
    // The smoke stage alone takes longer in any case.
    let arguments = ["--timeout", "12", "--binary", &good(&programs)?];
    let ended = script(node, &out, &arguments)
        .to_end()
        .await?
        .with_code(3, &["cut short: the time limit of 12 s", INTERRUPTED])?;
    let report = report(&ended, &out, Came::CutShort)?;
    if report.facts.cut_short.as_deref() != Some("the time limit of 12 s") {
        return Err(format!("it does not tell by what: {report:#?}"));
    }
    before.is_back_on(node).await
}

async fn sigterm_amid_the_smoke_stage_cleans_up_and_is_told(node: &mut StandIn) -> Outcome {
    let (programs, out) = (folder()?, folder()?);
    let before = Deployed::on(node).await?;
    let running = script(node, &out, &["--binary", &good(&programs)?]).begin()?;
    running.says("== smoke ==", 1).await?;
    let within = Duration::from_secs(60);
    let look = "podman container exists filebrowser";
    until_there(node, "the package is there", within, look).await?;
    running.signal(Signal::TERM)?;
    let ended = running
        .end()
        .await?
        .with_code(3, &["cut short: SIGTERM", INTERRUPTED, "rolled back"])?;
    report(&ended, &out, Came::CutShort)?;
    before.is_back_on(node).await
}

async fn what_is_left_on_the_node_is_named(node: &mut StandIn) -> Outcome {
    let (programs, out) = (folder()?, folder()?);
    let running = script(node, &out, &["--binary", &broken(&programs)?]).begin()?;
    running.says("== restart ==", 1).await?;
    shell(node, "podman volume create stray").await?;
    let ended = running.end().await?.with_code(4, &[])?;
    let report = report(&ended, &out, Came::LeftSomething)?;
    if report.facts.leftovers != ["volume stray"] {
        return Err(format!("it was to name the volume: {report:#?}"));
    }
    Ok(())
}

async fn a_node_that_cannot_be_had_is_told(node: &mut StandIn) -> Outcome {
    let out = folder()?;
    node.change_host_key()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    let ended = script(node, &out, &[])
        .to_end()
        .await?
        .with_code(2, &["is not the one that is known"])?;
    let report = report(&ended, &out, Came::CouldNotRun)?;
    if report
        .facts
        .unable
        .as_ref()
        .is_none_or(|why| !why.contains("host key"))
    {
        return Err(format!("it does not tell why: {report:#?}"));
    }
    Ok(())
}

async fn a_token_that_is_missing_is_told(node: &mut StandIn) -> Outcome {
    let out = folder()?;
    node.lose_token()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    let before = Deployed::on(node).await?;
    let ended = script(node, &out, &["--build", "none"])
        .to_end()
        .await?
        .with_code(1, &["failed: smoke"])?;
    let report = report(&ended, &out, Came::Failed)?;
    let first = report
        .tests
        .iter()
        .find(|test| test.status == Status::Failed);
    if first
        .and_then(|test| test.error.as_ref())
        .is_none_or(|error| !error.contains("rpc-token"))
    {
        return Err(format!("it does not name the token: {report:#?}"));
    }
    before.is_back_on(node).await
}
