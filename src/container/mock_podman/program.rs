//! `mock-podman`: the program that answers podman's command lines, its state in a folder.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::SecondsFormat;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::folder::{FolderError, Log};
use super::reply::{Refused, Reply};
use super::store::Store;
use super::{MockPodman, verbs};
use crate::container::podman::{NotAVersion, PodmanVersion};
use crate::container::runtime::{OutputLine, OutputStream};

/// The folder with the state.
const DIR: &str = "MOCK_PODMAN_DIR";
/// The version of podman that a new folder begins with.
const VERSION: &str = "MOCK_PODMAN_VERSION";
/// podman's exit code for its own failures.
const FAILED: i32 = 125;
/// The exit code of a process that SIGKILL ended, as a shell has it.
const KILLED: i32 = 137;

/// What the program needs from around it.
#[derive(Debug, thiserror::Error)]
enum SetUpError {
    #[error("{VERSION}: {0}")]
    Version(#[from] NotAVersion),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("mock-podman cannot start: {0}")]
    Runtime(#[from] io::Error),
}

/// Answers the command line of this process: podman's, or `mock VERB …`.
pub fn main() -> ExitCode {
    let args: Vec<String> = env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let code = run(&args).unwrap_or_else(|error| {
        say(&mut io::stderr(), &format!("Error: {error}\n"));
        FAILED
    });
    // An exit code is a byte.
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}

fn run(args: &[&str]) -> Result<i32, SetUpError> {
    let path = folder();
    let version = match env::var(VERSION) {
        Ok(text) if !text.is_empty() => Some(text.parse::<PodmanVersion>()?),
        Ok(_) | Err(_) => None,
    };
    let open = |log| open(&path, version, log);
    if let ["mock", rest @ ..] = args {
        return Ok(verbs::run(rest, &open)?);
    }
    let reads_log = args.contains(&"events");
    let mock = open(if reads_log { Log::Read } else { Log::Appended })?;
    let Store::Folder(folder) = &mock.shared.store else {
        return Ok(FAILED);
    };
    let call = json!({
        "at": mock.now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "args": args,
    });
    folder.note(&format!("{call}\n"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(answer(&mock, args));
    match folder.trouble() {
        Some(error) => Err(error.into()),
        None => Ok(code),
    }
}

async fn answer(mock: &MockPodman, args: &[&str]) -> i32 {
    let mut on_line = |OutputLine { stream, text }| print(stream, &format!("{text}\n"));
    let answer = mock.answer(args, &mut on_line);
    let answer = if args.contains(&"events") {
        // podman 4.3 takes SIGTERM for an end like any other.
        let code = i32::from(!mock.with(|state, _| state.is_4()));
        tokio::select! {
            answer = answer => answer,
            () = ended_by_signal() => return code,
        }
    } else {
        answer.await
    };
    match answer {
        Ok(reply) | Err(Refused::ByPodman(reply)) => {
            let is_lost = mock.shared.store.is_lost();
            if !is_lost {
                print_reply(&reply);
            }
            reply.code
        }
        Err(Refused::NotImplemented(text)) => {
            print(OutputStream::Stderr, &format!("{text}\n"));
            FAILED
        }
        Err(Refused::Killed) => {
            // Then it ends as a client ends that somebody kills.
            let _ = kill_process(getpid(), Signal::KILL);
            KILLED
        }
        Err(Refused::PowerLost) => KILLED,
    }
}

async fn ended_by_signal() {
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Then a signal ends the process as it ends others.
        _ => std::future::pending().await,
    }
}

fn open(path: &Path, version: Option<PodmanVersion>, log: Log) -> Result<MockPodman, FolderError> {
    MockPodman::in_folder(path, version, log)
}

fn folder() -> PathBuf {
    let given = |name| env::var_os(name).filter(|path| !path.is_empty());
    if let Some(path) = given(DIR) {
        return path.into();
    }
    match given("XDG_RUNTIME_DIR") {
        Some(path) => Path::new(&path).join("mock-podman"),
        None => env::temp_dir().join(format!(
            "mock-podman-{}",
            rustix::process::geteuid().as_raw()
        )),
    }
}

fn print_reply(reply: &Reply) {
    for (stream, text) in [
        (OutputStream::Stdout, &reply.stdout),
        (OutputStream::Stderr, &reply.stderr),
    ] {
        print(stream, text);
    }
}

/// Prints now; where nobody reads any more, the program ends.
pub(super) fn print(stream: OutputStream, text: &str) {
    match stream {
        OutputStream::Stdout => say(&mut io::stdout().lock(), text),
        OutputStream::Stderr => say(&mut io::stderr().lock(), text),
    }
}

fn say(to: &mut dyn Write, text: &str) {
    if to
        .write_all(text.as_bytes())
        .and_then(|()| to.flush())
        .is_err()
    {
        std::process::exit(FAILED);
    }
}
