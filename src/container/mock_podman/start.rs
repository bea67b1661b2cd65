//! `start`, and what keeps a container from starting.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::app::App;
use super::args::{Order, switch};
use super::container::{Container, Port};
use super::profile::Profile;
use super::reply::{Answer, Refused, Reply, not_implemented};
use super::state::State;
use super::{MockPodman, given, read};
use crate::container::status::ContainerState;

/// A start that failed.
pub(super) struct StartFailed {
    /// The exit code of `run`.
    pub(super) run_code: i32,
    pub(super) text: String,
}

/// What `podman start` takes (measured, one container): starts one after the other have different start times.
pub(super) const START_TAKES: Duration = Duration::from_millis(150);

/// `podman start`.
pub(super) async fn start(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [switch("attach", Some('a')), switch("all", None)];
    let parsed = read("start", args, &flags, Order::Mixed)?;
    if parsed.has("all") {
        let all_run = mock.with(|state, _| {
            let all_run = state
                .containers
                .iter()
                .all(|container| container.state == ContainerState::Running);
            if all_run {
                for container in &mut state.containers {
                    // podman 4.3 shows no error.
                    container.error = format!("container {}: container is running", container.id);
                }
            }
            all_run
        });
        return if all_run {
            Ok(Reply::silent())
        } else {
            Err(not_implemented(
                "`podman start --all` where not all containers run",
            ))
        };
    }
    if parsed.has("attach") {
        let name = super::one_operand("start --attach", &parsed)?;
        let id = mock.with(|state, _| {
            let index = state.index_or_refuse(&name)?;
            Ok::<_, Refused>(state.containers[index].id.clone())
        })?;
        if let Err(failed) = mock.with(|state, now| start_attached(state, now, &id)) {
            return Ok(failed_to_start(&id, &failed));
        }
        return attach(mock, &id).await;
    }
    mock.with(|state, now| {
        for name in &parsed.operands {
            state.index_or_refuse(name)?;
        }
        let mut reply = Reply::silent();
        for name in &parsed.operands {
            let was_running = state
                .find(name)
                .is_some_and(|container| container.state == ContainerState::Running);
            if let Err(failed) = start_one(state, now, name) {
                let id = state.find(name).map_or("", |container| &container.id);
                let failed = failed_to_start(id, &failed);
                reply.code = failed.code;
                reply.stderr.push_str(&failed.stderr);
            } else if !was_running || Profile::of(state.version).prints_the_name_of_a_running_one()
            {
                reply.stdout.push_str(name);
                reply.stdout.push('\n');
            }
        }
        Ok(reply)
    })
}

fn failed_to_start(id: &str, failed: &StartFailed) -> Reply {
    Reply {
        code: 125,
        stderr: format!(
            "Error: unable to start container \"{id}\": {}\n",
            failed.text
        ),
        stdout: String::new(),
    }
}

/// Starts a container that exists, for somebody who [`attach`]es to it.
pub(super) fn start_attached(
    state: &mut State,
    now: DateTime<Utc>,
    id: &str,
) -> Result<(), StartFailed> {
    start_one(state, now, id)?;
    if let Some(container) = state.find_mut(id) {
        container.tell("attach");
    }
    Ok(())
}

/// Waits for the end of a container that has just been started, and gives what it wrote and its exit code.
pub(super) async fn attach(mock: &MockPodman, id: &str) -> Answer {
    let before = mock.with(|state, _| {
        let started = state.find(id).and_then(|container| container.started_at);
        let logs = state.find(id).map_or(&[][..], |container| &container.logs);
        // A start writes its first words before this is asked.
        logs.iter()
            .take_while(|(at, _)| Some(*at) < started)
            .count()
    });
    let mut seen = Reply::silent();
    mock.wait_for(None, |state| match state.find(id) {
        None => Some(()),
        Some(container) => {
            seen = written(container, before);
            // Who is attached to it tidies up after it, and only then comes back.
            (container.state == ContainerState::Exited && !container.auto_remove).then_some(())
        }
    })
    .await?;
    Ok(seen)
}

fn written(container: &Container, before: usize) -> Reply {
    let mut reply = Reply {
        code: container.exit_code,
        ..Reply::default()
    };
    for (_, line) in container.logs.iter().skip(before) {
        let stream = if line.is_error {
            &mut reply.stderr
        } else {
            &mut reply.stdout
        };
        stream.push_str(&line.text);
        stream.push('\n');
    }
    reply
}

/// Starts a container that exists.
pub(super) fn start_one(
    state: &mut State,
    now: DateTime<Utc>,
    name: &str,
) -> Result<(), StartFailed> {
    let Some(index) = state.index(name) else {
        return Ok(());
    };
    let profile = Profile::of(state.version);
    let container = &mut state.containers[index];
    match container.state {
        // As far as podman knows it runs: nothing to do, also when its process is long gone.
        ContainerState::Running => {
            if profile.says_why_it_ended() {
                container.error = format!("container {}: container is running", container.id);
            }
            return Ok(());
        }
        ContainerState::Paused | ContainerState::Stopping | ContainerState::Removing => {
            let text = format!(
                "container {} must be in Created or Stopped state to be started: container state improper",
                container.id
            );
            container.error.clone_from(&text);
            return Err(StartFailed {
                run_code: 125,
                text,
            });
        }
        ContainerState::Created
        | ContainerState::Initialized
        | ContainerState::Stopped
        | ContainerState::Exited
        | ContainerState::Unknown(_) => {}
    }
    let obstacle = obstacle(state, index, profile).or_else(|| {
        given::renew(state, index).map(|failed| Obstacle {
            failed,
            at: Stage::Files,
        })
    });
    let pid = state.new_pid();
    let container = &mut state.containers[index];
    let again = container.has_spec;
    match obstacle {
        Some(Obstacle { failed, at }) => {
            let is_mounted = at >= Stage::Files;
            container.has_run_files |= at >= Stage::Files;
            container.has_spec |= at >= Stage::Spec;
            container.error.clone_from(&failed.text);
            if is_mounted {
                settle_owners(state, index, again);
            }
            Err(failed)
        }
        None => {
            container.begin(now, pid);
            container.restart_count = 0;
            settle_owners(state, index, again);
            Ok(())
        }
    }
}

/// podman gives a volume to the user of the container that mounts it: podman 4.3 once, podman 5 until something is in it,
/// or a container mounts it again, whose root has the folder by then. `again`: this container was started before.
pub(super) fn settle_owners(state: &mut State, index: usize, again: bool) {
    let is_4 = state.is_4();
    let State {
        containers,
        volumes,
        ..
    } = state;
    let container = &containers[index];
    let user = container.options.user.split(':').next();
    let user = user.and_then(|user| user.parse().ok()).unwrap_or(0);
    for mount in &container.mounts {
        if let Some(volume) = volumes.get_mut(&mount.volume)
            && !volume.keeps_owner
        {
            volume.keeps_owner = is_4 || again || !volume.files.is_empty();
            if volume.files.is_empty() {
                volume.owner = user;
            }
        }
    }
}

/// How far podman has come with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nothing,
    /// `resolv.conf` and such.
    Files,
    /// The file for the runtime.
    Spec,
}

/// What keeps a container from starting, and what is there when it does.
struct Obstacle {
    failed: StartFailed,
    at: Stage,
}

fn obstacle(state: &mut State, index: usize, profile: &Profile) -> Option<Obstacle> {
    let name = &state.containers[index].name;
    if let Some(times) = state.faults.start.get_mut(name).filter(|times| **times > 0) {
        *times -= 1;
        let text = "crun: mock_podman was told to fail this start: OCI runtime error";
        return Some(Obstacle::new(126, text.to_owned(), Stage::Spec));
    }
    let container = &state.containers[index];
    let port = || port_taken(state, container, profile);
    let rest = || {
        address_taken(state, container)
            .or_else(|| bad_user(container, profile))
            .or_else(|| no_workdir(container))
    };
    if profile.tries_ports_first() {
        port()
            .or_else(rest)
            .or_else(|| no_program(container, profile))
    } else {
        rest()
            .or_else(port)
            .or_else(|| no_program(container, profile))
    }
}

impl Obstacle {
    fn new(run_code: i32, text: String, at: Stage) -> Self {
        Self {
            failed: StartFailed { run_code, text },
            at,
        }
    }
}

fn port_taken(state: &State, container: &Container, profile: &Profile) -> Option<Obstacle> {
    let is_taken = |port: &Port| {
        let by_other = state.containers.iter().any(|other| {
            other.pid != 0
                && other.id != container.id
                && other.ports.iter().any(|theirs| {
                    theirs.host == port.host
                        && theirs.protocol == port.protocol
                        && (theirs.host_ip == port.host_ip
                            || is_any(&theirs.host_ip)
                            || is_any(&port.host_ip))
                })
        });
        by_other || state.faults.ports.contains(&port.host)
    };
    let port = container.ports.iter().find(|port| is_taken(port))?;
    let protocol = &port.protocol;
    let text = format!(
        "cannot listen on the {} port: listen {protocol}4 {}:{}: bind: address already in use",
        protocol.to_uppercase(),
        port.host_ip,
        port.host
    );
    let at = if profile.tries_ports_first() {
        Stage::Nothing
    } else {
        Stage::Spec
    };
    Some(Obstacle::new(126, text, at))
}

fn is_any(ip: &str) -> bool {
    matches!(ip, "" | "0.0.0.0" | "::")
}

fn address_taken(state: &State, container: &Container) -> Option<Obstacle> {
    let ip = container.options.ip.as_ref()?;
    let owner = state.containers.iter().find(|other| {
        other.pid != 0
            && other.id != container.id
            && other.network == container.network
            && other.options.ip.as_ref() == Some(ip)
    })?;
    let text = format!(
        "IPAM error: requested ip address {ip} is already allocated to container ID {}",
        owner.id
    );
    Some(Obstacle::new(126, text, Stage::Nothing))
}

/// Images have no user but root, as the fixture's.
fn bad_user(container: &Container, profile: &Profile) -> Option<Obstacle> {
    let user = container.options.user.split(':').next()?;
    let is_known = user.is_empty() || user == "root" || user.parse::<u32>().is_ok();
    (!is_known).then(|| {
        let text = format!("unable to find user {user}: no matching entries in passwd file");
        let at = if profile.writes_files_before_it_looks_for_the_user() {
            Stage::Files
        } else {
            Stage::Nothing
        };
        Obstacle::new(126, text, at)
    })
}

/// Images have no folder but `/`, as the fixture's.
fn no_workdir(container: &Container) -> Option<Obstacle> {
    let workdir = container.options.workdir.as_ref()?;
    let is_there = workdir == "/" || container.mounts.iter().any(|mount| mount.path == *workdir);
    (!is_there).then(|| {
        let text = format!(
            "workdir \"{workdir}\" does not exist on container {}",
            container.id
        );
        Obstacle::new(126, text, Stage::Files)
    })
}

/// A program that is not there, is a folder, or must not be run.
fn no_program(container: &Container, profile: &Profile) -> Option<Obstacle> {
    let App::NotThere { program } = &container.app else {
        return None;
    };
    let (code, text) = why_not_run(container, program, profile);
    Some(Obstacle::new(code, format!("crun: {text}"), Stage::Spec))
}

/// Why a program cannot be run in a container, with `run`'s exit code.
pub(super) fn why_not_run(
    container: &Container,
    program: &str,
    profile: &Profile,
) -> (i32, String) {
    let is_folder = matches!(program, "/" | "/proc" | "/sys" | "/dev" | "/run");
    let mounted = container.mounts.iter().find(|mount| mount.path == *program);
    match mounted {
        Some(mount) if mount.is_bind() && is_plain_file(&mount.volume) => {
            (126, profile.text_of_a_program_without_permission(program))
        }
        Some(_) => (126, profile.text_of_a_folder_as_program(program)),
        None if is_folder => (126, profile.text_of_a_folder_as_program(program)),
        None => {
            let search = if profile.looks_for_every_program() || !program.starts_with('/') {
                " in $PATH"
            } else {
                ""
            };
            (
                127,
                format!(
                    "executable file `{program}` not found{search}: No such file or directory: OCI runtime attempted to invoke a command that was not found"
                ),
            )
        }
    }
}

/// Whether that path of the machine is a file that nobody may execute.
fn is_plain_file(path: &str) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 == 0)
}
