//! Tests of the lab against a real engine: bad input, interruption, sharing, the life of a lab.
//!
//! `cargo nextest run --profile lab` runs them; the image has to be built before (`cargo lab image build`). They look only
//! at what they made themselves, so other labs may run on the machine meanwhile. Plain `cargo test` would run them too, in
//! one process and without the profile's limits.
//!
//! Listing touches no engine. What this host cannot run is ignored at listing, with its reason on standard error.

mod bad_image;
mod bad_input;
mod conformance;
mod footprint;
mod interrupted;
mod life;
mod needs;
mod processes;
mod proxy;
mod registry;
mod runner;
mod session;
mod stage;
mod standin;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// Every trial; a module's list that is missing here is dead code, and does not build.
fn all() -> impl Iterator<Item = &'static registry::Scenario> {
    [
        bad_image::SCENARIOS,
        bad_input::SCENARIOS,
        conformance::SCENARIOS,
        interrupted::SCENARIOS,
        life::SCENARIOS,
        runner::SCENARIOS,
        session::SCENARIOS,
        standin::SCENARIOS,
        standin::faults::SCENARIOS,
        standin::gate::SCENARIOS,
    ]
    .into_iter()
    .flatten()
    // Started by `runner` in a nextest of its own, and by nobody else.
    .chain(runner::inner())
}

fn main() -> ExitCode {
    archipelago_lab::init();
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for scenario in all() {
        let path = scenario.path();
        let missing = needs::missing(&path);
        if let (true, Some(reason)) = (arguments.list, &missing) {
            eprintln!("{path} is ignored: {reason}");
        }
        trials.push(
            Trial::test(path, || scenario.run().map_err(Failed::from))
                .with_ignored_flag(missing.is_some()),
        );
    }
    if !arguments.list {
        // May start this program anew with DOCKER_HOST set: testcontainers reads nothing else.
        let ready = archipelago_lab::die_with_parent().and_then(|()| archipelago_lab::enter());
        if let Err(error) = ready {
            eprintln!("no lab: {}", archipelago_lab::chain(&error));
            return ExitCode::from(101);
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
