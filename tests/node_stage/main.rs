//! The node stage, end to end, against a stand-in for the node: what people and CI start is started here, and must leave the
//! stand-in as it was, whatever goes wrong.
//!
//! All trials are `lab::node_stage::…` and run in the profile `lab`. Each has a stand-in of its own. No trial can reach any
//! other machine: all are started with the guard set, which refuses what is not loopback before anything is sent.

mod again;
mod checkout;
mod ci_form;
mod cut_off;
mod deployed;
mod dev_loop;
mod edited;
#[path = "../common/labs.rs"]
mod labs;
mod menu;
mod node;
mod program;
mod refused;
mod script;
mod slow_link;
mod steps;
mod target;
mod trial;
mod workflows;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// What a trial does.
type Run = Box<dyn FnOnce() -> trial::Outcome + Send>;

fn main() -> ExitCode {
    archipelago_lab::init();
    let arguments = Arguments::from_args();
    let unfit = trial::unfit();
    let mut in_labs = Vec::new();
    let mut trials = Vec::new();
    let all = [
        target::TRIALS,
        dev_loop::TRIALS,
        ci_form::TRIALS,
        again::TRIALS,
        slow_link::TRIALS,
        edited::TRIALS,
        cut_off::TRIALS,
        refused::TRIALS,
    ];
    let mut add = |name: String, ignored: Option<String>, run: Run| {
        let ignored = unfit.clone().or(ignored);
        match &ignored {
            Some(reason) => eprintln!("{name} is ignored: {reason}"),
            None => in_labs.push(name.clone()),
        }
        let run = move || run().map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
    };
    for trial in all.into_iter().chain(steps::TRIALS).flatten() {
        let run = Box::new(|| trial::run(trial));
        add(trial.name(), trial.ignored(), run);
    }
    for entry in menu::TRIALS {
        add(entry.name(), entry.ignored(), Box::new(|| entry.run()));
    }
    for job in workflows::JOBS {
        add(job.name(), job.ignored(), Box::new(|| job.run()));
    }
    let name = concat!("lab::", module_path!(), "::workflows::every_job_is_here");
    trials.push(Trial::test(name, || {
        workflows::every_job_is_here().map_err(Failed::from)
    }));
    if let Err(why) = labs::enter(&arguments, &in_labs) {
        eprintln!("{why}");
        return ExitCode::from(101);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
