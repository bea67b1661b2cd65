//! Commands that change something, followed to their end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use archipelago::cli::exit_code;
use rustix::process::Signal;

use crate::code;
use crate::daemon::{Ended, Mock, archipelago, kill};

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

/// A daemon that answers one call with this result, and its address.
fn answering(result: &'static str) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        let mut request = BufReader::new(stream.try_clone().expect("the same"));
        let mut length = 0;
        loop {
            let mut line = String::new();
            request.read_line(&mut line).expect("a line");
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        request.read_exact(&mut vec![0; length]).expect("a body");
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        write!(
            stream,
            "{head}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("written");
    });
    (address, thread)
}

#[test]
fn a_reconcile_that_leaves_something_undone_has_a_code() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = r#"{"recreated":["web"],"unchanged":[],"failed":[],"outdated":[],"strangers":[]}"#;
    let bad = r#"{"recreated":[],"unchanged":[],"failed":["`db` cannot be made anew"],"outdated":[],"strangers":[]}"#;
    for (report, awaited) in [(good, exit_code::SUCCESS), (bad, exit_code::CALL_FAILED)] {
        for arguments in [&["reconcile"][..], &["reconcile", "--json"]] {
            let (address, thread) = answering(report);
            let mut command = archipelago(folder.path());
            command
                .args(arguments)
                .env("ARCHIPELAGO_LISTEN", address)
                .env("ARCHIPELAGO_TOKEN", "x");
            let ended = Ended::of(command.output().expect("it runs"));
            thread.join().expect("no panic");
            assert_eq!(ended.code, code(awaited), "{ended:?}");
            let is_told = ended.stdout.contains("`db` cannot be made anew");
            assert_eq!(is_told, report == bad, "{ended:?}");
        }
    }
}
