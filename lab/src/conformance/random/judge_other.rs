//! Volumes, networks, secrets and images, as far as the model has to know them.

use super::argv::Command;
use super::judge::is_name;
use super::world::{Expect, FIXTURE, Known, State, Unsafe, World};

impl World {
    pub(super) fn other(&mut self, command: &Command, operands: &[&str]) -> Result<Expect, Unsafe> {
        match (command.name.as_str(), operands) {
            ("volume create", [name]) => Ok(Expect::when(
                is_name(name) && self.volumes.insert((*name).to_owned()),
            )),
            ("network create", [name]) => {
                let subnet = command.all("subnet").all(|subnet| subnet != "abc");
                Ok(Expect::when(
                    is_name(name) && subnet && self.networks.insert((*name).to_owned()),
                ))
            }
            ("volume exists", [name]) => Ok(Expect::when(self.volumes.contains(*name))),
            ("network exists", [name]) => Ok(Expect::when(self.networks.contains(*name))),
            ("volume inspect", names @ [_, ..]) => Ok(Expect::when(
                names.iter().all(|name| self.volumes.contains(*name)),
            )),
            ("network inspect", names @ [_, ..]) => Ok(Expect::when(
                names.iter().all(|name| self.networks.contains(*name)),
            )),
            ("secret inspect", names @ [_, ..]) => Ok(Expect::when(
                names.iter().all(|name| self.secrets.contains(*name)),
            )),
            ("volume ls" | "network ls" | "secret ls" | "images", []) => Ok(Expect::Accepted),
            ("volume rm", names @ [_, ..]) => self.remove(
                command,
                names,
                |world, name| {
                    if !world.volumes.contains(name) {
                        return None;
                    }
                    Some(world.in_use(name).map(str::to_owned).collect())
                },
                |world, name| {
                    world.volumes.remove(name);
                },
            ),
            ("network rm", ["podman"]) => Ok(Expect::Refused),
            ("network rm", names @ [_, ..]) => self.remove(
                command,
                names,
                |world, name| {
                    if !world.networks.contains(name) {
                        return None;
                    }
                    Some(world.on_network(name).map(str::to_owned).collect())
                },
                |world, name| {
                    world.networks.remove(name);
                },
            ),
            ("volume prune", []) if command.has("force") => {
                let unused = |world: &World, name: &str| world.in_use(name).next().is_none();
                let gone: Vec<String> = self
                    .volumes
                    .iter()
                    .filter(|name| unused(self, name))
                    .cloned()
                    .collect();
                self.volumes.retain(|name| !gone.contains(name));
                Ok(Expect::Accepted)
            }
            ("network connect" | "network disconnect", [network, name]) => {
                let connects = command.name == "network connect";
                if !self.networks.contains(*network) {
                    return Ok(Expect::Refused);
                }
                let Some(it) = self.containers.get_mut(*name) else {
                    return Ok(Expect::Refused);
                };
                if it.state != State::Up || it.networks.contains("none") {
                    return Err(Unsafe("a network of a container that is down"));
                }
                if it.networks.contains(*network) == connects {
                    return Ok(Expect::Refused);
                }
                if connects {
                    it.networks.insert((*network).to_owned());
                } else if it.networks.len() > 1 {
                    it.networks.remove(*network);
                } else {
                    return Err(Unsafe("a container without any network"));
                }
                Ok(Expect::Accepted)
            }
            ("secret create", [name, file]) => {
                let written = file
                    .strip_prefix("$DIR/")
                    .is_some_and(|file| self.files.contains(file));
                Ok(Expect::when(
                    is_name(name) && written && self.secrets.insert((*name).to_owned()),
                ))
            }
            ("secret exists", [name]) => Ok(Expect::when(self.secrets.contains(*name))),
            ("secret rm", names) => {
                if command.has("all") != names.is_empty() {
                    return Ok(Expect::Refused);
                }
                let all = names
                    .iter()
                    .filter(|name| self.secrets.contains(**name))
                    .count()
                    == names.len();
                self.secrets
                    .retain(|name| !command.has("all") && !names.contains(&name.as_str()));
                Ok(Expect::when(all))
            }
            _ => self.image(command, operands),
        }
    }

    fn image(&mut self, command: &Command, operands: &[&str]) -> Result<Expect, Unsafe> {
        match (command.name.as_str(), operands) {
            ("image exists" | "image inspect", names @ [_, ..]) => {
                let known = |name: &&str| self.images.contains_key(*name);
                Ok(Expect::when(names.iter().all(known)))
            }
            ("tag", [from, to @ ..]) if !to.is_empty() => {
                if !self.has_image(from)? {
                    return Ok(Expect::Refused);
                }
                if to
                    .iter()
                    .any(|name| name.chars().any(char::is_uppercase) && *name != FIXTURE)
                {
                    return Ok(Expect::Refused);
                }
                for name in to {
                    self.images.insert((*name).to_owned(), Known::Surely);
                }
                Ok(Expect::Accepted)
            }
            ("rmi", names @ [_, ..]) => {
                let known = names
                    .iter()
                    .filter(|name| self.images.contains_key(**name))
                    .count();
                let surely = |name: &&String| self.images.get(*name) == Some(&Known::Surely);
                let mut stays = self
                    .images
                    .keys()
                    .filter(|name| !names.contains(&name.as_str()));
                if !stays.any(|name| surely(&name)) {
                    return Err(Unsafe("the last name of the fixture image"));
                }
                if names.contains(&FIXTURE) && names.len() > 1 {
                    return Err(Unsafe("not generated"));
                }
                for name in names {
                    self.forget_image(name, known == names.len());
                }
                Ok(Expect::when(known == names.len() || command.has("force")))
            }
            _ => Ok(Expect::Refused),
        }
    }

    /// `rm` of volumes and networks: `users` are the containers that use one, `None` where it is not there.
    fn remove(
        &mut self,
        command: &Command,
        names: &[&str],
        users: impl Fn(&World, &str) -> Option<Vec<String>>,
        gone: impl Fn(&mut World, &str),
    ) -> Result<Expect, Unsafe> {
        let mut expect = Expect::Accepted;
        for name in names {
            match users(self, name) {
                None if command.has("force") && names.len() > 1 => {
                    return Err(Unsafe("some of them may be removed"));
                }
                None => {
                    expect = if command.has("force") {
                        expect
                    } else {
                        Expect::Refused
                    }
                }
                Some(users) if users.is_empty() => gone(self, name),
                Some(_) if !command.has("force") => expect = Expect::Refused,
                Some(users) => {
                    for user in &users {
                        if self.is(user, |it| it.state == State::Paused) {
                            return Err(Unsafe("a stop of a paused container"));
                        }
                        self.end(user, command)?;
                        self.containers.remove(user);
                    }
                    gone(self, name);
                }
            }
        }
        Ok(expect)
    }
}
