//! Commands that look at a container: `exists`, `logs`, `wait`.

use chrono::TimeDelta;

use super::args::{Order, option, switch};
use super::container::Container;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::{State, no_such_container};
use super::{MockPodman, one_operand, read};
use crate::container::status::ContainerState;

/// `podman container exists`.
pub(super) fn exists(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("container exists", args, &[], Order::Mixed)?;
    let name = one_operand("container exists", &parsed)?;
    if name.is_empty() {
        return Err(refuse(125, "name or ID cannot be empty"));
    }
    Ok(Reply::yes_or_no(
        mock.with(|state, _| state.find(&name).is_some()),
    ))
}

/// `podman logs [--tail N]`.
pub(super) async fn logs(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [
        option("tail", None),
        option("since", None),
        switch("follow", Some('f')),
    ];
    let parsed = read("logs", args, &flags, Order::Mixed)?;
    let name = one_operand("logs", &parsed)?;
    let tail = match parsed.last("tail") {
        None | Some("-1") => usize::MAX,
        Some(text) => text
            .parse()
            .map_err(|_| not_implemented(format!("`podman logs --tail {text}`")))?,
    };
    let since = match parsed.last("since") {
        None => None,
        Some(text) => Some(minutes(text)?),
    };
    if parsed.has("follow") {
        // All of it comes at the end of the container.
        let id = mock.with(|state, _| {
            state
                .index_or_refuse(&name)
                .map(|at| state.containers[at].id.clone())
        })?;
        let ended = |state: &State| {
            let runs = state.find(&id).is_some_and(|container| container.pid != 0);
            (!runs).then_some(())
        };
        mock.wait_for(None, ended).await?;
    }
    mock.with(|state, now| {
        if let Some(times) = state.faults.log.get_mut(&name)
            && *times > 0
        {
            *times -= 1;
            return Ok(Reply::line(""));
        }
        let container = state.find(&name).ok_or_else(|| no_such_container(&name))?;
        let mut reply = Reply::silent();
        let lines: Vec<_> = container
            .logs
            .iter()
            .filter(|(at, _)| since.is_none_or(|since| now - *at <= since))
            .map(|(_, line)| line)
            .collect();
        for line in &lines[lines.len().saturating_sub(tail)..] {
            let stream = if line.is_error {
                &mut reply.stderr
            } else {
                &mut reply.stdout
            };
            stream.push_str(&line.text);
            stream.push('\n');
        }
        Ok(reply)
    })
}

/// A time back from now, as `10m`. podman knows more forms.
fn minutes(text: &str) -> Result<TimeDelta, Refused> {
    text.strip_suffix('m')
        .and_then(|number| number.parse().ok())
        .and_then(TimeDelta::try_minutes)
        .ok_or_else(|| not_implemented(format!("`podman logs --since {text}`")))
}

/// `podman wait`.
pub(super) async fn wait(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [
        option("condition", None),
        option("interval", Some('i')),
        switch("ignore", None),
    ];
    let parsed = read("wait", args, &flags, Order::Mixed)?;
    if let Some(text) = parsed.last("interval") {
        // Whole numbers are milliseconds.
        let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        if number.parse::<f64>().is_err() {
            return Err(refuse(125, format!("time: invalid duration \"{text}\"")));
        }
    }
    let condition = match parsed.last("condition") {
        None | Some("stopped" | "exited") => None,
        Some("running") => Some(ContainerState::Running),
        Some(other) => {
            return Err(not_implemented(format!(
                "`podman wait --condition={other}`"
            )));
        }
    };
    let ids: Vec<Option<String>> = mock.with(|state, _| {
        let id = |name: &String| match state.find(name) {
            Some(container) => Ok(Some(container.id.clone())),
            None if parsed.has("ignore") => Ok(None),
            None => Err(no_such_container(name)),
        };
        parsed
            .operands
            .iter()
            .map(id)
            .collect::<Result<_, Refused>>()
    })?;
    let mut reply = Reply::silent();
    for id in ids {
        let code = match id {
            Some(id) => wait_for_one(mock, &id, condition.as_ref()).await?,
            None => -1,
        };
        reply.stdout.push_str(&format!("{code}\n"));
    }
    Ok(reply)
}

async fn wait_for_one(
    mock: &MockPodman,
    id: &str,
    condition: Option<&ContainerState>,
) -> Result<i32, Refused> {
    let (is_forgotten, why) = mock.with(|state, _| {
        let lost = condition.is_none() && state.find(id).is_some_and(Container::lost_its_code);
        let why = if state.is_4() {
            " (container in state exited)"
        } else {
            ""
        };
        (lost, why)
    });
    if is_forgotten {
        return Err(refuse(
            125,
            format!("getting exit code of container {id} from DB: no such exit code{why}"),
        ));
    }
    let mut last_code = 0;
    let reached = |state: &State| match (state.find(id), condition) {
        (Some(container), Some(wanted)) => (container.state == *wanted).then_some(-1),
        (Some(container), None) => {
            last_code = container.exit_code;
            matches!(
                container.state,
                ContainerState::Created | ContainerState::Exited
            )
            .then_some(last_code)
        }
        (None, _) => Some(last_code),
    };
    // Without a deadline it only ends with an answer.
    Ok(mock.wait_for(None, reached).await?.unwrap_or(-1))
}
