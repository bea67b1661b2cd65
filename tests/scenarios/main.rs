//! Scenarios: lifecycle tests, each written once against [`target::Target`] and run on `mock` (milliseconds) and on `lab`
//! (real podman under a real systemd, one lab a scenario).
//!
//! `cargo nextest run --profile unit` runs the mock ones, `--profile lab` the lab ones. Plain `cargo test` would run all of
//! them in one process and without the profiles' limits; it works, slowly.
//!
//! Listing (`--list`) touches no engine. A scenario that needs what a target cannot give is ignored at listing, with the
//! reason in its name's place on standard error.

mod api;
mod fixture;
mod heal;
mod hooks;
mod install;
mod lab_registry;
mod lab_target;
mod mock_target;
mod pull;
mod reconcile;
mod recovery;
mod registry;
mod secrets;
mod service;
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
    ]
    .into_iter()
    .flatten()
}

fn main() -> ExitCode {
    archipelago_lab::init();
    if std::env::args().nth(1).as_deref() == Some(socket::PROBE) {
        return socket::probe();
    }
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let mut labs = Vec::new();
    for scenario in all() {
        let name = format!("mock::{}", scenario.name());
        let ignored = scenario.needs.iter().copied().find_map(mock_target::cannot);
        if let Some(reason) = &ignored {
            eprintln!("{name} is ignored: {reason}");
        }
        let run = || mock_target::run(scenario).map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
        let name = format!("lab::{}", scenario.name());
        let ignored = lab_target::unfit()
            .or_else(|| scenario.needs.iter().copied().find_map(lab_target::cannot));
        match &ignored {
            Some(reason) => eprintln!("{name} is ignored: {reason}"),
            None => labs.push(name.clone()),
        }
        let run = || lab_target::run(scenario).map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
    }
    let ignored = lab_target::unfit();
    match &ignored {
        Some(reason) => eprintln!("{} is ignored: {reason}", socket::NAME),
        None => labs.push(socket::NAME.to_owned()),
    }
    let run = || socket::run().map_err(Failed::from);
    trials.push(Trial::test(socket::NAME, run).with_ignored_flag(ignored.is_some()));
    if !arguments.list && labs.iter().any(|name| is_wanted(name, &arguments)) {
        // A runner that is killed takes no trials with it by itself.
        if let Err(error) = archipelago_lab::die_with_parent() {
            eprintln!("no lab: {}", archipelago_lab::chain(&error));
            return ExitCode::from(101);
        }
        // May start this program anew with DOCKER_HOST set: testcontainers reads nothing else.
        if let Err(error) = archipelago_lab::enter() {
            eprintln!("no lab: {}", archipelago_lab::chain(&error));
            return ExitCode::from(101);
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether a trial will run: libtest-mimic's own rules for names.
fn is_wanted(name: &str, arguments: &Arguments) -> bool {
    let fits = |wanted: &String| {
        if arguments.exact {
            name == *wanted
        } else {
            name.contains(wanted.as_str())
        }
    };
    arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
}
