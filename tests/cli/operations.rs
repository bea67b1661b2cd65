//! Commands that change something, followed to their end.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use archipelago::cli::exit_code;
use rustix::process::Signal;

use crate::code;
use crate::daemon::{Ended, Mock, kill};

#[test]
fn an_operation_is_followed_step_by_step_and_its_failure_has_a_code() {
    // A pull that the command line cannot overlook between two looks.
    let mock = Mock::start_with(&["--mock-pull-ms", "500"]);
    let installed = mock.run(&["install", "filebrowser"]);
    assert_eq!(
        installed.stdout, "installed `filebrowser`\n",
        "{installed:?}"
    );
    assert!(
        installed.stderr.contains("pulling "),
        "no step of the pull: {installed:?}"
    );
    let again = mock.run(&["install", "filebrowser"]);
    assert_eq!(again.code, code(exit_code::CALL_FAILED), "{again:?}");
    let stopped = mock.run(&["stop", "filebrowser", "--json"]);
    assert_eq!(stopped.json()["state"], "succeeded", "{stopped:?}");
    assert_eq!(stopped.stderr, "", "progress beside JSON");
    let plan = mock.run(&["plan"]).good();
    assert!(
        plan.contains("skip") && plan.contains("the user stopped it"),
        "{plan}"
    );
    mock.run(&["uninstall", "filebrowser", "--keep-data"])
        .good();
    let operations = mock.run(&["operations"]).good();
    let words: Vec<&str> = operations
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(
        words,
        ["install", "install", "stop", "uninstall"],
        "{operations}"
    );
}

#[test]
fn ctrl_c_cancels_a_pull() {
    // Longer than the test may take: only the cancellation ends it.
    let mock = Mock::start_with(&["--mock-pull-ms", "600000"]);
    let mut command = mock.command(&["install", "filebrowser"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut told = BufReader::new(child.stderr.take().expect("piped")).lines();
    let pulling = |line: &Result<String, _>| {
        line.as_ref()
            .is_ok_and(|line: &String| line.starts_with("pulling "))
    };
    assert!(told.any(|line| pulling(&line)), "it never pulled");
    kill(child.id(), Signal::INT);
    let rest: Vec<String> = told.map_while(Result::ok).collect();
    let ended = Ended::of(child.wait_with_output().expect("a child"));
    assert_eq!(ended.code, code(exit_code::CANCELLED), "{ended:?} {rest:?}");
    assert!(
        rest.iter().any(|line| line.contains("asked to cancel")),
        "{rest:?}"
    );
    let status = mock.run(&["status"]).good();
    assert!(status.starts_with("no package is installed"), "{status}");
}

#[test]
fn events_are_told_as_they_happen() {
    let mock = Mock::start();
    let mut command = mock.command(&["events", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut events = lines.map_while(Result::ok).map(|line| {
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    });
    assert!(
        events.any(|event| event["event"] == "packages"),
        "the state at the beginning is not told"
    );
    mock.run(&["install", "filebrowser"]).good();
    assert!(
        events.any(|event| {
            event["event"] == "operation" && event["data"]["state"] == "succeeded"
        }),
        "the end of the operation is not told"
    );
    kill(child.id(), Signal::INT);
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}
