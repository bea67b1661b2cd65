//! `kill`, `restart`, `pause`, `unpause`.

use std::time::Duration;

use super::args::{Order, Parsed, option, switch};
use super::options::{SIGKILL, signal_number};
use super::profile::Profile;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
pub(super) use super::start::{START_TAKES, start, start_one};
use super::state::State;
use super::stop::{begin_stop, finish_stop, grace, named};
use super::{MockPodman, read};
use crate::container::status::ContainerState;

/// So long `kill` waits for the end.
const KILL_WAITS: Duration = Duration::from_secs(5);

/// `podman kill`.
pub(super) async fn kill(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [option("signal", Some('s')), switch("all", Some('a'))];
    let parsed = read("kill", args, &flags, Order::Mixed)?;
    let text = parsed.last("signal").unwrap_or("KILL");
    let Some(signal) = signal_number(text) else {
        return Err(refuse(125, format!("invalid signal: {text}")));
    };
    let names = mock.with(|state, _| running(state, &parsed))?;
    let mut reply = Reply::silent();
    for name in names {
        if reply.keep(kill_one(mock, &name, signal).await)?.is_some() {
            reply.stdout.push_str(&name);
            reply.stdout.push('\n');
        }
    }
    Ok(reply)
}

/// As [`named`], with `--all` only those that run.
fn running(state: &State, parsed: &Parsed) -> Result<Vec<String>, Refused> {
    let mut names = named(state, parsed)?;
    if parsed.has("all") {
        names.retain(|id| {
            state
                .find(id)
                .is_some_and(|container| container.state == ContainerState::Running)
        });
    }
    Ok(names)
}

async fn kill_one(mock: &MockPodman, name: &str, signal: u8) -> Result<(), Refused> {
    let frozen = mock.with(|state, now| {
        let index = state.index_or_refuse(name)?;
        let profile = Profile::of(state.version);
        let container = &mut state.containers[index];
        if container.is_ghost {
            let (runtime, text) = profile.texts_of_a_process_that_is_gone(&container.id);
            return Err(Refused::ByPodman(Reply {
                code: 125,
                stdout: String::new(),
                stderr: format!("{runtime}\nError: {text}\n"),
            }));
        }
        match container.state {
            ContainerState::Running | ContainerState::Stopping => {}
            ContainerState::Paused if signal == SIGKILL => {
                container.tell("kill");
                return Ok(Some(container.id.clone()));
            }
            ContainerState::Paused => {
                return Err(not_implemented(
                    "`podman kill` of a paused container with another signal than SIGKILL",
                ));
            }
            ContainerState::Created
            | ContainerState::Initialized
            | ContainerState::Stopped
            | ContainerState::Exited
            | ContainerState::Removing
            | ContainerState::Unknown(_) => {
                return Err(refuse(
                    125,
                    format!(
                        "can only kill running containers. {} is in state {}: container state improper",
                        container.id, container.state
                    ),
                ));
            }
        }
        container.tell("kill");
        container.is_stopped_on_purpose |= signal == SIGKILL || profile.takes_every_kill_for_a_stop();
        if signal == SIGKILL {
            container.kill(now);
            if container.auto_remove {
                state.drop_container(index, true);
            }
        } else {
            container.signal(now, signal);
        }
        Ok(None)
    })?;
    // A paused one does not die of it: podman gives up, and takes it for stopped.
    let Some(id) = frozen else { return Ok(()) };
    mock.take_time(KILL_WAITS).await?;
    mock.with(|state, _| {
        if let Some(container) = state.find_mut(&id) {
            container.state = ContainerState::Stopped;
            container.exit_code = -1;
            container.events.clear();
        }
        let text = Profile::of(state.version).text_of_no_exit_file(&id);
        Err(refuse(125, text))
    })
}

/// `podman restart`.
pub(super) async fn restart(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [
        option("time", Some('t')),
        switch("all", Some('a')),
        switch("running", None),
    ];
    let parsed = read("restart", args, &flags, Order::Mixed)?;
    let grace = grace(&parsed)?;
    let names = mock.with(|state, _| {
        let mut names = named(state, &parsed)?;
        if parsed.has("running") {
            let running = state
                .containers
                .iter()
                .filter(|container| container.state == ContainerState::Running);
            names = running.map(|container| container.id.clone()).collect();
        }
        Ok::<_, Refused>(names)
    })?;
    let mut reply = Reply::silent();
    for name in names {
        let restarted = restart_one(mock, &name, grace).await;
        if let Some(warning) = reply.keep(restarted)? {
            reply.stderr.push_str(&warning);
            reply.stdout.push_str(&name);
            reply.stdout.push('\n');
        }
    }
    Ok(reply)
}

/// Returns what podman warns of.
async fn restart_one(mock: &MockPodman, name: &str, grace: Option<u64>) -> Result<String, Refused> {
    let stopping = mock.with(|state, now| {
        let index = state.index_or_refuse(name)?;
        let container = &mut state.containers[index];
        match container.state {
            ContainerState::Created
            | ContainerState::Initialized
            | ContainerState::Running
            | ContainerState::Stopped
            | ContainerState::Exited => {}
            ContainerState::Paused
            | ContainerState::Stopping
            | ContainerState::Removing
            | ContainerState::Unknown(_) => {
                return Err(refuse(
                    125,
                    "unable to restart a container in a paused or unknown state: container state improper",
                ));
            }
        }
        container.tell("restart");
        let is_lost = container.is_ghost || container.has_lost_monitor;
        let stopping = begin_stop(state, now, name, grace)?;
        if is_lost {
            // Only podman 4.3 comes so far.
            let id = &state.containers[index].id;
            return Err(Refused::ByPodman(Reply {
                code: 125,
                stdout: String::new(),
                stderr: format!(
                    "container `{id}` is not running\nError: `/usr/bin/crun start {id}` failed: exit status 1\n"
                ),
            }));
        }
        Ok(stopping)
    })?;
    let warning = finish_stop(mock, name, stopping).await?;
    mock.overhead(START_TAKES).await?;
    mock.with(|state, now| start_one(state, now, name))
        .map_err(|failed| refuse(125, failed.text))?;
    Ok(warning)
}

/// `podman pause`.
pub(super) fn pause(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("pause", args, &[switch("all", Some('a'))], Order::Mixed)?;
    mock.with(|state, now| {
        let mut reply = Reply::silent();
        for name in running(state, &parsed)? {
            let index = state.index_or_refuse(&name)?;
            let container = &mut state.containers[index];
            let paused = match container.state {
                ContainerState::Running => {
                    container.pause(now);
                    Ok(())
                }
                ContainerState::Paused => Err(format!("\"{}\" is already paused", container.id)),
                ContainerState::Created
                | ContainerState::Initialized
                | ContainerState::Stopping
                | ContainerState::Stopped
                | ContainerState::Exited
                | ContainerState::Removing
                | ContainerState::Unknown(_) => Err(format!(
                    "\"{}\" is not running, can't pause",
                    container.state
                )),
            };
            tell(&mut reply, &name, paused)?;
        }
        Ok(reply)
    })
}

/// `podman unpause`.
pub(super) fn unpause(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("unpause", args, &[switch("all", Some('a'))], Order::Mixed)?;
    mock.with(|state, now| {
        let mut names = named(state, &parsed)?;
        if parsed.has("all") {
            names.retain(|id| {
                state
                    .find(id)
                    .is_some_and(|container| container.state == ContainerState::Paused)
            });
        }
        let mut reply = Reply::silent();
        for name in names {
            let index = state.index_or_refuse(&name)?;
            let profile = Profile::of(state.version);
            let container = &mut state.containers[index];
            let unpaused = if container.state == ContainerState::Paused {
                container.unpause(now);
                if profile.resets_health_after_a_pause() {
                    container.reset_health();
                }
                Ok(())
            } else {
                Err(format!("\"{}\" is not paused, can't unpause", container.id))
            };
            tell(&mut reply, &name, unpaused)?;
        }
        Ok(reply)
    })
}

/// Adds the container's name, or why not.
fn tell(reply: &mut Reply, name: &str, done: Result<(), String>) -> Result<(), Refused> {
    let done = done.map_err(|text| refuse(125, format!("{text}: container state improper")));
    if reply.keep(done)?.is_some() {
        reply.stdout.push_str(name);
        reply.stdout.push('\n');
    }
    Ok(())
}
