//! The `archipelago` binary: processes on loopback, no podman, no root. What it prints and how it ends.

mod daemon;
mod operations;
mod stand_in;
mod unit;

use archipelago::cli::exit_code;
use rustix::process::Signal;

use daemon::{Daemon, Ended, Mock, archipelago};

pub(crate) fn code(code: u8) -> Option<i32> {
    Some(code.into())
}

#[test]
fn on_the_mock_everything_works_and_nothing_is_left() {
    let mut mock = Mock::start();
    let installed = mock.run(&["rpc", "package.install", r#"{"id":"filebrowser"}"#]);
    assert_eq!(installed.json()["state"], "running", "{installed:?}");
    let table = mock.run(&["status"]).good();
    let line = table.lines().nth(1).expect("a line");
    assert!(
        line.starts_with("filebrowser  running"),
        "no line of the package: {table}"
    );
    assert!(!table.contains('\u{1b}'), "coloured in a pipe: {table:?}");
    let detail = mock.run(&["status", "filebrowser"]).good();
    assert!(detail.contains("CONTAINER"), "{detail}");
    let json = mock.run(&["status", "--json"]).json();
    assert_eq!(json["health"]["status"], "ok", "{json:#}");
    assert_eq!(json["packages"][0]["id"], "filebrowser", "{json:#}");
    mock.daemon.signal(Signal::INT);
    assert_eq!(mock.daemon.ended(), Some(0));
    let left: Vec<_> = std::fs::read_dir(mock.folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["archipelago.toml"], "it left files behind");
}

#[test]
fn errors_have_their_codes_and_say_what_to_do() {
    let mock = Mock::start();
    let unknown = mock.run(&["rpc", "package.install", r#"{"id":"filebrowsr"}"#]);
    assert_eq!(unknown.code, code(exit_code::CALL_FAILED), "{unknown:?}");
    assert!(
        unknown.stderr.contains("did you mean `filebrowser`"),
        "{unknown:?}"
    );
    assert_eq!(
        unknown.json()["data"]["kind"],
        "unknown package",
        "{unknown:?}"
    );
    let absent = mock.run(&["status", "filebrowser"]);
    assert_eq!(absent.code, code(exit_code::CALL_FAILED), "{absent:?}");
    let no_json = mock.run(&["rpc", "package.list", "{"]);
    assert_eq!(no_json.code, code(exit_code::USAGE), "{no_json:?}");
    let wrong = Ended::of(
        mock.command(&["status"])
            .env("ARCHIPELAGO_TOKEN", "wrong")
            .output()
            .expect("it runs"),
    );
    assert_eq!(wrong.code, code(exit_code::NO_PERMISSION), "{wrong:?}");
    assert!(!wrong.stderr.contains(&mock.token), "{wrong:?}");
}

#[test]
fn without_a_daemon_the_way_to_one_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |variables: &[(&str, &str)]| {
        let mut command = archipelago(folder.path());
        command.arg("status").envs(variables.iter().copied());
        Ended::of(command.output().expect("it runs"))
    };
    // Port 1 (tcpmux) is nobody's: binding it needs root, and nothing serves it.
    let nobody = run(&[
        ("ARCHIPELAGO_LISTEN", "127.0.0.1:1"),
        ("ARCHIPELAGO_TOKEN", "x"),
    ]);
    assert_eq!(nobody.code, code(exit_code::UNREACHABLE), "{nobody:?}");
    assert!(
        nobody.stderr.contains("systemctl start archipelago"),
        "{nobody:?}"
    );
    let state = folder.path().join("state");
    let state = state.to_str().expect("text");
    let no_token = run(&[("ARCHIPELAGO_STATE_DIR", state)]);
    assert_eq!(
        no_token.code,
        code(exit_code::NO_PERMISSION),
        "{no_token:?}"
    );
    let bad = run(&[("ARCHIPELAGO_LISTN", "x")]);
    assert_eq!(bad.code, code(exit_code::CONFIG), "{bad:?}");
    assert!(bad.stderr.contains("ARCHIPELAGO_LISTEN"), "{bad:?}");
}

#[test]
fn a_second_daemon_refuses_and_names_the_pid_of_the_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serve = || {
        let mut command = archipelago(folder.path());
        command
            .args(["serve", "--engine", "mock"])
            .env("ARCHIPELAGO_STATE_DIR", folder.path().join("state"));
        command
    };
    let mut first = Daemon::spawn(&mut serve());
    first.told("http://");
    let second = Ended::of(serve().output().expect("it runs"));
    assert_eq!(second.code, code(exit_code::ALREADY_RUNNING), "{second:?}");
    let pid = format!("pid {}", first.pid());
    assert!(second.stderr.contains(&pid), "not {pid}: {second:?}");
    first.signal(Signal::TERM);
    assert_eq!(first.ended(), Some(0));
    let mut third = Daemon::spawn(&mut serve());
    third.told("its state stays");
}

/// A podman with nothing in it.
const EMPTY_PODMAN: &str = r#"#!/bin/sh
case " $* " in
*" version "*) echo '{"Client":{"Version":"5.4.2"}}' ;;
*) echo '[]' ;;
esac
"#;

#[test]
fn without_podman_the_daemon_lives_says_so_and_recovers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let programs = folder.path().join("bin");
    std::fs::create_dir(&programs).expect("a folder");
    let state = folder.path().join("state");
    let mut daemon = Daemon::spawn(
        archipelago(folder.path())
            .arg("serve")
            // Nothing but the one folder: whatever podman this machine has is not found.
            .env("PATH", &programs)
            .env("ARCHIPELAGO_STATE_DIR", &state),
    );
    let address = daemon.logged("ready listen=");
    let address = address.split(' ').next().expect("an address");
    let run = |arguments: &[&str]| {
        let mut command = archipelago(folder.path());
        command
            .args(arguments)
            .env("ARCHIPELAGO_LISTEN", address)
            .env("ARCHIPELAGO_STATE_DIR", &state);
        Ended::of(command.output().expect("it runs"))
    };
    daemon.logged("podman cannot be asked");
    let health = run(&["rpc", "system.health"]).json();
    let error = health["podman_error"].as_str().unwrap_or_default();
    assert!(error.contains("install it"), "{health:#}");
    let status = run(&["status"]);
    assert_eq!(status.code, code(exit_code::CALL_FAILED), "{status:?}");
    assert!(
        status.stdout.starts_with("podman cannot be asked: "),
        "{status:?}"
    );
    write_program(&programs.join("podman"), EMPTY_PODMAN);
    daemon.signal(Signal::USR1);
    let deadline = std::time::Instant::now() + daemon::DEADLINE;
    loop {
        let health = run(&["rpc", "system.health"]).json();
        if health["status"] == "ok" {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "podman is there, and the daemon still says {health:#}"
        );
    }
    let table = run(&["status"]).good();
    assert!(table.starts_with("no package is installed"), "{table}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
}

fn write_program(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let part = path.with_extension("part");
    std::fs::write(&part, text).expect("written");
    std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o755)).expect("executable");
    // At once: the daemon must not find half of it.
    std::fs::rename(part, path).expect("renamed");
}

#[test]
fn help_names_every_exit_code_and_completions_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str]| {
        Ended::of(
            archipelago(folder.path())
                .args(arguments)
                .output()
                .expect("it runs"),
        )
        .good()
    };
    let help = run(&["--help"]);
    for (code, meaning) in exit_code::ALL {
        assert!(help.contains(&format!("{code}  {meaning}")), "{help}");
    }
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"install"), "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command), "{shell}: no {command}");
        }
    }
    assert!(run(&["version"]).starts_with("archipelago "));
}
