//! `healthcheck run`: one check, by hand.

use super::args::Order;
use super::health::CHECK_TAKES;
use super::reply::{Answer, Refused, Reply, refuse};
use super::state::State;
use super::{MockPodman, one_operand, read};
use crate::container::status::ContainerState;

/// `podman healthcheck run`: 0, or 1 and the word.
pub(super) async fn run(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("healthcheck run", args, &[], Order::Mixed)?;
    let name = one_operand("healthcheck run", &parsed)?;
    mock.with(|state, _| checked(state, &name).map(|_| ()))?;
    mock.overhead(CHECK_TAKES).await?;
    let (has_passed, id) = mock.with(|state, now| {
        let is_4 = state.is_4();
        let index = checked(state, &name)?;
        let container = &mut state.containers[index];
        let has_passed = container.run_check(now, is_4);
        let id = container.id.clone();
        if container.auto_remove && container.state == ContainerState::Exited {
            state.drop_container(index, true);
        }
        Ok::<_, Refused>((has_passed, id))
    })?;
    // What is to happen to an unhealthy container has happened when this returns.
    let has_stopped = |state: &State| {
        state
            .find(&id)
            .is_none_or(|container| container.state != ContainerState::Stopping)
            .then_some(())
    };
    mock.wait_for(None, has_stopped).await?;
    Ok(if has_passed {
        Reply::silent()
    } else {
        Reply {
            code: 1,
            ..Reply::line("unhealthy")
        }
    })
}

/// The index of a container whose check can run.
fn checked(state: &State, name: &str) -> Result<usize, Refused> {
    let index = state.index(name).ok_or_else(|| {
        refuse(
            125,
            format!(
                "unable to look up {name} to perform a health check: no container with name or ID \"{name}\" found: no such container"
            ),
        )
    })?;
    let container = &state.containers[index];
    let id = &container.id;
    if container.state != ContainerState::Running {
        return Err(refuse(125, format!("container {id} is not running")));
    }
    if container.check.is_none() {
        return Err(refuse(
            125,
            format!("container {id} has no defined healthcheck"),
        ));
    }
    Ok(index)
}
