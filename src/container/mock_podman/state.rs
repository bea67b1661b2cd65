//! What the mock remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PullFault;
use super::behaviour::Behaviour;
use super::container::Container;
use super::events::Logged;
use super::image_store::Images;
use super::registry::RegistryAnswer;
use super::reply::{Refused, not_implemented, refuse};
use super::rule::FaultRule;
use super::start::settle_owners;
use super::subnets::Subnet;
use super::thing::Thing;
use super::volumes;
use crate::container::podman::PodmanVersion;

/// A named or anonymous volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Volume {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) is_anonymous: bool,
    /// podman will not give it another owner any more.
    pub(super) keeps_owner: bool,
    /// The user who owns it.
    pub(super) owner: u32,
    /// Path from the volume's root, and content.
    pub(super) files: BTreeMap<String, String>,
}

/// A network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Network {
    pub(super) id: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) subnet: Subnet,
    /// Of the machine, such as `podman1`.
    pub(super) interface: String,
    pub(super) is_internal: bool,
}

/// A secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    /// What containers get; podman shows it to nobody else.
    pub(super) content: String,
    pub(super) id: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) driver_options: BTreeMap<String, String>,
    pub(super) created_at: DateTime<Utc>,
}

/// What is to go wrong.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Faults {
    /// What goes wrong with commands.
    pub(super) rules: Vec<FaultRule>,
    /// By image reference: how, and how often still.
    pub(super) pull: BTreeMap<String, (PullFault, u32)>,
    /// By host and port, what registries answer to all pulls.
    pub(super) registries: BTreeMap<String, RegistryAnswer>,
    /// What registries have that give nothing else: by full name, the digest of the manifest. All is the fixture.
    pub(super) published: BTreeMap<String, String>,
    /// How long a successful pull takes.
    pub(super) pull_delay: Duration,
    /// References that are not in local storage after a pull that says it succeeded.
    pub(super) pull_loses: BTreeSet<String>,
    /// By container name: how often still.
    pub(super) start: BTreeMap<String, u32>,
    pub(super) log: BTreeMap<String, u32>,
    /// By container name: how often still, the exit code, standard error.
    pub(super) exec: BTreeMap<String, (u32, i32, String)>,
    /// Nobody can follow events.
    pub(super) no_events: bool,
    /// Names of containers that podman cannot tell about.
    pub(super) broken: BTreeSet<String>,
    /// Host ports that a process outside of podman listens on.
    pub(super) ports: BTreeSet<u16>,
}

/// Everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) version: PodmanVersion,
    /// Goes up at every power loss: a command of an earlier boot does not go on.
    pub(super) boot: u64,
    ids: u64,
    pids: u32,
    /// In the order of their creation.
    pub(super) containers: Vec<Container>,
    pub(super) images: Images,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) networks: BTreeMap<String, Network>,
    pub(super) secrets: BTreeMap<String, Secret>,
    /// How programs behave, by the container's name or its image.
    pub(super) behaviours: BTreeMap<String, Behaviour>,
    pub(super) faults: Faults,
    /// Goes up when all event streams end.
    pub(super) streams: u64,
    /// How far the mock's clock has been put forward.
    pub(super) ahead: Duration,
    /// How many bytes of the event log's file count; where the state is in a folder.
    pub(super) log_bytes: u64,
    /// podman's event log; it lies in `/run`.
    #[serde(skip)]
    pub(super) log: Vec<Logged>,
    /// The time of what happens right now; set anew at each look.
    #[serde(skip)]
    now: DateTime<Utc>,
}

impl State {
    pub(super) fn new(version: PodmanVersion, now: DateTime<Utc>) -> Self {
        let mut state = Self {
            version,
            boot: 0,
            ids: 0,
            pids: 1000,
            containers: Vec::new(),
            images: Images::default(),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            secrets: BTreeMap::new(),
            behaviours: BTreeMap::new(),
            faults: Faults::default(),
            streams: 0,
            ahead: Duration::ZERO,
            log_bytes: 0,
            log: Vec::new(),
            now,
        };
        let default_network = Network::default_one(now);
        state.networks.insert("podman".to_owned(), default_network);
        state
    }

    /// Whether this is a podman before 5.0, as far as the mock tells them apart.
    pub(super) fn is_4(&self) -> bool {
        self.version.major < 5
    }

    /// 64 hex digits, no two alike, the same in every run.
    pub(super) fn new_id(&mut self) -> String {
        self.ids += 1;
        (0..4u64)
            .map(|part| format!("{:016x}", scramble(self.ids * 4 + part)))
            .collect()
    }

    pub(super) fn new_pid(&mut self) -> u32 {
        self.pids += 7;
        self.pids
    }

    /// Lets everything happen that is due by `now`, in the order of time.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) {
        while let Some(at) = self.next_event().filter(|at| *at <= now) {
            let due = self
                .containers
                .iter()
                .position(|container| container.next_event() == Some(at));
            let Some(index) = due else { return };
            self.now = at;
            let (pid, is_4) = (self.new_pid(), self.is_4());
            if self.containers[index].take_event(at, pid, is_4) {
                self.drop_container(index, true);
            } else if self.containers[index].pid == pid {
                // It was started anew.
                settle_owners(self, index, true);
            }
            self.write_log();
        }
        self.now = now;
    }

    /// Writes a line into the event log.
    pub(super) fn log_line(&mut self, line: &str) {
        self.log.push(Logged::raw(line));
    }

    /// Writes into the event log what happens now to something that is no container.
    pub(super) fn log_thing(&mut self, thing: &Thing) {
        self.log.push(Logged::Thing {
            at: self.now,
            thing: thing.clone(),
        });
    }

    /// Writes what containers have to tell into the event log.
    pub(super) fn write_log(&mut self) {
        for container in &mut self.containers {
            for news in std::mem::take(&mut container.news) {
                self.log.push(Logged::new(self.now, container, news));
            }
        }
    }

    /// When something happens next.
    pub(super) fn next_event(&self) -> Option<DateTime<Utc>> {
        self.containers
            .iter()
            .filter_map(Container::next_event)
            .min()
    }

    /// By name, id or the beginning of an id.
    pub(super) fn find(&self, name: &str) -> Option<&Container> {
        self.index(name).map(|index| &self.containers[index])
    }

    /// As [`find`](Self::find), to change it.
    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Container> {
        self.index(name).map(|index| &mut self.containers[index])
    }

    pub(super) fn index(&self, name: &str) -> Option<usize> {
        let by = |test: &dyn Fn(&Container) -> bool| self.containers.iter().position(test);
        by(&|container| container.name == name).or_else(|| {
            (!name.is_empty())
                .then(|| by(&|container| container.id.starts_with(name)))
                .flatten()
        })
    }

    /// As [`index`](Self::index); a miss is podman's error.
    pub(super) fn index_or_refuse(&self, name: &str) -> Result<usize, Refused> {
        if name.is_empty() {
            return Err(refuse(125, "name or ID cannot be empty"));
        }
        self.index(name).ok_or_else(|| no_such_container(name))
    }

    /// Removes a container, and with `volumes` those that have no name and belong to no other.
    pub(super) fn drop_container(&mut self, index: usize, volumes: bool) {
        let is_4 = self.is_4();
        let mut container = self.containers.remove(index);
        container.tell("remove");
        if let Some(news) = container.news.last_mut().filter(|_| !is_4) {
            news.exit_code = container.known_code;
        }
        for news in std::mem::take(&mut container.news) {
            self.log.push(Logged::new(self.now, &container, news));
        }
        if !volumes {
            return;
        }
        for mount in &container.mounts {
            let is_anonymous = self
                .volumes
                .get(&mount.volume)
                .is_some_and(|volume| volume.is_anonymous);
            if is_anonymous && self.users_of_volume(&mount.volume).is_empty() {
                self.volumes.remove(&mount.volume);
                volumes::tell(self, "remove", &mount.volume);
            }
        }
    }

    /// Ids of the containers that have the volume, running or not.
    pub(super) fn users_of_volume(&self, volume: &str) -> Vec<String> {
        let mut ids: Vec<String> = self
            .containers
            .iter()
            .filter(|container| container.mounts.iter().any(|mount| mount.volume == volume))
            .map(|container| container.id.clone())
            .collect();
        if self.is_4() {
            // Its database keeps them in the order of their ids.
            ids.sort();
        }
        ids
    }
}

/// podman's words for it, rc 125; `rm` has words of its own.
pub(super) fn no_such_container(name: &str) -> Refused {
    refuse(
        125,
        format!("no container with name or ID \"{name}\" found: no such container"),
    )
}

/// `key=value` pairs of a repeated flag.
pub(super) fn pairs<'a>(
    flag: &str,
    values: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, Refused> {
    values
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None if flag == "label" => Ok((pair.to_owned(), String::new())),
            None => Err(not_implemented(format!("`--{flag} {pair}`"))),
        })
        .collect()
}

/// podman's rule for names of containers, volumes, networks and secrets.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Bits that look like chance: the finalizer of a 64-bit hash.
fn scramble(value: u64) -> u64 {
    let value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
