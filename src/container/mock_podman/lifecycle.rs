//! `start`, `kill`, `restart`, `pause`, `unpause`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::app::App;
use super::args::{Order, option};
use super::container::Event;
use super::given;
use super::reply::{Answer, Reply, not_implemented, refuse};
use super::state::State;
use super::stop::{begin_stop, finish_stop, grace};
use super::{MockPodman, read};
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
pub(super) fn start(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("start", args, &[], Order::Mixed)?;
    mock.with(|state, now| {
        for name in &parsed.operands {
            state.index_or_refuse(name)?;
        }
        let mut reply = Reply::silent();
        for name in &parsed.operands {
            let was_running = state
                .find(name)
                .is_some_and(|container| container.state == ContainerState::Running);
            start_one(state, now, name).map_err(|failed| {
                let id = state.find(name).map_or("", |container| &container.id);
                refuse(
                    125,
                    format!("unable to start container \"{id}\": {}", failed.text),
                )
            })?;
            if !(was_running && state.is_4()) {
                reply.stdout.push_str(name);
                reply.stdout.push('\n');
            }
        }
        Ok(reply)
    })
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
    match state.containers[index].state {
        // As far as podman knows it runs: nothing to do, also when its process is long gone.
        ContainerState::Running => return Ok(()),
        ContainerState::Paused | ContainerState::Stopping | ContainerState::Removing => {
            return Err(StartFailed {
                run_code: 125,
                text: format!(
                    "container {} must be in Created or Stopped state to be started: container state improper",
                    state.containers[index].id
                ),
            });
        }
        ContainerState::Created
        | ContainerState::Initialized
        | ContainerState::Stopped
        | ContainerState::Exited
        | ContainerState::Unknown(_) => {}
    }
    let obstacle = obstacle(state, index).or_else(|| given::renew(state, index));
    let keeps_error = !state.is_4();
    let pid = state.new_pid();
    let container = &mut state.containers[index];
    match obstacle {
        Some(failed) => {
            if keeps_error {
                container.error.clone_from(&failed.text);
            }
            Err(failed)
        }
        None => {
            container.begin(now, pid);
            container.restart_count = 0;
            Ok(())
        }
    }
}

/// What keeps a container from starting.
fn obstacle(state: &mut State, index: usize) -> Option<StartFailed> {
    let name = state.containers[index].name.clone();
    if let Some(times) = state
        .faults
        .start
        .get_mut(&name)
        .filter(|times| **times > 0)
    {
        *times -= 1;
        return Some(StartFailed {
            run_code: 126,
            text: "crun: mock_podman was told to fail this start: OCI runtime error".to_owned(),
        });
    }
    let container = &state.containers[index];
    let is_taken = |port: &super::container::Port| {
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
    if let Some(port) = container.ports.iter().find(|port| is_taken(port)) {
        let protocol = &port.protocol;
        return Some(StartFailed {
            run_code: 126,
            text: format!(
                "cannot listen on the {} port: listen {protocol}4 {}:{}: bind: address already in use",
                protocol.to_uppercase(),
                port.host_ip,
                port.host
            ),
        });
    }
    if let App::NotThere { program } = &container.app {
        let search = if state.is_4() || !program.starts_with('/') {
            " in $PATH"
        } else {
            ""
        };
        return Some(StartFailed {
            run_code: 127,
            text: format!(
                "crun: executable file `{program}` not found{search}: No such file or directory: OCI runtime attempted to invoke a command that was not found"
            ),
        });
    }
    None
}

fn is_any(ip: &str) -> bool {
    matches!(ip, "" | "0.0.0.0" | "::")
}

/// `podman kill`.
pub(super) fn kill(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("kill", args, &[option("signal", Some('s'))], Order::Mixed)?;
    let signal = parsed.last("signal").unwrap_or("KILL").to_owned();
    let signal = signal.strip_prefix("SIG").unwrap_or(&signal);
    mock.with(|state, now| {
        for name in &parsed.operands {
            state.index_or_refuse(name)?;
        }
        let mut reply = Reply::silent();
        for name in &parsed.operands {
            let index = state.index_or_refuse(name)?;
            let container = &mut state.containers[index];
            if container.pid == 0 || container.is_ghost {
                return Err(refuse(
                    125,
                    format!(
                        "can only kill running containers. {} is in state {}: container state improper",
                        container.id, container.state
                    ),
                ));
            }
            if container.state == ContainerState::Paused {
                return Err(not_implemented("`podman kill` of a paused container"));
            }
            match signal {
                "KILL" | "9" => {
                    container.tell("kill");
                    container.kill(now);
                }
                "TERM" | "15" => {
                    container.tell("kill");
                    container.is_stopped_on_purpose = true;
                    if let Some(ending) = container.app.on_term(container.init) {
                        container.will_end(now, ending);
                    }
                }
                other => return Err(not_implemented(format!("`podman kill --signal {other}`"))),
            }
            let is_gone = container.auto_remove && container.pid == 0;
            if is_gone {
                state.drop_container(index, true);
            }
            reply.stdout.push_str(name);
            reply.stdout.push('\n');
        }
        Ok(reply)
    })
}

/// `podman restart`: podman's own count stays.
pub(super) async fn restart(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("restart", args, &[option("time", Some('t'))], Order::Mixed)?;
    let grace = grace(&parsed)?;
    let mut reply = Reply::silent();
    for name in &parsed.operands {
        let stopping = mock.with(|state, now| begin_stop(state, now, name, grace))?;
        reply
            .stderr
            .push_str(&finish_stop(mock, name, stopping).await?);
        mock.with(|state, now| {
            start_one(state, now, name).map_err(|failed| {
                let id = state.find(name).map_or("", |container| &container.id);
                refuse(
                    125,
                    format!("unable to start container \"{id}\": {}", failed.text),
                )
            })
        })?;
        reply.stdout.push_str(name);
        reply.stdout.push('\n');
    }
    Ok(reply)
}

/// `podman pause`.
pub(super) fn pause(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("pause", args, &[], Order::Mixed)?;
    let name = super::one_operand("pause", &parsed)?;
    mock.with(|state, _| {
        let index = state.index_or_refuse(&name)?;
        let container = &mut state.containers[index];
        match container.state {
            ContainerState::Running
                if container
                    .events
                    .iter()
                    .all(|(_, event)| matches!(event, Event::Health)) =>
            {
                container.state = ContainerState::Paused;
                container.tell("pause");
                Ok(Reply::line(&name))
            }
            // Its time would have to stand still.
            ContainerState::Running => Err(not_implemented(
                "`podman pause` of a container that is about to end by itself",
            )),
            ContainerState::Paused => Err(refuse(
                125,
                format!(
                    "\"{}\" is already paused: container state improper",
                    container.id
                ),
            )),
            ContainerState::Created
            | ContainerState::Initialized
            | ContainerState::Stopping
            | ContainerState::Stopped
            | ContainerState::Exited
            | ContainerState::Removing
            | ContainerState::Unknown(_) => Err(refuse(
                125,
                format!(
                    "\"{}\" is not running, can't pause: container state improper",
                    container.state
                ),
            )),
        }
    })
}

/// `podman unpause`.
pub(super) fn unpause(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("unpause", args, &[], Order::Mixed)?;
    let name = super::one_operand("unpause", &parsed)?;
    mock.with(|state, _| {
        let index = state.index_or_refuse(&name)?;
        let container = &mut state.containers[index];
        if container.state == ContainerState::Paused {
            container.state = ContainerState::Running;
            container.tell("unpause");
            Ok(Reply::line(&name))
        } else {
            Err(refuse(
                125,
                format!(
                    "\"{}\" is not paused, can't unpause: container state improper",
                    container.id
                ),
            ))
        }
    })
}
