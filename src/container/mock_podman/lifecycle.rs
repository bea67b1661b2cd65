//! `kill`, `restart`, `pause`, `unpause`.

use std::time::Duration;

use super::args::{Order, Parsed, option, switch};
use super::container::Container;
use super::options::signal_number;
use super::profile::Profile;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
pub(super) use super::start::{START_TAKES, start, start_one};
use super::state::State;
use super::stop::{begin_stop, finish_stop, grace};
use super::{MockPodman, read};
use crate::container::status::ContainerState;

/// How long podman waits for the end of a process that cannot end.
const PATIENCE: Duration = Duration::from_secs(5);

/// `podman kill`.
pub(super) async fn kill(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [option("signal", Some('s')), switch("all", Some('a'))];
    let parsed = read("kill", args, &flags, Order::Mixed)?;
    let signal = signal(parsed.last("signal").unwrap_or("KILL"))?;
    let names = mock.with(|state, _| wanted(state, &parsed))?;
    let mut reply = Reply::silent();
    for name in names {
        match kill_one(mock, &name, signal).await {
            Ok(()) => reply.stdout.push_str(&format!("{name}\n")),
            Err(Refused::ByPodman(refusal)) => {
                reply.code = refusal.code;
                reply.stderr.push_str(&refusal.stderr);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(reply)
}

/// The operands, all of which must be there, or with `--all` the ids of all that run.
fn wanted(state: &State, parsed: &Parsed) -> Result<Vec<String>, Refused> {
    if parsed.has("all") {
        let running = state.containers.iter().filter(|one| one.pid != 0);
        return Ok(running.map(|one| one.id.clone()).collect());
    }
    for name in &parsed.operands {
        state.index_or_refuse(name)?;
    }
    Ok(parsed.operands.clone())
}

/// A signal by its name, with or without `SIG`, or its number.
fn signal(text: &str) -> Result<u8, Refused> {
    signal_number(text).ok_or_else(|| refuse(125, format!("invalid signal: {text}")))
}

async fn kill_one(mock: &MockPodman, name: &str, signal: u8) -> Result<(), Refused> {
    let frozen = mock.with(|state, now| {
        let profile = Profile::of(state.version);
        let is_4 = state.is_4();
        let index = state.index_or_refuse(name)?;
        let container = &mut state.containers[index];
        if container.is_ghost {
            if is_4 {
                let stderr =
                    "open pidfd: No such process\nError: container state improper: stopped\n";
                return Err(Refused::ByPodman(Reply {
                    code: 125,
                    stderr: stderr.to_owned(),
                    ..Reply::silent()
                }));
            }
            let mut refusal = Reply::silent();
            refusal.stderr = format!(
                "{} not running: No such process\n",
                profile.what_is_killed()
            );
            refusal.fail(
                125,
                format!(
                    "sending signal to container {}: container state improper",
                    container.id
                ),
            );
            return Err(Refused::ByPodman(refusal));
        }
        if container.pid == 0 {
            return Err(refuse(
                125,
                format!(
                    "can only kill running containers. {} is in state {}: container state improper",
                    container.id, container.state
                ),
            ));
        }
        container.tell("kill");
        let is_frozen = container.state == ContainerState::Paused;
        match signal {
            9 if is_frozen => {
                // cgroup v1 keeps it from dying.
                container.is_stopped_on_purpose = true;
                return Ok(Some(container.id.clone()));
            }
            9 => container.kill(now),
            15 | 2 => {
                container.is_stopped_on_purpose = true;
                if let Some(ending) = container.app.on_term(container.init) {
                    container.will_end(now, ending);
                }
            }
            // PID 1 has no default action, and programs none for others.
            _ if !container.init => {}
            _ => return Err(not_implemented(format!("signal {signal} to an init"))),
        }
        if container.auto_remove && container.pid == 0 {
            state.drop_container(index, true);
        }
        Ok(None)
    })?;
    let Some(id) = frozen else {
        return Ok(());
    };
    mock.take_time(PATIENCE).await?;
    mock.with(|state, _| {
        let is_4 = state.is_4();
        if let Some(container) = state.find_mut(&id) {
            container.state = ContainerState::Stopped;
            container.exit_code = -1;
        }
        let tail = if is_4 { ": internal libpod error" } else { "" };
        Err(refuse(
            125,
            format!("timed out waiting for file /run/libpod/exits/{id}{tail}"),
        ))
    })
}

/// `podman restart`: podman's own count stays.
pub(super) async fn restart(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("restart", args, &[option("time", Some('t'))], Order::Mixed)?;
    let grace = grace(&parsed)?;
    let names = mock.with(|state, _| wanted(state, &parsed))?;
    let mut reply = Reply::silent();
    for name in names {
        let stopping = mock.with(|state, now| {
            if let Some(container) = state.find_mut(&name) {
                if container.state == ContainerState::Paused {
                    return Err(refuse(
                        125,
                        "unable to restart a container in a paused or unknown state: container state improper",
                    ));
                }
                container.tell("restart");
            }
            begin_stop(state, now, &name, grace)
        })?;
        reply
            .stderr
            .push_str(&finish_stop(mock, &name, stopping).await?);
        mock.with(|state, now| {
            if state.is_4()
                && let Some(container) = state.find(&name).filter(|one| one.is_ghost)
            {
                let id = &container.id;
                return Err(Refused::ByPodman(Reply {
                    code: 125,
                    stderr: format!(
                        "container `{id}` is not running\nError: `/usr/bin/crun start {id}` failed: exit status 1\n"
                    ),
                    ..Reply::silent()
                }));
            }
            start_one(state, now, &name).map_err(|failed| {
                let id = state.find(&name).map_or("", |container| &container.id);
                refuse(
                    125,
                    format!("unable to start container \"{id}\": {}", failed.text),
                )
            })
        })?;
        reply.stdout.push_str(&format!("{name}\n"));
    }
    Ok(reply)
}

/// `podman pause`.
pub(super) fn pause(mock: &MockPodman, args: &[&str]) -> Answer {
    each(mock, "pause", args, |container| match container.state {
        ContainerState::Running if !container.events.iter().all(|(_, event)| event.can_wait()) => {
            // Its time would have to stand still.
            Err(not_implemented(
                "`podman pause` of a container that is about to end by itself",
            ))
        }
        ContainerState::Running => {
            container.state = ContainerState::Paused;
            Ok(())
        }
        ContainerState::Paused => Err(refuse(
            125,
            format!(
                "\"{}\" is already paused: container state improper",
                container.id
            ),
        )),
        _ => Err(refuse(
            125,
            format!(
                "\"{}\" is not running, can't pause: container state improper",
                container.state
            ),
        )),
    })
}

/// `podman unpause`.
pub(super) fn unpause(mock: &MockPodman, args: &[&str]) -> Answer {
    each(mock, "unpause", args, |container| {
        if container.state != ContainerState::Paused {
            return Err(refuse(
                125,
                format!(
                    "\"{}\" is not paused, can't unpause: container state improper",
                    container.id
                ),
            ));
        }
        container.state = ContainerState::Running;
        Ok(())
    })
}

/// Does the same to each operand: one that is refused keeps none of the others from it.
fn each(
    mock: &MockPodman,
    command: &'static str,
    args: &[&str],
    act: impl Fn(&mut Container) -> Result<(), Refused>,
) -> Answer {
    let parsed = read(command, args, &[switch("all", Some('a'))], Order::Mixed)?;
    mock.with(|state, _| {
        let mut reply = Reply::silent();
        for name in wanted(state, &parsed)? {
            let index = state.index_or_refuse(&name)?;
            let container = &mut state.containers[index];
            match act(container) {
                Ok(()) => {
                    container.tell(command);
                    reply.stdout.push_str(&format!("{name}\n"));
                }
                Err(Refused::ByPodman(refusal)) => {
                    reply.code = refusal.code;
                    reply.stderr.push_str(&refusal.stderr);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(reply)
    })
}
