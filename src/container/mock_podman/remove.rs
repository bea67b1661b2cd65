//! `rm`.

use super::args::{Flag, Order, option, switch};
use super::profile::Profile;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::stop::{begin_stop, finish_stop, grace};
use super::{MockPodman, read};
use crate::container::status::ContainerState;

const FLAGS: &[Flag] = &[
    switch("force", Some('f')),
    switch("ignore", Some('i')),
    switch("volumes", Some('v')),
    option("time", Some('t')),
    switch("all", Some('a')),
];

/// `podman rm`.
pub(super) async fn rm(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("rm", args, FLAGS, Order::Mixed)?;
    let force = parsed.has("force");
    let grace = grace(&parsed)?;
    if parsed.operands.iter().any(String::is_empty) {
        return Err(refuse(125, "name or ID cannot be empty"));
    }
    let wanted: Vec<String> = if parsed.has("all") {
        mock.with(|state, _| state.containers.iter().map(|one| one.id.clone()).collect())
    } else {
        parsed.operands.clone()
    };
    let (found, missing): (Vec<_>, Vec<_>) = mock.with(|state, _| {
        wanted
            .into_iter()
            .partition(|name| state.index(name).is_some())
    });
    let is_4 = mock.with(|state, _| state.is_4());
    if let Some(name) = missing.first() {
        if !(force || parsed.has("ignore")) {
            let words = if is_4 { "name or ID" } else { "ID or name" };
            return Err(refuse(
                1,
                format!("no container with {words} \"{name}\" found: no such container"),
            ));
        }
        if is_4 {
            // podman 4.3 then leaves the others alone as well, and says nothing.
            return Ok(Reply::silent());
        }
    }
    let mut reply = Reply::silent();
    for name in found {
        let id = mock.with(|state, _| state.find(&name).map(|container| container.id.clone()));
        // Another removal was quicker.
        let Some(id) = id else { continue };
        let ended = if force {
            end_it(mock, &name, &id, grace).await
        } else {
            refuse_if_running(mock, &id).map(|()| String::new())
        };
        match ended {
            Ok(warned) => reply.stderr.push_str(&warned),
            // The others are removed all the same.
            Err(Refused::ByPodman(refusal)) => {
                reply.code = refusal.code;
                reply.stderr.push_str(&refusal.stderr);
                continue;
            }
            Err(other) => return Err(other),
        }
        let volumes = parsed.has("volumes");
        let is_removed = mock.with(|state, _| match state.index(&id) {
            Some(index) => {
                let volumes = volumes || state.containers[index].auto_remove;
                state.drop_container(index, volumes);
                true
            }
            None => false,
        });
        if is_removed {
            reply.stdout.push_str(&name);
            reply.stdout.push('\n');
        }
    }
    Ok(reply)
}

/// `podman container prune`: what was never started is removed too.
pub(super) fn prune(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read(
        "container prune",
        args,
        &[switch("force", Some('f'))],
        Order::Mixed,
    )?;
    if !parsed.has("force") {
        return Err(not_implemented(
            "`podman container prune` without `--force`",
        ));
    }
    mock.with(|state, _| {
        let mut idle: Vec<String> = state
            .containers
            .iter()
            .filter(|container| container.pid == 0)
            .map(|container| container.id.clone())
            .collect();
        if state.is_4() {
            // Its database keeps them in the order of their ids.
            idle.sort();
        }
        let mut reply = Reply::silent();
        for id in idle {
            if let Some(index) = state.index(&id) {
                state.drop_container(index, false);
                reply.stdout.push_str(&format!("{id}\n"));
            }
        }
        Ok(reply)
    })
}

fn refuse_if_running(mock: &MockPodman, id: &str) -> Result<(), Refused> {
    mock.with(|state, _| match state.find(id) {
        Some(container) if container.pid != 0 => Err(refuse(
            2,
            format!(
                "cannot remove container {id} as it is {} - running or paused containers cannot be removed without force: container state improper",
                container.state
            ),
        )),
        Some(_) | None => Ok(()),
    })
}

/// Ends a container where it runs and removes it, as `volume rm --force` and `network rm --force` do; returns what podman warns
/// of.
pub(super) async fn by_force(
    mock: &MockPodman,
    id: &str,
    grace: Option<u64>,
) -> Result<String, Refused> {
    let Some(name) = mock.with(|state, _| state.find(id).map(|one| one.name.clone())) else {
        return Ok(String::new());
    };
    let warned = end_it(mock, &name, id, grace).await?;
    mock.with(|state, _| {
        if let Some(index) = state.index(id) {
            let volumes = state.containers[index].auto_remove;
            state.drop_container(index, volumes);
        }
    });
    Ok(warned)
}

/// Stops or kills a container before its forced removal; returns what podman warns of.
async fn end_it(
    mock: &MockPodman,
    name: &str,
    id: &str,
    grace: Option<u64>,
) -> Result<String, Refused> {
    let must_stop = mock.with(|state, now| {
        let index = state.index_or_refuse(id)?;
        let profile = Profile::of(state.version);
        let container = &mut state.containers[index];
        if container.is_ghost && container.state == ContainerState::Running {
            container.is_ghost = false;
            container.tell("stop");
            if profile.leaves_one_without_monitor_stopping() {
                container.pid = 0;
                return Ok(false);
            }
            container.end(now, -1, false);
            container.exit();
            if container.refuses_removal > 0 {
                container.refuses_removal -= 1;
                return Err(refuse(
                    125,
                    format!(
                        "cannot remove container {id} as it could not be stopped: {}",
                        profile.text_of_a_lost_monitor(id)
                    ),
                ));
            }
            return Ok(false);
        }
        if container.state == ContainerState::Stopping && profile.removes_stopping_ones_silently() {
            container.pid = 0;
            return Ok(false);
        }
        if container.state == ContainerState::Paused {
            container.kill(now);
            return Ok(false);
        }
        Ok(container.pid != 0)
    })?;
    if !must_stop {
        return Ok(String::new());
    }
    let stopping = mock.with(|state, now| begin_stop(state, now, id, grace))?;
    finish_stop(mock, name, stopping).await
}
