//! `stop`: SIGTERM, the grace, SIGKILL.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::args::{Flag, Order, Parsed, option, switch};
use super::container::Container;
use super::profile::Profile;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::{MockPodman, read};
use crate::container::status::ContainerState;

/// What a stop takes beyond the end of the process.
const STOP_OVERHEAD: Duration = Duration::from_millis(130);

/// What a stop has to wait for.
pub(super) enum Stopping {
    /// It did not run.
    Nothing,
    /// It has been told to stop, and is killed at `deadline`.
    Until {
        id: String,
        grace: u64,
        deadline: DateTime<Utc>,
    },
}

const STOP_FLAGS: &[Flag] = &[
    option("time", Some('t')),
    switch("ignore", Some('i')),
    switch("all", Some('a')),
];

/// `podman stop`.
pub(super) async fn stop(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("stop", args, STOP_FLAGS, Order::Mixed)?;
    let grace = grace(&parsed)?;
    let names = mock.with(|state, _| {
        let mut names = parsed.operands.clone();
        if parsed.has("all") {
            names = state.containers.iter().map(|one| one.id.clone()).collect();
        }
        if parsed.has("ignore") {
            names.retain(|name| state.index(name).is_some());
        }
        for name in &names {
            state.index_or_refuse(name)?;
        }
        Ok::<_, Refused>(names)
    })?;
    let mut under_way = Vec::new();
    for name in names {
        let stopping = mock.with(|state, now| begin_stop(state, now, &name, grace))?;
        under_way.push((name, stopping));
    }
    let mut reply = Reply::silent();
    for (name, stopping) in under_way {
        reply
            .stderr
            .push_str(&finish_stop(mock, &name, stopping).await?);
        reply.stdout.push_str(&name);
        reply.stdout.push('\n');
    }
    Ok(reply)
}

/// `--time`, in seconds.
pub(super) fn grace(parsed: &Parsed) -> Result<Option<u64>, Refused> {
    match parsed.last("time").map(str::parse::<i64>) {
        None => Ok(None),
        // Without end.
        Some(Ok(seconds)) => Ok(Some(u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)))),
        Some(Err(_)) => Err(not_implemented(format!(
            "`--time {:?}`",
            parsed.last("time")
        ))),
    }
}

/// Sends SIGTERM; `grace` in seconds, that of the container where none is given.
pub(super) fn begin_stop(
    state: &mut State,
    now: DateTime<Utc>,
    name: &str,
    grace: Option<u64>,
) -> Result<Stopping, Refused> {
    let index = state.index_or_refuse(name)?;
    let is_4 = state.is_4();
    let profile = Profile::of(state.version);
    let container = &mut state.containers[index];
    let grace = grace.unwrap_or(container.stop_timeout);
    let until = |container: &Container| Stopping::Until {
        id: container.id.clone(),
        grace,
        deadline: now + TimeDelta::seconds(i64::try_from(grace).unwrap_or(i64::from(u32::MAX))),
    };
    match container.state {
        ContainerState::Running if container.is_ghost || container.has_lost_monitor => {
            if is_4 {
                container.state = ContainerState::Stopping;
                return Ok(Stopping::Nothing);
            }
            container.is_ghost = false;
            container.has_lost_monitor = false;
            container.end(now, -1, false);
            container.is_stopped_on_purpose = true;
            container.exit();
            Err(refuse(
                125,
                format!(
                    "container {} conmon exited prematurely, exit code could not be retrieved: {}",
                    container.id,
                    profile.why_no_exit_code()
                ),
            ))
        }
        ContainerState::Running => {
            container.is_stopped_on_purpose = true;
            container.state = ContainerState::Stopping;
            if container.options.stop_signal == Some(9) {
                container.kill(now);
                return Ok(Stopping::Nothing);
            }
            if let Some(ending) = container.app.on_term(container.init).filter(|_| grace > 0) {
                container.will_end(now, ending);
            }
            Ok(until(container))
        }
        // Another stop: it may overtake the first.
        ContainerState::Stopping => Ok(until(container)),
        ContainerState::Paused => {
            container.is_stopped_on_purpose = true;
            Err(refuse(
                125,
                format!(
                    "container {} is running or paused, refusing to clean up: container state improper",
                    container.id
                ),
            ))
        }
        ContainerState::Created
        | ContainerState::Initialized
        | ContainerState::Stopped
        | ContainerState::Exited
        | ContainerState::Removing
        | ContainerState::Unknown(_) => {
            container.is_stopped_on_purpose = true;
            Ok(Stopping::Nothing)
        }
    }
}

/// Waits for the end, kills at the deadline, and returns podman's warning about that. If this is dropped, the
/// container stays as it is: `stopping`, perhaps for ever.
pub(super) async fn finish_stop(
    mock: &MockPodman,
    name: &str,
    stopping: Stopping,
) -> Result<String, Refused> {
    let Stopping::Until {
        id,
        grace,
        deadline,
    } = stopping
    else {
        return Ok(String::new());
    };
    let has_stopped = |state: &State| {
        let waits_on = Profile::of(state.version).stops_what_is_gone();
        match state.find(&id) {
            Some(container) => container.state != ContainerState::Stopping,
            None => !waits_on,
        }
        .then_some(())
    };
    let in_time = mock.wait_for(Some(deadline), has_stopped).await?.is_some();
    let is_killed = mock.with(|state, now| match state.find_mut(&id) {
        Some(container) if container.state == ContainerState::Stopping && !in_time => {
            container.kill(now);
            true
        }
        // What a stop returns from is tidied up.
        Some(container) if container.state == ContainerState::Stopped => {
            container.exit();
            if container.auto_remove
                && let Some(index) = state.index(&id)
            {
                state.drop_container(index, true);
            }
            false
        }
        Some(_) => false,
        None => !in_time,
    });
    mock.overhead(STOP_OVERHEAD).await?;
    Ok(if is_killed && grace > 0 {
        format!(
            "time=\"{}\" level=warning msg=\"StopSignal SIGTERM failed to stop container {name} in {grace} seconds, resorting to SIGKILL\"\n",
            mock.now()
                .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        )
    } else {
        String::new()
    })
}
