//! `mock-podman`: the program, from outside. Its answers are those of `MockPodman`, which `mock_podman.rs` is about; here
//! it is about its state in a folder, several processes at once, and processes that are killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mock-podman");
const FIXTURE: &str = "localhost/archipelago-fixture:latest";
/// Something that has to happen has happened by then, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

struct Mock {
    folder: TempDir,
}

impl Mock {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(args)
            .env("MOCK_PODMAN_DIR", self.state())
            .env_remove("MOCK_PODMAN_VERSION")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it starts")
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Exit code and standard error of a command that fails.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        let code = output.status.code().expect("no signal");
        (code, String::from_utf8(output.stderr).expect("text"))
    }

    fn spawn(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    }

    fn state_of(&self, name: &str) -> String {
        let text = self.ok(&["inspect", name]);
        let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        found[0]["State"]["Status"]
            .as_str()
            .expect("a word")
            .to_owned()
    }

    fn until(&self, name: &str, state: &str) {
        let start = Instant::now();
        while self.state_of(name) != state {
            assert!(start.elapsed() < LIMIT, "{name} is never {state}");
        }
    }

    fn names(&self) -> BTreeSet<String> {
        let text = self.ok(&["ps", "-a", "--format", "{{.Names}}"]);
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_shell_script_runs_a_whole_lifecycle_with_it_as_podman() {
    let mock = Mock::new();
    let bin = mock.folder.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink(PROGRAM, bin.join("podman")).expect("a link");
    let script = r#"
        set -eu
        [ "$(podman --version)" = "podman version 4.3.1" ]
        podman network create net >/dev/null
        podman volume create data >/dev/null
        podman image exists registry.example/app:1 && exit 10
        podman pull -q registry.example/app:1 >/dev/null
        podman image exists registry.example/app:1
        id=$(podman run -d --name app --network net -v data:/data registry.example/app:1)
        [ "$(podman ps -q --no-trunc)" = "$id" ]
        podman exec app true
        podman volume rm data 2>/dev/null && exit 11
        podman stop app
        [ -z "$(podman ps -q)" ]
        [ "$(podman wait app)" = 0 ]
        podman rm app
        podman volume rm data
        podman network rm net
        podman container exists app && exit 12
        podman mock calls | grep -c '"args"'
    "#;
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let output = Command::new("/bin/sh")
        .args(["-c", script])
        .env("PATH", path)
        .env("MOCK_PODMAN_DIR", mock.state())
        .env("MOCK_PODMAN_VERSION", "4.3.1")
        .output()
        .expect("there is a shell");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().last(), Some("17"), "{output:?}");
}

#[test]
fn command_lines_of_every_form_are_read() {
    let mock = Mock::new();
    for args in [
        &[
            "--root",
            "X",
            "--log-level=error",
            "create",
            "--name=a",
            "--rm",
            FIXTURE,
            "serve",
            "80",
        ][..],
        &[
            "create", "--label", "ä=ö ü", "--name", "b", "--", FIXTURE, "--help",
        ],
        &["container", "stop", "-it5", "a", "nosuch"],
        &["ps", "-aqa", "--all", "--all=false", "-a=true"],
        &["inspect", "--", "a"],
    ] {
        mock.ok(args);
    }
    assert!(mock.ok(&["inspect", "b"]).contains("ö ü"));
    for (args, code, words) in [
        (&["stop", ""][..], 125, "name or ID cannot be empty"),
        (&["create", "--name", "ä", FIXTURE], 125, "names must match"),
        (
            &["start", "日本"],
            125,
            "no container with name or ID \"日本\" found",
        ),
        (
            &["ps", "--bogus"],
            125,
            "unknown flag: --bogus\nSee 'podman ps --help'",
        ),
        (&["stop", "-t", "abc", "a"], 125, "strconv.ParseInt"),
        (
            &["create", "--gpus", "all", FIXTURE],
            125,
            "mock_podman does not implement the flag `--gpus` of `podman create`",
        ),
        (
            &["farm", "list"],
            125,
            "mock_podman does not implement `podman farm list`",
        ),
        (&["mock", "dance"], 125, "unrecognized subcommand 'dance'"),
        (
            &["mock", "registry", "x", "maybe"],
            125,
            "`maybe` is no answer of a registry",
        ),
    ] {
        let (seen, stderr) = mock.fails(args);
        assert_eq!(seen, code, "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
    }
    assert!(mock.ok(&["mock", "--help"]).contains("kill-monitor"));
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let mock = Mock::new();
    mock.ok(&["--version"]);
    let other = mock
        .command(&["--version"])
        .env("MOCK_PODMAN_VERSION", "4.3.1")
        .output()
        .expect("it starts");
    assert_eq!(other.status.code(), Some(125));
    assert!(
        String::from_utf8_lossy(&other.stderr).contains("is 5.4.2"),
        "{other:?}"
    );
    let state = mock.state().join("state");
    let whole = std::fs::read(&state).expect("it is there");
    for bad in [
        &b"garbage"[..],
        &[],
        &whole[..whole.len() - 3],
        &[&whole[..], b"x"].concat(),
    ] {
        std::fs::write(&state, bad).expect("it can be written");
        let (code, stderr) = mock.fails(&["container", "exists", "a"]);
        assert_eq!(code, 125, "{stderr}");
        assert!(stderr.contains(&state.display().to_string()), "{stderr}");
        assert!(stderr.contains("begin anew"), "{stderr}");
        assert_eq!(
            std::fs::read(&state).expect("it is there"),
            bad,
            "it is left alone"
        );
    }
    std::fs::write(&state, whole).expect("it can be written");
    assert_eq!(
        mock.run(&["container", "exists", "a"]).status.code(),
        Some(1)
    );
}

#[test]
fn ten_thousand_containers_are_no_trouble() {
    let mock = Mock::new();
    mock.ok(&["mock", "add-containers", "10000"]);
    mock.ok(&["create", "--name", "one", FIXTURE, "serve", "80"]);
    assert_eq!(mock.names().len(), 10_001);
    mock.ok(&["rm", "bulk-5000"]);
    assert_eq!(
        mock.run(&["container", "exists", "bulk-5000"])
            .status
            .code(),
        Some(1)
    );
    assert_eq!(mock.names().len(), 10_000);
}

/// Each of so many clients makes its containers and volumes, one process after the other.
fn write_at_once(clients: usize, each: usize) {
    let mock = Mock::new();
    std::thread::scope(|scope| {
        for client in 0..clients {
            let mock = &mock;
            scope.spawn(move || {
                for number in 0..each {
                    let name = format!("c{client}-{number}");
                    mock.ok(&["create", "--name", &name, FIXTURE, "serve", "80"]);
                    mock.ok(&["volume", "create", &name]);
                }
            });
        }
    });
    let expected: BTreeSet<String> = (0..clients)
        .flat_map(|client| (0..each).map(move |number| format!("c{client}-{number}")))
        .collect();
    assert_eq!(mock.names(), expected);
    let volumes = mock.ok(&["volume", "ls", "-q"]);
    assert_eq!(
        volumes.lines().map(str::to_owned).collect::<BTreeSet<_>>(),
        expected
    );
    let ids = mock.ok(&["ps", "-aq", "--no-trunc"]);
    assert_eq!(
        ids.lines().collect::<BTreeSet<_>>().len(),
        expected.len(),
        "ids are unique"
    );
    let log: serde_json::Value = serde_json::from_str(&mock.ok(&["mock", "state"])).expect("JSON");
    let events = log["log"].as_array().expect("a list");
    let made = |event: &&serde_json::Value| event["Event"]["news"]["status"] == "create";
    assert_eq!(
        events.iter().filter(made).count(),
        expected.len(),
        "of events"
    );
}

#[test]
fn two_processes_at_once_lose_nothing() {
    write_at_once(2, 12);
}

#[test]
fn eight_processes_at_once_lose_nothing() {
    write_at_once(8, 4);
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_said_to_be_done() {
    let mock = Mock::new();
    // So many that writing takes a while.
    mock.ok(&["mock", "add-containers", "1000"]);
    let number = |name: &str| {
        let metadata = std::fs::metadata(mock.state().join(name));
        metadata
            .ok()
            .map(|file| std::os::unix::fs::MetadataExt::ino(&file))
    };
    let mut said = BTreeSet::new();
    for round in 0..15 {
        let name = format!("c{round}");
        let before = number("state");
        let start = Instant::now();
        let mut child = mock.spawn(&["run", "-d", "--name", &name, FIXTURE, "serve", "80"]);
        // When it begins to write, when the new state is there, and at other moments.
        let is_time = || match round % 3 {
            0 => number("state.new").is_some(),
            1 => number("state") != before,
            _ => start.elapsed() > Duration::from_millis(round * 7),
        };
        while !is_time() && child.try_wait().expect("it is ours").is_none() {}
        child.kill().expect("it is ours");
        let output = child.wait_with_output().expect("it ends");
        if !output.stdout.is_empty() {
            said.insert(name);
        }
    }
    let names = mock.names();
    assert!(said.is_subset(&names), "{said:?} {names:?}");
    assert!(
        names
            .iter()
            .filter(|name| name.starts_with("bulk-"))
            .count()
            == 1000
    );
    let events: serde_json::Value =
        serde_json::from_str(&mock.ok(&["mock", "state"])).expect("whole JSON");
    let events = events["log"].as_array().expect("a list");
    let of_containers: Vec<_> = events
        .iter()
        .filter_map(|event| event.get("Event"))
        .collect();
    assert!(!of_containers.is_empty());
    for event in of_containers {
        assert!(
            event["id"].as_str().is_some_and(|id| id.len() == 64),
            "{event}"
        );
    }
}

#[test]
fn a_client_that_is_killed_in_a_stop_leaves_stopping_and_in_a_pull_nothing() {
    let mock = Mock::new();
    mock.ok(&["run", "-d", "--name", "a", FIXTURE, "ignore-term"]);
    let mut stop = mock.spawn(&["stop", "-t", "3600", "a"]);
    mock.until("a", "stopping");
    stop.kill().expect("it is ours");
    stop.wait().expect("it ends");
    mock.ok(&["mock", "advance", "7200"]);
    assert_eq!(mock.state_of("a"), "stopping");
    let (code, stderr) = mock.fails(&["start", "a"]);
    assert_eq!(code, 125);
    assert!(
        stderr.contains("must be in Created or Stopped state"),
        "{stderr}"
    );
    mock.ok(&["rm", "-f", "-t", "0", "a"]);
    mock.ok(&["mock", "registry", "localhost:5001", "hangs"]);
    let mut pull = mock.spawn(&["pull", "localhost:5001/app:1"]);
    let stderr = pull.stderr.take().expect("it is ours");
    let mut line = String::new();
    BufReader::new(stderr).read_line(&mut line).expect("a line");
    assert_eq!(line, "Trying to pull localhost:5001/app:1...\n");
    pull.kill().expect("it is ours");
    pull.wait().expect("it ends");
    assert_eq!(
        mock.run(&["image", "exists", "localhost:5001/app:1"])
            .status
            .code(),
        Some(1)
    );
    mock.ok(&["mock", "registry", "localhost:5001", "up"]);
    mock.ok(&["pull", "localhost:5001/app:1"]);
}

#[test]
fn who_waits_sees_what_others_do() {
    let mock = Mock::new();
    mock.ok(&["run", "-d", "--name", "a", FIXTURE, "serve", "80"]);
    let wait = mock.spawn(&["wait", "a"]);
    mock.ok(&["exec", "a", "/fixture", "poke", "exit", "3"]);
    let output = wait.wait_with_output().expect("it ends");
    assert_eq!(output.stdout, b"3\n");
    mock.ok(&["run", "-d", "--name", "b", FIXTURE, "ignore-term"]);
    let stop = mock.spawn(&["stop", "-t", "3600", "b"]);
    mock.until("b", "stopping");
    mock.ok(&["mock", "advance", "3600"]);
    let output = stop
        .wait_with_output()
        .expect("it ends when its time is over");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("resorting to SIGKILL"));
}

#[test]
fn events_arrive_from_other_processes_until_a_signal() {
    let mock = Mock::new();
    let mut events = mock.spawn(&["events", "--format", "json", "--filter", "event=create"]);
    let stdout = events.stdout.take().expect("it is ours");
    let (lines, received) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let start = Instant::now();
    // Nobody says when it has begun to listen.
    let first = (0..)
        .find_map(|number| {
            assert!(start.elapsed() < LIMIT, "no event arrives");
            mock.ok(&[
                "create",
                "--name",
                &format!("c{number}"),
                FIXTURE,
                "serve",
                "80",
            ]);
            received.recv_timeout(Duration::from_millis(50)).ok()
        })
        .expect("one arrives");
    let event: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(event["Status"], "create");
    let pid = rustix::process::Pid::from_child(&events);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(events.wait().expect("it ends").code(), Some(1));
    reader.join().expect("it ends");
}

#[test]
fn what_happens_from_outside() {
    let mock = Mock::new();
    mock.ok(&[
        "run",
        "-d",
        "--name",
        "a",
        "--restart=always",
        FIXTURE,
        "serve",
        "80",
    ]);
    mock.ok(&["mock", "kill-process", "a"]);
    let start = Instant::now();
    while !mock.ok(&["inspect", "a"]).contains("\"RestartCount\": 1") {
        assert!(start.elapsed() < LIMIT, "podman's policy does not apply");
    }
    mock.ok(&["mock", "kill-monitor", "a"]);
    assert_eq!(mock.state_of("a"), "running");
    let (code, stderr) = mock.fails(&["stop", "-t", "1", "a"]);
    assert_eq!(code, 125);
    assert!(stderr.contains("conmon exited prematurely"), "{stderr}");
    mock.ok(&["start", "a"]);
    mock.ok(&["mock", "reboot"]);
    assert_eq!(mock.state_of("a"), "exited");
    mock.ok(&["mock", "take-port", "8081"]);
    let run = [
        "run",
        "-d",
        "--name",
        "b",
        "-p",
        "127.0.0.1:8081:80",
        FIXTURE,
        "serve",
        "80",
    ];
    let (code, stderr) = mock.fails(&run);
    assert_eq!(code, 126);
    assert!(stderr.contains("address already in use"), "{stderr}");
    mock.ok(&["mock", "free-port", "8081"]);
    mock.ok(&["start", "b"]);
    mock.ok(&["mock", "behave", "registry.example/x:1", "exit 9 after 1h"]);
    mock.ok(&["run", "-d", "--name", "c", "registry.example/x:1"]);
    mock.ok(&["mock", "advance", "3700"]);
    assert_eq!(mock.ok(&["wait", "c"]), "9\n");
    mock.ok(&["mock", "fault", "ps", "fail 125 no luck", "--times", "1"]);
    assert_eq!(mock.fails(&["ps"]), (125, "Error: no luck\n".to_owned()));
    mock.ok(&["ps", "-q"]);
    mock.ok(&["mock", "fault", "create", "kill after", "--name", "d"]);
    let output = mock.run(&["create", "--name", "d", FIXTURE, "serve", "80"]);
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&output.status),
        Some(9)
    );
    mock.ok(&["container", "exists", "d"]);
}
