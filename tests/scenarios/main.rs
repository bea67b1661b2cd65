//! Scenarios: lifecycle tests, each written once against [`target::Target`] and run on `mock` (milliseconds) and on `lab`
//! (real podman under a real systemd, one lab a scenario).
//!
//! `cargo nextest run --profile unit` runs the mock ones, `--profile lab` the lab ones. Plain `cargo test` would run all of
//! them in one process and without the profiles' limits; it works, slowly.
//!
//! Listing (`--list`) touches no engine. A scenario that needs what a target cannot give is ignored at listing, with the
//! reason in its name's place on standard error.

mod fixture;
mod heal;
mod install;
mod lab_target;
mod mock_target;
mod recovery;
mod registry;
mod stage;
mod stop;
mod target;
mod uninstall;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use registry::Scenario;

/// Every scenario; a module's list that is missing here is dead code, and does not build.
fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        install::SCENARIOS,
        heal::SCENARIOS,
        stop::SCENARIOS,
        uninstall::SCENARIOS,
        recovery::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

fn main() -> ExitCode {
    archipelago_lab::init();
    let arguments = Arguments::from_args();
    let unfit = lab_target::unfit();
    if let (true, Some(reason)) = (arguments.list, &unfit) {
        eprintln!("the lab's scenarios are ignored: {reason}");
    }
    let mut trials = Vec::new();
    for scenario in all() {
        trials.push(Trial::test(format!("mock::{}", scenario.name()), || {
            mock_target::run(scenario).map_err(Failed::from)
        }));
        trials.push(
            Trial::test(format!("lab::{}", scenario.name()), || {
                lab_target::run(scenario).map_err(Failed::from)
            })
            .with_ignored_flag(unfit.is_some()),
        );
    }
    if !arguments.list && wants_lab(&arguments) && unfit.is_none() {
        // May start this program anew with DOCKER_HOST set: testcontainers reads nothing else.
        if let Err(error) = archipelago_lab::enter() {
            eprintln!("no lab: {}", archipelago_lab::chain(&error));
            return ExitCode::from(101);
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether any trial that will run needs an engine: libtest-mimic's own rules for names.
fn wants_lab(arguments: &Arguments) -> bool {
    all()
        .map(|scenario| format!("lab::{}", scenario.name()))
        .any(|name| {
            let fits = |wanted: &String| {
                if arguments.exact {
                    name == *wanted
                } else {
                    name.contains(wanted.as_str())
                }
            };
            arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
        })
}
