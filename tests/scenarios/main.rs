//! Scenarios: lifecycle tests, each written once against [`target::Target`] and run on `mock` (milliseconds), on `lab` (real
//! podman under a real systemd, one lab a scenario) and, where they are harmless, on `node` (a live node, over ssh).
//!
//! `cargo nextest run --profile unit` runs the mock ones, `--profile lab` the lab ones, `--profile node` those on
//! the node that the environment names. Plain `cargo test` would run the first two in one process and without the
//! profiles' limits; it works, slowly.
//!
//! Listing (`--list`) touches no engine and no node. A scenario that needs what a target cannot give is ignored at listing, with the
//! reason in its name's place on standard error.

mod api;
mod fixture;
mod heal;
mod hooks;
mod http;
mod inside;
mod install;
mod lab_registry;
mod lab_target;
#[path = "../common/labs.rs"]
mod labs;
mod mock_target;
mod node;
mod pull;
mod reconcile;
mod recovery;
mod registry;
mod secrets;
mod service;
mod smoke;
mod socket;
mod stage;
mod stop;
mod target;
mod uninstall;
mod update;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use registry::Scenario;

/// Every scenario; a module's list that is missing here is dead code, and does not build.
fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        install::SCENARIOS,
        heal::SCENARIOS,
        secrets::SCENARIOS,
        stop::SCENARIOS,
        uninstall::SCENARIOS,
        recovery::SCENARIOS,
        hooks::SCENARIOS,
        update::SCENARIOS,
        reconcile::SCENARIOS,
        api::SCENARIOS,
        pull::SCENARIOS,
        service::SCENARIOS,
        smoke::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

/// Those that run on labs: all, but the items of the smoke stage run in one.
fn in_labs() -> impl Iterator<Item = &'static Scenario> {
    all()
        .filter(|scenario| !smoke::is_item(scenario))
        .chain([&smoke::IN_ORDER])
}

fn main() -> ExitCode {
    archipelago_lab::init();
    if std::env::args().nth(1).as_deref() == Some(socket::PROBE) {
        return socket::probe();
    }
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = node::all_checks().collect();
    let mut of_labs = Vec::new();
    let mut nodes = Vec::new();
    let unwanted = node::unwanted();
    let is_unwanted = unwanted.is_some();
    if let Some(reason) = &unwanted {
        eprintln!("all of node:: is ignored: {reason}");
    }
    for scenario in all() {
        let name = format!("mock::{}", scenario.name());
        let ignored = scenario.needs.iter().copied().find_map(mock_target::cannot);
        if let Some(reason) = &ignored {
            eprintln!("{name} is ignored: {reason}");
        }
        let run = || mock_target::run(scenario).map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
        if !scenario.is_harmless {
            continue;
        }
        let name = format!("node::{}", scenario.name());
        let ignored = unwanted
            .clone()
            .or_else(|| scenario.needs.iter().copied().find_map(node::cannot));
        match &ignored {
            // Once is enough.
            Some(_) if is_unwanted => {}
            Some(reason) => eprintln!("{name} is ignored: {reason}"),
            None => nodes.push(name.clone()),
        }
        let run = || node::run(scenario);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
    }
    for scenario in in_labs() {
        let name = format!("lab::{}", scenario.name());
        let ignored = archipelago_lab::engine::missing()
            .or_else(|| scenario.needs.iter().copied().find_map(lab_target::cannot));
        match &ignored {
            Some(reason) => eprintln!("{name} is ignored: {reason}"),
            None => of_labs.push(name.clone()),
        }
        let run = || lab_target::run(scenario).map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
    }
    let ignored = archipelago_lab::engine::missing();
    match &ignored {
        Some(reason) => eprintln!("{} is ignored: {reason}", socket::NAME),
        None => of_labs.push(socket::NAME.to_owned()),
    }
    let run = || socket::run().map_err(Failed::from);
    trials.push(Trial::test(socket::NAME, run).with_ignored_flag(ignored.is_some()));
    if labs::will_run(&arguments, &nodes) {
        // A runner that is killed takes no trials with it by itself.
        if let Err(error) = archipelago_lab::die_with_parent() {
            eprintln!(
                "the test runner cannot be watched: {}",
                archipelago_lab::chain(&error)
            );
            return ExitCode::from(101);
        }
    }
    if let Err(why) = labs::enter(&arguments, &of_labs) {
        eprintln!("{why}");
        return ExitCode::from(101);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
