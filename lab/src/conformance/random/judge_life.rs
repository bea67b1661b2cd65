//! What ends a container, and what goes on inside of one, as far as the model has to know it.

use super::argv::Command;
use super::world::{App, Expect, Policy, State, Unsafe, World};

impl World {
    pub(super) fn exec(
        &mut self,
        command: &Command,
        name: &str,
        app: &[&str],
    ) -> Result<Expect, Unsafe> {
        let Some(it) = self.containers.get_mut(name) else {
            return Ok(Expect::Refused);
        };
        if it.state != State::Up || app.is_empty() {
            return Ok(Expect::Refused);
        }
        if command.has("detach") {
            return if it.ready && app == ["/fixture", "check"] {
                Ok(Expect::Accepted)
            } else {
                Err(Unsafe("an exec that nobody waits for"))
            };
        }
        match app {
            ["/fixture", "check"] | ["/fixture", "check", "--port", "8080"] => {
                let asks = it.app == App::Serve && (!it.init || app.len() > 2);
                it.ready |= asks;
                Ok(Expect::when(asks))
            }
            ["/fixture", "poke", rest @ ..] => {
                if it.init || it.app != App::Serve || !it.ready {
                    return Err(Unsafe("a poke that nobody hears"));
                }
                match rest {
                    ["healthy" | "unhealthy"] => Ok(Expect::Accepted),
                    ["exit", _] => {
                        self.ends_by_itself(name, |_| false)?;
                        Ok(Expect::Accepted)
                    }
                    _ => Err(Unsafe("not generated")),
                }
            }
            ["/fixture", "write" | "cat", ..] if it.user => Err(Unsafe("not generated")),
            ["/fixture", "write", ..] => Ok(Expect::Accepted),
            ["/fixture", "cat", path] => Ok(Expect::when(path.starts_with("/run/secrets"))),
            ["/fixture", "exit", code] => Ok(Expect::when(*code == "0")),
            _ => Ok(Expect::Refused),
        }
    }

    pub(super) fn kill(&mut self, command: &Command, names: &[&str]) -> Result<Expect, Unsafe> {
        let signal = command.last("signal").unwrap_or("KILL");
        let signal = signal.strip_prefix("SIG").unwrap_or(signal);
        if signal == "NOSIG" {
            return Ok(Expect::Refused);
        }
        if !self.all_known(names) {
            return if names.len() == 1 {
                Ok(Expect::Refused)
            } else {
                Err(Unsafe("some of them may be killed"))
            };
        }
        self.each(names, |world, name| {
            let it = world.containers.get(name).ok_or(Unsafe("gone"))?;
            match it.state {
                State::Created | State::Exited => return Ok(Expect::Refused),
                State::Paused => return Err(Unsafe("a kill of a paused container")),
                State::Ending => return Err(Unsafe("a second kill")),
                State::Up => {}
            }
            match signal {
                "KILL" | "9" => world.ends_by_itself(name, |_| true)?,
                _ if signal != "KILL" && signal != "9" && it.policy != Policy::None => {
                    return Err(Unsafe("podman 4.3 restarts it, podman 5 does not"));
                }
                "TERM" | "INT" | "15" => match it.app {
                    App::Serve if it.ready => world.ends_by_itself(name, |_| true)?,
                    App::IgnoreTerm if !it.init => {}
                    _ => return Err(Unsafe("a signal to an app that may not hear it yet")),
                },
                _ if it.init => return Err(Unsafe("an init hands on every signal")),
                _ => {}
            }
            Ok(Expect::Accepted)
        })
    }

    pub(super) fn stop(&mut self, command: &Command, names: &[&str]) -> Result<Expect, Unsafe> {
        unique(names)?;
        if !self.all_known(names) {
            let idle = names.iter().all(|name| {
                self.is(name, |it| it.is_down()) || !self.containers.contains_key(*name)
            });
            return if idle {
                Ok(Expect::when(command.has("ignore")))
            } else {
                Err(Unsafe("some of them may be stopped"))
            };
        }
        self.each(names, |world, name| {
            world.end(name, command).map(|()| Expect::Accepted)
        })
    }

    pub(super) fn restart(&mut self, command: &Command, names: &[&str]) -> Result<Expect, Unsafe> {
        unique(names)?;
        if !self.all_known(names) {
            return if names.len() == 1 {
                Ok(Expect::Refused)
            } else {
                Err(Unsafe("some of them may be restarted"))
            };
        }
        self.each(names, |world, name| {
            world.end(name, command)?;
            world.start(name)
        })
    }

    /// Stops a container that is there, as `stop` and the like do.
    pub(super) fn end(&mut self, name: &str, command: &Command) -> Result<(), Unsafe> {
        let it = self.containers.get_mut(name).ok_or(Unsafe("gone"))?;
        let grace = command.last("time").and_then(|time| time.parse().ok());
        if it.auto_remove && it.runs() {
            return Err(Unsafe("a name that is freed late"));
        }
        if it.state == State::Paused && command.name != "rm" {
            return Err(Unsafe("a stop of a paused container"));
        }
        it.stops(grace.unwrap_or(it.grace))?;
        it.ended();
        Ok(())
    }

    pub(super) fn rm(&mut self, command: &Command, names: &[&str]) -> Result<Expect, Unsafe> {
        unique(names)?;
        let all: Vec<String> = self.containers.keys().cloned().collect();
        let names: Vec<&str> = match (command.has("all"), names) {
            (true, []) if all.len() > 1 => return Err(Unsafe("ids in any order")),
            (true, []) => all.iter().map(String::as_str).collect(),
            (true, _) | (false, []) => return Ok(Expect::Refused),
            (false, names) => names.to_vec(),
        };
        let lenient = command.has("force") || command.has("ignore");
        if !self.all_known(&names) {
            return match (
                lenient,
                names.iter().any(|name| self.containers.contains_key(*name)),
            ) {
                (false, _) => Ok(Expect::Refused),
                (true, false) => Ok(Expect::Accepted),
                (true, true) => Err(Unsafe("4.3.1 keeps the ones that are there")),
            };
        }
        self.each(&names, |world, name| {
            if world.is(name, |it| it.runs()) && !command.has("force") {
                return Ok(Expect::Refused);
            }
            world.end(name, command)?;
            world.containers.remove(name);
            Ok(Expect::Accepted)
        })
    }
}

/// Operands that are worked on side by side must not be the same one.
fn unique(names: &[&str]) -> Result<(), Unsafe> {
    let twice = names
        .iter()
        .enumerate()
        .any(|(at, name)| names[..at].contains(name));
    if twice {
        Err(Unsafe("one container twice"))
    } else {
        Ok(())
    }
}
