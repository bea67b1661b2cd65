//! The node stage, end to end, against a stand-in for the node: what people and CI start is started here, and must leave the
//! stand-in as it was, whatever goes wrong.
//!
//! All trials are `lab::node_stage::…` and run in the profile `lab`. Each has a stand-in of its own. No trial can reach any
//! other machine: all are started with the guard set, which refuses what is not loopback before anything is sent.

mod ci_form;
mod cut_off;
mod deployed;
mod dev_loop;
mod node;
mod program;
mod refused;
mod script;
mod target;
mod trial;
mod workflows;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    archipelago_lab::init();
    let arguments = Arguments::from_args();
    let unfit = trial::unfit();
    let mut wanted = false;
    let mut trials = Vec::new();
    let all = [
        target::TRIALS,
        dev_loop::TRIALS,
        ci_form::TRIALS,
        cut_off::TRIALS,
        refused::TRIALS,
    ];
    for trial in all.into_iter().flatten() {
        let name = trial.name();
        match &unfit {
            Some(reason) => eprintln!("{name} is ignored: {reason}"),
            None => wanted |= trial::is_wanted(&name, &arguments),
        }
        let run = || trial::run(trial).map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(unfit.is_some()));
    }
    let name = format!(
        "lab::{}::every_job_is_here",
        module_path!().to_owned() + "::workflows"
    );
    trials.push(Trial::test(name, || {
        workflows::every_job_is_here().map_err(Failed::from)
    }));
    for job in workflows::JOBS {
        let name = job.name();
        let ignored = unfit.clone().or_else(|| job.ignored());
        match &ignored {
            Some(reason) => eprintln!("{name} is ignored: {reason}"),
            None => wanted |= trial::is_wanted(&name, &arguments),
        }
        let run = || job.run().map_err(Failed::from);
        trials.push(Trial::test(name, run).with_ignored_flag(ignored.is_some()));
    }
    if !arguments.list && wanted {
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
