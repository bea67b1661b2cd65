//! The status page in a real browser: Chromium, driven through chromedriver.
//!
//! `mock::` trials open the page of a daemon in this process, on [`MockPodman`]; `lab::` trials that of a daemon in a lab, on
//! real podman. `cargo nextest run --profile ui` runs the first, `--profile lab` the others. Where there is no Chromium
//! they are ignored at listing, with the reason.
//!
//! `ARCHIPELAGO_SCREENSHOT=FILE cargo nextest run --profile ui picture` writes the README's picture.
//!
//! [`MockPodman`]: archipelago::container::mock_podman::MockPodman

mod access;
mod browser;
mod flow;
mod lab;
#[path = "../common/labs.rs"]
mod labs;
mod look;
mod node;
mod picture;
mod shown;
mod trial;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    archipelago_lab::init();
    let arguments = Arguments::from_args();
    let no_browser = browser::missing();
    let mut trials = Vec::new();
    let mocks = [
        shown::TRIALS,
        flow::TRIALS,
        access::TRIALS,
        look::TRIALS,
        picture::TRIALS,
    ];
    for mock in mocks.into_iter().flatten() {
        let name = format!("mock::{}", mock.name());
        let ignored = no_browser.clone().or_else(|| {
            (mock.function == "picture")
                .then(picture::unwanted)
                .flatten()
        });
        if let Some(reason) = &ignored {
            eprintln!("{name} is ignored: {reason}");
        }
        let run = || trial::run_mock(mock).map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
    }
    let mut in_labs = Vec::new();
    for trial in lab::TRIALS {
        // The module is called as the target is.
        let name = format!("lab::page::{}", trial.function);
        let ignored = no_browser.clone().or_else(archipelago_lab::engine::missing);
        match &ignored {
            Some(reason) => eprintln!("{name} is ignored: {reason}"),
            None => in_labs.push(name.clone()),
        }
        let run = || lab::run(trial).map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
    }
    if let Err(why) = labs::enter(&arguments, &in_labs) {
        eprintln!("{why}");
        return ExitCode::from(101);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
