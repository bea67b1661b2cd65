//! What the model remembers: as little as is needed to say which steps are safe.

use std::collections::{BTreeMap, BTreeSet};

/// What podman will say to a step, as far as the model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Exit code 0.
    Accepted,
    /// Another exit code.
    Refused,
}

impl Expect {
    pub(super) fn when(accepted: bool) -> Self {
        if accepted {
            Self::Accepted
        } else {
            Self::Refused
        }
    }
}

/// A step whose outcome hangs on timing, or on the version in a way that the model cannot follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsafe(pub(crate) &'static str);

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Up,
    Paused,
    /// Its process has ended or is about to, and podman may not have noticed.
    Ending,
    Exited,
}

/// What runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum App {
    Serve,
    IgnoreTerm,
    /// Ends by itself, at once, with this code.
    Ends(u8),
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) state: State,
    pub(super) app: App,
    /// `serve` is known to listen, and so to hear signals.
    pub(super) ready: bool,
    /// What is in its log is certain.
    pub(super) log_certain: bool,
    pub(super) ports: BTreeSet<String>,
    pub(super) volumes: BTreeSet<String>,
    pub(super) networks: BTreeSet<String>,
    pub(super) auto_remove: bool,
    /// podman restarts it: after failures, or always.
    pub(super) policy: Policy,
    pub(super) has_health: bool,
    /// Every start is refused.
    pub(super) broken: bool,
    pub(super) init: bool,
    pub(super) user: bool,
    /// The stop signal is one that `serve` obeys.
    pub(super) obeys: bool,
    /// Seconds that podman waits after the stop signal.
    pub(super) grace: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    None,
    OnFailure,
    Always,
}

impl Container {
    pub(super) fn runs(&self) -> bool {
        matches!(self.state, State::Up | State::Paused)
    }

    /// Its process has gone, or was never there.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Created | State::Exited)
    }

    /// Whether it can be stopped within `grace` seconds so that exit code and log are the same each time.
    pub(super) fn stops(&mut self, grace: u64) -> Result<(), Unsafe> {
        match self.state {
            State::Created | State::Exited => return Ok(()),
            State::Paused if grace > 0 => return Err(Unsafe("a stop of a paused container")),
            State::Ending => return Err(Unsafe("a stop of an ending container")),
            State::Up | State::Paused => {}
        }
        let hears = self.obeys && self.app == App::Serve;
        if grace > 0 && !self.ready && (hears || self.init) {
            return Err(Unsafe("SIGTERM to an app that may not hear it yet"));
        }
        if !hears && grace > 1 {
            return Err(Unsafe("a long stop"));
        }
        self.log_certain &= self.ready;
        Ok(())
    }

    pub(super) fn ended(&mut self) {
        if self.runs() {
            self.state = State::Exited;
            self.ready = false;
        }
    }
}

/// Whether something of this name is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Surely,
    Perhaps,
}

/// All that is there.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(super) containers: BTreeMap<String, Container>,
    pub(super) volumes: BTreeSet<String>,
    pub(super) networks: BTreeSet<String>,
    pub(super) secrets: BTreeSet<String>,
    pub(super) files: BTreeSet<String>,
    pub(super) images: BTreeMap<String, Known>,
    pub(super) rebooted: bool,
    /// A volume without a name was made.
    pub(super) anonymous: bool,
}

/// The fixture image's reference, as steps write it.
pub(super) const FIXTURE: &str = "$FIXTURE";

impl Default for World {
    fn default() -> Self {
        Self {
            containers: BTreeMap::new(),
            volumes: BTreeSet::new(),
            networks: BTreeSet::from(["podman".to_owned()]),
            secrets: BTreeSet::new(),
            files: BTreeSet::new(),
            images: BTreeMap::from([(FIXTURE.to_owned(), Known::Surely)]),
            rebooted: false,
            anonymous: false,
        }
    }
}

impl World {
    /// Containers that somebody has to wait for before the next look.
    pub(super) fn ending(&self) -> impl Iterator<Item = &str> {
        self.containers
            .iter()
            .filter(|(_, container)| container.state == State::Ending)
            .map(|(name, _)| name.as_str())
    }

    pub(super) fn in_use<'a>(&'a self, volume: &'a str) -> impl Iterator<Item = &'a str> {
        self.containers
            .iter()
            .filter(move |(_, container)| container.volumes.contains(volume))
            .map(|(name, _)| name.as_str())
    }

    pub(super) fn on_network<'a>(&'a self, network: &'a str) -> impl Iterator<Item = &'a str> {
        self.containers
            .iter()
            .filter(move |(_, container)| container.networks.contains(network))
            .map(|(name, _)| name.as_str())
    }

    pub(super) fn has_image(&self, reference: &str) -> Result<bool, Unsafe> {
        match self.images.get(reference) {
            Some(Known::Surely) => Ok(true),
            Some(Known::Perhaps) => Err(Unsafe("an image that may be gone")),
            None => Ok(false),
        }
    }

    /// Starts a container that is there.
    pub(super) fn start(&mut self, name: &str) -> Result<Expect, Unsafe> {
        let Some(container) = self.containers.get(name) else {
            return Ok(Expect::Refused);
        };
        match container.state {
            State::Up => return Ok(Expect::Accepted),
            State::Paused => return Ok(Expect::Refused),
            State::Ending => return Err(Unsafe("a start of an ending container")),
            State::Created | State::Exited => {}
        }
        let port_is_taken = self.containers.iter().any(|(other, holder)| {
            other != name && holder.runs() && !holder.ports.is_disjoint(&container.ports)
        });
        if container.broken || port_is_taken {
            return if container.auto_remove {
                Err(Unsafe("a refused start of a container that removes itself"))
            } else {
                Ok(Expect::Refused)
            };
        }
        let container = self.containers.get_mut(name).ok_or(Unsafe("gone"))?;
        container.ready = false;
        container.state = match container.app {
            App::Ends(_) => State::Ending,
            App::Serve | App::IgnoreTerm => State::Up,
        };
        Ok(Expect::Accepted)
    }
}
