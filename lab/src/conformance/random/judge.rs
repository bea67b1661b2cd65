//! What a step does to the world, or why it must not be taken.
//!
//! This is no second podman: it knows what is needed to keep sequences free of races, and guesses whether a command is
//! refused. What podman really says is what the two sides are compared by.

use super::argv::{self, Command};
use super::world::{App, Expect, Known, Policy, State, Unsafe, World};
use crate::conformance::case::Step;

impl World {
    /// Takes a step.
    pub(crate) fn take(&mut self, step: &Step) -> Result<Expect, Unsafe> {
        if let Some(refused) = self.unsettled(step) {
            return refused;
        }
        match step {
            Step::Podman(argv) => self.podman(&argv::read(argv).ok_or(Unsafe("no command"))?),
            Step::Until(name, state) => {
                let container = self
                    .containers
                    .get_mut(name)
                    .ok_or(Unsafe("an endless wait"))?;
                match container.state {
                    State::Ending | State::Exited if state == "exited" => {
                        container.state = State::Exited;
                        container.ready = false;
                        Ok(Expect::Accepted)
                    }
                    _ => Err(Unsafe("an endless wait")),
                }
            }
            Step::KillProcess(name) => {
                self.ends_by_itself(name, |_| false)?;
                Ok(Expect::Accepted)
            }
            Step::Reboot => {
                let auto = |it: &super::world::Container| it.auto_remove && it.runs();
                if self.rebooted || self.containers.values().any(auto) {
                    return Err(Unsafe(
                        "containers that remove themselves are removed by 5.x only",
                    ));
                }
                self.rebooted = true;
                for container in self.containers.values_mut() {
                    container.log_certain &= !container.runs() || container.ready;
                    container.ended();
                }
                Ok(Expect::Accepted)
            }
            Step::File(name, _) => {
                self.files.insert(name.clone());
                Ok(Expect::Accepted)
            }
            _ => Err(Unsafe("not generated")),
        }
    }

    /// Whether all that was begun is over.
    pub(crate) fn is_settled(&self) -> bool {
        self.ending().next().is_none() && self.has_image(super::world::FIXTURE) == Ok(true)
    }

    /// While a container ends, or the fixture image has no name of its own, few steps are safe.
    fn unsettled(&self, step: &Step) -> Option<Result<Expect, Unsafe>> {
        let ending: Vec<&str> = self.ending().collect();
        let safe = match step {
            Step::Until(name, _) => ending.is_empty() || ending.contains(&name.as_str()),
            Step::Podman(argv) => {
                let command = argv::read(argv)?;
                let renames = command.name == "tag"
                    && matches!(&command.operands[..], [from, to @ ..] if self.has_image(from) == Ok(true)
                        && to.iter().any(|to| to == super::world::FIXTURE));
                let waits = command.name == "wait"
                    && command
                        .operands
                        .iter()
                        .all(|name| ending.contains(&name.as_str()));
                (ending.is_empty() || waits)
                    && (renames || waits || self.has_image(super::world::FIXTURE) == Ok(true))
            }
            _ => ending.is_empty(),
        };
        (!safe).then_some(Err(Unsafe("a look before something is over")))
    }

    /// A running container's process ends, which podman notices later.
    pub(super) fn ends_by_itself(
        &mut self,
        name: &str,
        stays_down: impl Fn(Policy) -> bool,
    ) -> Result<(), Unsafe> {
        let container = self
            .containers
            .get_mut(name)
            .ok_or(Unsafe("no such container"))?;
        if container.state != State::Up || container.auto_remove {
            return Err(Unsafe("nothing that can be waited for"));
        }
        if container.policy != Policy::None && !stays_down(container.policy) {
            return Err(Unsafe("it would be restarted"));
        }
        container.log_certain &= container.ready;
        container.state = State::Ending;
        Ok(())
    }

    fn podman(&mut self, command: &Command) -> Result<Expect, Unsafe> {
        if command.has_unknown_flag {
            return Ok(Expect::Refused);
        }
        if let Some(time) = command.last("time")
            && time.parse::<u64>().is_err()
        {
            return Ok(Expect::Refused);
        }
        let operands: Vec<&str> = command.operands.iter().map(String::as_str).collect();
        match (command.name.as_str(), &operands[..]) {
            ("run" | "create", _) => self.create(command),
            ("start", names @ [_, ..]) => {
                if !self.all_known(names)
                    && names.iter().any(|name| self.is(name, |it| it.is_down()))
                {
                    return Err(Unsafe("some of them may be started"));
                }
                if !self.all_known(names) {
                    return Ok(Expect::Refused);
                }
                self.each(names, World::start)
            }
            ("stop", names @ [_, ..]) => self.stop(command, names),
            ("restart", names @ [_, ..]) => self.restart(command, names),
            ("kill", names @ [_, ..]) => self.kill(command, names),
            ("pause" | "unpause", names @ [_, ..]) => {
                if !self.all_known(names) {
                    return if names.len() == 1 {
                        Ok(Expect::Refused)
                    } else {
                        Err(Unsafe("some of them may be paused"))
                    };
                }
                let (from, to) = match command.name.as_str() {
                    "pause" => (State::Up, State::Paused),
                    _ => (State::Paused, State::Up),
                };
                self.each(names, |world, name| {
                    Ok(Expect::when(world.containers.get_mut(name).is_some_and(
                        |it| {
                            let fits = it.state == from;
                            if fits {
                                it.state = to;
                            }
                            fits
                        },
                    )))
                })
            }
            ("rm", names) => self.rm(command, names),
            ("rename", [from, to]) => {
                if !self.containers.contains_key(*from)
                    || self.containers.contains_key(*to)
                    || !is_name(to)
                {
                    return Ok(Expect::Refused);
                }
                let container = self.containers.remove(*from).ok_or(Unsafe("gone"))?;
                self.containers.insert((*to).to_owned(), container);
                Ok(Expect::Accepted)
            }
            ("wait", names @ [_, ..]) => {
                let mut expect = Expect::Accepted;
                for name in names {
                    match self.containers.get(*name) {
                        None => expect = Expect::Refused,
                        Some(it)
                            if command.last("condition") == Some("running")
                                && it.state == State::Up => {}
                        Some(_) if command.has("condition") => {
                            return Err(Unsafe("an endless wait"));
                        }
                        Some(it) if it.runs() => return Err(Unsafe("an endless wait")),
                        Some(it) if it.state == State::Ending && it.policy != Policy::None => {
                            return Err(Unsafe("a wait while podman restarts"));
                        }
                        Some(_) => {}
                    }
                }
                Ok(expect)
            }
            ("logs", [name]) => match self.containers.get(*name) {
                None => Ok(Expect::Refused),
                Some(it) if it.log_certain && (it.ready || it.is_down()) => Ok(Expect::Accepted),
                Some(_) => Err(Unsafe("a log that may not be written yet")),
            },
            ("exec", [name, app @ ..]) => self.exec(command, name, app),
            ("healthcheck run", [name]) => match self.containers.get(*name) {
                None => Ok(Expect::Refused),
                Some(it) if it.is_down() || (it.state == State::Up && !it.has_health) => {
                    Ok(Expect::Refused)
                }
                Some(it) if it.state == State::Up && (it.ready || it.app == App::IgnoreTerm) => {
                    Ok(Expect::when(it.ready))
                }
                Some(_) => Err(Unsafe("a check before the app listens")),
            },
            ("container exists", [name]) => Ok(Expect::when(self.containers.contains_key(*name))),
            ("container inspect", names @ [_, ..]) => Ok(Expect::when(
                names.iter().all(|name| self.containers.contains_key(*name)),
            )),
            ("inspect", names @ [_, ..]) => Ok(Expect::when(names.iter().all(|name| {
                self.containers.contains_key(*name)
                    || self.images.contains_key(*name)
                    || self.volumes.contains(*name)
                    || self.networks.contains(*name)
            }))),
            ("ps", rest) => Ok(Expect::when(
                rest.is_empty()
                    && command
                        .all("filter")
                        .all(|filter| !filter.contains("nosuch=") && filter != "status=nosuch"),
            )),
            ("info" | "version", rest) => Ok(Expect::when(rest.is_empty())),
            _ => self.other(command, &operands),
        }
    }

    pub(super) fn each(
        &mut self,
        names: &[&str],
        mut act: impl FnMut(&mut World, &str) -> Result<Expect, Unsafe>,
    ) -> Result<Expect, Unsafe> {
        let mut expect = Expect::Accepted;
        for name in names {
            if act(self, name)? == Expect::Refused {
                expect = Expect::Refused;
            }
        }
        Ok(expect)
    }

    pub(super) fn all_known(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.containers.contains_key(*name))
    }

    pub(super) fn is(&self, name: &str, what: impl Fn(&super::world::Container) -> bool) -> bool {
        self.containers.get(name).is_some_and(what)
    }

    pub(super) fn forget_image(&mut self, name: &str, surely: bool) {
        if surely {
            self.images.remove(name);
        } else if let Some(known) = self.images.get_mut(name) {
            *known = Known::Perhaps;
        }
    }
}

/// podman's rule for names.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}
