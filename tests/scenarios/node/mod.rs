//! The target `node`: scenarios that are harmless to a live node run against it, over ssh.
//!
//! ```text
//! configuration ── ssh ──▶ lock ──▶ clean (what a dead run left) ──▶ refuse ──▶ the scenario ──▶ clean ──▶ inventory
//!  (environment,    (one     (one run                                  (others'     (target: notes      before = after,
//!   guard)       connection)  at a time)                                things)      down in mark        or it fails
//!                                                                                    before it does)
//! ```
//!
//! `visit` is the way through. What the environment sets, what is done to a node and what never is: see "The node stage" in
//! CONTRIBUTING.md.

mod api;
mod clean;
mod configuration;
mod error;
mod evidence;
mod harmless;
mod inventory;
mod lock;
mod mark;
mod refuse;
mod refused;
mod report;
mod signals;
mod smoke_run;
mod sockets;
mod ssh;
mod target;
mod visit;

use libtest_mimic::{Failed, Trial};

use crate::registry::Scenario;
use crate::smoke;
use report::Report;
use visit::{Work, visit};

pub(crate) use target::cannot;

/// A name and what it checks.
type Check = (&'static str, fn());

/// Lists what a module checks of itself, without any node: trials of the profile `unit`.
macro_rules! checks {
    ($($function:ident),* $(,)?) => {
        pub(crate) const CHECKS: &[(&str, fn())] = &[
            $((concat!(module_path!(), "::", stringify!($function)), $function)),*
        ];
    };
}
pub(crate) use checks;

/// What can be checked without a node.
pub(crate) fn all_checks() -> impl Iterator<Item = Trial> {
    [
        clean::tests::CHECKS,
        configuration::tests::CHECKS,
        inventory::tests::CHECKS,
        lock::tests::CHECKS,
        harmless::tests::CHECKS,
        mark::tests::CHECKS,
        refuse::tests::CHECKS,
        refused::tests::CHECKS,
        smoke_run::tests::CHECKS,
        sockets::tests::CHECKS,
    ]
    .into_iter()
    .flatten()
    .map(|(path, check): &Check| {
        let name = path
            .replacen("scenarios::node", "unit::node_target", 1)
            .replace("::tests::", "::");
        Trial::test(name, move || {
            check();
            Ok(())
        })
    })
}

/// Why nothing is run on a node unless somebody wants it: plain `cargo test` runs every trial, and is to reach no machine.
pub(crate) fn unwanted() -> Option<String> {
    let is_wanted = std::env::var_os(configuration::NODE).is_some()
        || std::env::var("NEXTEST_PROFILE").is_ok_and(|profile| profile == "node");
    (!is_wanted).then(|| {
        format!(
            "a node is wanted by the profile `node`, or by its name in {}",
            configuration::NODE
        )
    })
}

/// Runs a scenario on the node.
pub(crate) fn run(scenario: &'static Scenario) -> Result<(), Failed> {
    if smoke::is_item(scenario) {
        return smoke_run::run(scenario);
    }
    let name = scenario.name();
    let begun = std::time::Instant::now();
    let work: Work = Box::new(|stage| (scenario.run)(stage));
    let ended = block_on(visit(&name, &[], work))?;
    let failure = ended.failure.zip(ended.evidence);
    let failure = failure.map(|(failure, evidence)| format!("{failure}\n\n{evidence}"));
    let errors: Vec<String> = failure.into_iter().chain(ended.errors).collect();
    let report = Report::new(
        &format!("node::{name}"),
        begun.elapsed(),
        &errors,
        ended.left,
    );
    report.write()?;
    report.outcome()
}

/// Runs it to its end.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| runtime.block_on(work))
        .map_err(|error| format!("no runtime: {error}"))
}
