//! `exec`: programs beside that of a container.

use std::collections::BTreeMap;
use std::path::Path;

use super::app::{App, Line, Poke, Program};
use super::args::{Flag, Order, option, switch};
use super::container::{Container, News};
use super::given::ENVIRON;
use super::profile::Profile;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::start::why_not_run;
use super::state::State;
use super::{MockPodman, read};
use crate::container::status::ContainerState;

/// What changes nothing that can be seen of the fixture's programs is taken and does nothing.
const FLAGS: &[Flag] = &[
    switch("detach", Some('d')),
    switch("interactive", Some('i')),
    option("env", Some('e')),
];

/// What came of a program that was run.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn well(stdout: impl Into<String>) -> Self {
        Self {
            code: 0,
            stdout: stdout.into(),
            stderr: String::new(),
        }
    }

    fn badly(code: i32, stderr: impl Into<String>) -> Self {
        Self {
            code,
            stdout: String::new(),
            stderr: stderr.into(),
        }
    }
}

/// `podman exec NAME PROGRAM …`: the fixture's programs do what they do, those of other images succeed.
pub(super) async fn exec(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("exec", args, FLAGS, Order::FlagsFirst)?;
    let [name, words @ ..] = &parsed.operands[..] else {
        return Err(not_implemented("`podman exec` without a name"));
    };
    let memory = mock.with(|state, _| state.find(name).and_then(|container| container.memory));
    let program = match words {
        [path, words @ ..] if path == "/fixture" => Program::of(words, memory),
        _ => None,
    };
    if let Some(time) = program.as_ref().and_then(Program::takes) {
        // Refused first, where it is.
        mock.with(|state, _| runs(state, name, words, parsed.has("detach")))?;
        mock.take_time(time).await?;
    }
    mock.with(|state, now| {
        let detaches = parsed.has("detach");
        let index = runs(state, name, words, detaches)?;
        let profile = Profile::of(state.version);
        let session = state.new_id();
        let container = &mut state.containers[index];
        let is_told = state
            .faults
            .exec
            .get_mut(&container.name)
            .filter(|(times, ..)| *times > 0);
        let ran = if let Some((times, code, text)) = is_told {
            *times -= 1;
            Ran::badly(*code, format!("{text}\n"))
        } else if !container.holds_fixture {
            // Of other programs the mock knows nothing but that they can be run: they succeed, unless `fail_exec` says
            // otherwise.
            Ran::well("")
        } else {
            let path = words.first().map_or("", String::as_str);
            if path != "/fixture" {
                if profile.keeps_sessions_that_did_not_start() {
                    container.sessions.push(session);
                }
                let (code, text) = why_not_run(container, path, profile);
                return Err(refuse(code, format!("crun: {text}")));
            }
            match program {
                Some(Program::Poke(poke)) => run(state, index, poke, now),
                Some(Program::App(app)) => run_app(&app, memory),
                None => {
                    return Err(not_implemented(format!(
                        "`podman exec {name} /fixture {}`",
                        words[1..].join(" ")
                    )));
                }
            }
        };
        let container = &mut state.containers[index];
        container.tell("exec");
        container.news.push(News {
            status: "exec_died".into(),
            exit_code: Some(ran.code),
            health: None,
        });
        if detaches {
            container.sessions.push(session.clone());
            return Ok(Reply::line(session));
        }
        Ok(Reply {
            code: ran.code,
            stdout: ran.stdout,
            stderr: ran.stderr,
        })
    })
}

/// The index of a container in which something can be run.
fn runs(state: &State, name: &str, words: &[String], detaches: bool) -> Result<usize, Refused> {
    let code = if detaches { 125 } else { 255 };
    let index = state.index_or_refuse(name)?;
    let container = &state.containers[index];
    let profile = Profile::of(state.version);
    if words.is_empty() && profile.asks_for_a_program_first() {
        return Err(refuse(
            125,
            "must provide a non-empty command to start an exec session: invalid argument",
        ));
    }
    if container.state != ContainerState::Running {
        return Err(refuse(
            code,
            "can only create exec sessions on running containers: container state improper",
        ));
    }
    if words.is_empty() {
        return Err(refuse(
            code,
            "must provide a non-empty command to start an exec session: invalid argument",
        ));
    }
    if container.is_ghost {
        return Err(refuse(
            255,
            format!(
                "OCI runtime error: crun: the container `{}` is not running",
                container.id
            ),
        ));
    }
    Ok(index)
}

fn run(state: &mut State, index: usize, poke: Poke, now: chrono::DateTime<chrono::Utc>) -> Ran {
    let container = &mut state.containers[index];
    match poke {
        Poke::CheckPort(port) => match container.ill_at(port) {
            Some(why) => Ran::badly(1, why),
            None => Ran::well(""),
        },
        Poke::Check => match container.ill() {
            Some(why) => Ran::badly(1, why),
            None => Ran::well(""),
        },
        Poke::Health(_) | Poke::End(_) if container.serves_nothing().is_some() => {
            Ran::badly(1, container.serves_nothing().unwrap_or_default())
        }
        Poke::Health(is_good) => {
            container.set_health(is_good);
            let word = if is_good { "healthy" } else { "unhealthy" };
            let line = Line::out(format!("{word}: poked"));
            container.logs.push((now, line));
            Ran::well("")
        }
        Poke::End(ending) => {
            container.will_end(now, ending);
            Ran::well("")
        }
        Poke::Write { path, .. } if !has_folder_of(container, &path) => Ran::badly(
            1,
            format!("fixture: cannot write `{path}`: No such file or directory (os error 2)\n"),
        ),
        Poke::Write { path, text } => {
            files(state, index, &path).insert(path, text);
            Ran::well("")
        }
        Poke::Cat { path } if path == ENVIRON => Ran::well(container.environ()),
        Poke::Cat { path } if container.secret_files.contains_key(&path) => {
            Ran::well(container.secret_files[&path].clone())
        }
        Poke::Cat { path } => match files(state, index, &path).get(&path) {
            Some(text) => Ran::well(text.clone()),
            None => Ran::badly(
                1,
                format!("fixture: cannot print `{path}`: No such file or directory (os error 2)\n"),
            ),
        },
    }
}

/// Whether a file of that path can be made: images have the folders that the fixture's has.
fn has_folder_of(container: &Container, path: &str) -> bool {
    let parent = Path::new(path).parent().unwrap_or(Path::new("/"));
    let there = ["/", "/dev", "/etc", "/proc", "/run", "/sys", "/tmp"].map(Path::new);
    there.contains(&parent)
        || container
            .mounts
            .iter()
            .any(|mount| parent.starts_with(&mount.path))
}

/// An app of the fixture beside the container's own, to its end.
fn run_app(app: &App, memory: Option<u64>) -> Ran {
    let mut ran = Ran::well("");
    let ending = app.own_end(memory);
    let last = ending.iter().flat_map(|ending| &ending.last_words);
    for line in app.first_words().iter().chain(last) {
        let stream = if line.is_error {
            &mut ran.stderr
        } else {
            &mut ran.stdout
        };
        stream.push_str(&line.text);
        stream.push('\n');
    }
    ran.code = ending.map_or(0, |ending| ending.code);
    ran
}

/// The files, by their path in the container, among which `path` belongs: those of the volume that is mounted
/// above it, else the container's own. A volume is taken to be mounted at the same path everywhere.
fn files<'a>(state: &'a mut State, index: usize, path: &str) -> &'a mut BTreeMap<String, String> {
    let State {
        containers,
        volumes,
        ..
    } = state;
    let container: &'a mut Container = &mut containers[index];
    let volume = container
        .mounts
        .iter()
        .filter(|mount| Path::new(path).starts_with(&mount.path))
        .max_by_key(|mount| mount.path.len())
        .and_then(|mount| volumes.get_mut(&mount.volume));
    match volume {
        Some(volume) => &mut volume.files,
        None => &mut container.files,
    }
}
