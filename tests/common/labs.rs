//! What every test program with trials in labs does before it runs them.

use libtest_mimic::Arguments;

/// Enters the session of labs if one of the trials with these names will run. May start this program anew, so nothing may
/// have been begun before; listing touches no engine.
///
/// # Errors
/// One line: why there can be no lab.
pub(crate) fn enter(arguments: &Arguments, labs: &[String]) -> Result<(), String> {
    if !will_run(arguments, labs) {
        return Ok(());
    }
    // A runner that is killed takes no trials with it by itself.
    archipelago_lab::die_with_parent()
        // testcontainers reads nothing but DOCKER_HOST, which has to be set at a program's start.
        .and_then(|()| archipelago_lab::enter())
        .map(drop)
        .map_err(|error| format!("no lab: {}", archipelago_lab::chain(&error)))
}

/// Whether one of the trials with these names will run.
pub(crate) fn will_run(arguments: &Arguments, names: &[String]) -> bool {
    !arguments.list && names.iter().any(|name| is_wanted(name, arguments))
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
