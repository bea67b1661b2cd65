//! `stop`: SIGTERM, the grace, SIGKILL.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::args::{Flag, Order, Parsed, option, switch};
use super::container::Container;
use super::options::{SIGKILL, STOP_SIGNAL, signal_name};
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
        signal: u8,
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
    let names = mock.with(|state, _| named(state, &parsed))?;
    let mut reply = Reply::silent();
    let mut under_way = Vec::new();
    for name in names {
        let stopping = mock.with(|state, now| begin_stop(state, now, &name, grace));
        if let Some(stopping) = reply.keep(stopping)? {
            under_way.push((name, stopping));
        }
    }
    for (name, stopping) in under_way {
        let warning = finish_stop(mock, &name, stopping).await?;
        reply.stderr.insert_str(0, &warning);
        reply.stdout.push_str(&name);
        reply.stdout.push('\n');
    }
    Ok(reply)
}

/// The names that a command is given, all of which must be there; with `--all` the ids of all containers.
pub(super) fn named(state: &State, parsed: &Parsed) -> Result<Vec<String>, Refused> {
    if parsed.has("all") {
        let ids = state
            .containers
            .iter()
            .map(|container| container.id.clone());
        return Ok(ids.collect());
    }
    let mut names = parsed.operands.clone();
    if parsed.has("ignore") {
        names.retain(|name| state.index(name).is_some());
    }
    for name in &names {
        state.index_or_refuse(name)?;
    }
    Ok(names)
}

/// `--time`, in seconds.
pub(super) fn grace(parsed: &Parsed) -> Result<Option<u64>, Refused> {
    match parsed.last("time").map(str::parse::<i64>) {
        None => Ok(None),
        // Without end, where it is negative.
        Some(Ok(seconds)) => Ok(Some(u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)))),
        Some(Err(_)) => Err(not_implemented(format!(
            "`--time {:?}`",
            parsed.last("time")
        ))),
    }
}

/// Sends the stop signal; `grace` in seconds, that of the container where none is given.
pub(super) fn begin_stop(
    state: &mut State,
    now: DateTime<Utc>,
    name: &str,
    grace: Option<u64>,
) -> Result<Stopping, Refused> {
    let index = state.index_or_refuse(name)?;
    let profile = Profile::of(state.version);
    let container = &mut state.containers[index];
    let grace = grace.unwrap_or(container.stop_timeout);
    let signal = container.options.stop_signal.unwrap_or(STOP_SIGNAL);
    let until = |container: &Container| Stopping::Until {
        id: container.id.clone(),
        signal,
        grace,
        deadline: now + TimeDelta::seconds(i64::try_from(grace).unwrap_or(i64::from(u32::MAX))),
    };
    match container.state {
        ContainerState::Running if container.is_ghost || container.has_lost_monitor => {
            stop_without_monitor(container, profile, now)
        }
        ContainerState::Running => {
            container.is_stopped_on_purpose = true;
            container.state = ContainerState::Stopping;
            if signal == SIGKILL {
                container.kill(now);
                return Ok(Stopping::Nothing);
            }
            if grace > 0 {
                container.signal(now, signal);
            }
            Ok(until(container))
        }
        // Another stop: it may overtake the first.
        ContainerState::Stopping => {
            if grace > 0 {
                container.signal(now, signal);
            }
            Ok(until(container))
        }
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

/// Nobody is there to tell of the end.
fn stop_without_monitor(
    container: &mut Container,
    profile: &Profile,
    now: DateTime<Utc>,
) -> Result<Stopping, Refused> {
    container.tell("stop");
    if profile.leaves_one_without_monitor_stopping() {
        container.state = ContainerState::Stopping;
        container.become_ghost();
        return Ok(Stopping::Nothing);
    }
    container.is_ghost = false;
    container.has_lost_monitor = false;
    container.end(now, -1, false);
    container.is_stopped_on_purpose = true;
    container.exit();
    Err(refuse(125, profile.text_of_a_lost_monitor(&container.id)))
}

/// What a stop waits for.
enum Stopped {
    Yes,
    /// Somebody has removed it meanwhile.
    Gone,
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
        signal,
        grace,
        deadline,
    } = stopping
    else {
        return Ok(String::new());
    };
    let has_stopped = |state: &State| match state.find(&id) {
        None => Some(Stopped::Gone),
        Some(container) => (container.state != ContainerState::Stopping).then_some(Stopped::Yes),
    };
    let end = mock.wait_for(Some(deadline), has_stopped).await?;
    let is_silent =
        mock.with(|state, _| Profile::of(state.version).removes_stopping_ones_silently());
    let warns = match end {
        Some(Stopped::Gone) if is_silent => {
            // It goes on to wait for a process that is no more.
            mock.wait_for(Some(deadline), |_| None::<()>).await?;
            true
        }
        Some(Stopped::Gone) => false,
        Some(Stopped::Yes) | None => mock.with(|state, now| kill_or_tidy(state, now, &id)),
    };
    mock.overhead(STOP_OVERHEAD).await?;
    Ok(if warns && grace > 0 {
        format!(
            "time=\"{}\" level=warning msg=\"StopSignal {} failed to stop container {name} in {grace} seconds, resorting to SIGKILL\"\n",
            mock.now().to_rfc3339_opts(SecondsFormat::Secs, true),
            signal_name(signal),
        )
    } else {
        String::new()
    })
}

/// Kills what is still there at the deadline, and tidies up after what has ended. True: it was killed.
fn kill_or_tidy(state: &mut State, now: DateTime<Utc>, id: &str) -> bool {
    let Some(index) = state.index(id) else {
        return false;
    };
    let container = &mut state.containers[index];
    let is_killed = container.state == ContainerState::Stopping;
    if is_killed {
        container.kill(now);
    } else if container.state == ContainerState::Stopped {
        // What a stop returns from is tidied up.
        container.exit();
    } else {
        return false;
    }
    if container.auto_remove {
        state.drop_container(index, true);
    }
    is_killed
}
