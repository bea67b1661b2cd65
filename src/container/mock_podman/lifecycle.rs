//! `kill`, `restart`, `pause`, `unpause`.

use super::args::{Order, option};
use super::container::Event;
use super::reply::{Answer, Reply, not_implemented, refuse};
pub(super) use super::start::{START_TAKES, start, start_one};
use super::stop::{begin_stop, finish_stop, grace};
use super::{MockPodman, read};
use crate::container::status::ContainerState;

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
