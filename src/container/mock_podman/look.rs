//! Commands that look at a container or into it: `exists`, `logs`, `wait`, `exec`.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;

use super::app::{Poke, is_fixture};
use super::args::{Order, option};
use super::container::Container;
use super::given::ENVIRON;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::{State, no_such_container};
use super::{MockPodman, one_operand, read};
use crate::container::status::ContainerState;

/// `podman container exists`.
pub(super) fn exists(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("container exists", args, &[], Order::Mixed)?;
    let name = one_operand("container exists", &parsed)?;
    Ok(Reply::yes_or_no(
        mock.with(|state, _| state.find(&name).is_some()),
    ))
}

/// `podman logs [--tail N]`.
pub(super) fn logs(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [option("tail", None), option("since", None)];
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
    let parsed = read("wait", args, &[], Order::Mixed)?;
    let name = one_operand("wait", &parsed)?;
    let id = mock.with(|state, _| {
        let container = state.find(&name).ok_or_else(|| no_such_container(&name))?;
        Ok::<_, Refused>(container.id.clone())
    })?;
    let mut last_code = 0;
    let ended = |state: &State| match state.find(&id) {
        Some(container) => {
            last_code = container.exit_code;
            matches!(
                container.state,
                ContainerState::Created | ContainerState::Exited
            )
            .then_some(last_code)
        }
        None => Some(last_code),
    };
    // Without a deadline it only ends with an answer.
    let code = mock.wait_for(None, ended).await?.unwrap_or(-1);
    Ok(Reply::line(code.to_string()))
}

/// `podman exec NAME PROGRAM …`: the fixture's programs do what they do, those of other images succeed.
pub(super) fn exec(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("exec", args, &[], Order::FlagsFirst)?;
    let [name, command @ ..] = &parsed.operands[..] else {
        return Err(not_implemented("`podman exec` without a name"));
    };
    // `exec -- NAME …` leaves a `--` of the program's own in place; `exec NAME -- …` is the program `--`.
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    mock.with(|state, now| {
        let index = state.index_or_refuse(name)?;
        let container = &mut state.containers[index];
        if container.state != ContainerState::Running {
            return Err(refuse(
                255,
                "can only create exec sessions on running containers: container state improper",
            ));
        }
        if container.is_ghost {
            return Err(refuse(
                255,
                format!("crun: the container `{}` is not running", container.id),
            ));
        }
        let Some((&program, words)) = words.split_first() else {
            return Err(not_implemented("`podman exec` without a program"));
        };
        container.tell("exec");
        container.tell("exec_died");
        if let Some((times, code, text)) = state.faults.exec.get_mut(&container.name)
            && *times > 0
        {
            *times -= 1;
            return Ok(Reply {
                code: *code,
                stderr: format!("{text}\n"),
                ..Reply::silent()
            });
        }
        if !is_fixture(&container.image) {
            // Of other programs the mock knows nothing but that they can be run: they succeed, unless `fail_exec` says
            // otherwise.
            return Ok(Reply::silent());
        }
        if program != "/fixture" {
            return Err(refuse(
                127,
                format!(
                    "crun: executable file `{program}` not found: No such file or directory: OCI runtime attempted to invoke a command that was not found"
                ),
            ));
        }
        let poke = Poke::of(words, container.memory).ok_or_else(|| {
            not_implemented(format!("`podman exec {name} /fixture {}`", words.join(" ")))
        })?;
        match poke {
            Poke::Check => {
                let is_serving = container.app.is_healthy();
                Ok(Reply::yes_or_no(
                    is_serving && container.health_word(now) != Some("unhealthy"),
                ))
            }
            Poke::Health(_) | Poke::End(_) if !container.app.is_healthy() => Ok(Reply {
                code: 1,
                stderr: "nothing listens: does `serve` run here?\n".to_owned(),
                ..Reply::silent()
            }),
            Poke::Health(is_good) => {
                container.set_health(now, is_good);
                Ok(Reply::silent())
            }
            Poke::End(ending) => {
                container.will_end(now, ending);
                Ok(Reply::silent())
            }
            Poke::Write { path, text } => {
                files(state, index, &path).insert(path, text);
                Ok(Reply::silent())
            }
            Poke::Cat { path } if path == ENVIRON => Ok(Reply::stdout(container.environ())),
            Poke::Cat { path } if container.secret_files.contains_key(&path) => {
                Ok(Reply::stdout(container.secret_files[&path].clone()))
            }
            Poke::Cat { path } => match files(state, index, &path).get(&path) {
                Some(text) => Ok(Reply::stdout(text.clone())),
                None => Ok(Reply {
                    code: 1,
                    stderr: format!("cannot read `{path}`: No such file or directory\n"),
                    ..Reply::silent()
                }),
            },
        }
    })
}

/// The files, by their path in the container, among which `path` belongs: those of the volume that is mounted
/// above it, else the container's own. A volume is taken to be mounted at the same path everywhere.
fn files<'a>(state: &'a mut State, index: usize, path: &str) -> &'a mut BTreeMap<String, String> {
    let State {
        containers,
        volumes,
        ..
    } = state;
    let container: &'a mut Container = &mut containers[index];
    let volume = container
        .mounts
        .iter()
        .filter(|mount| Path::new(path).starts_with(&mount.path))
        .max_by_key(|mount| mount.path.len())
        .and_then(|mount| volumes.get_mut(&mount.volume));
    match volume {
        Some(volume) => &mut volume.files,
        None => &mut container.files,
    }
}
