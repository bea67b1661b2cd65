//! A stand-in for a node: a lab that scripts cannot tell from a real one. sshd on a port of loopback, a user with sudo, the
//! service under its real unit, podman as root.
//!
//! ```text
//! script or test ──ssh──▶ 127.0.0.1:PORT ─▶ sshd ─▶ user ─▶ sudo podman, systemctl, journalctl
//!        └────── forwarded ───────────────────▶ 127.0.0.1:5678 (the service)
//! ```
//! What is archipelago's in it is in `lab/stand-in.toml`.

mod builder;
mod deploy;
mod error;
mod faults;
mod folder;
mod gate;
mod keys;
mod link;
mod program;
mod relay;
mod settings;
mod ssh;
mod toolchain;

use std::path::PathBuf;
use std::time::Duration;

pub use builder::StandInBuilder;
pub use error::StandInError;
use error::io;
use folder::Folder;
pub use gate::{GateCommand, GateSeen, Strike};
use keys::Keys;
pub use program::{build, without};
pub use relay::Relay;
pub use settings::{Program, Service, Settings};

use crate::engine;
use crate::image::Base;
use crate::image::base::Suite;
use crate::lab::Lab;
use crate::session::Session;

/// Its name where nobody gives one.
pub const NAME: &str = "node";
/// Its base where nobody gives one: what the test node runs.
pub const BASE: Base = Base::Debian(Suite::Trixie);
/// Where sshd listens on the node.
const SSH_PORT: u16 = 22;

/// A running stand-in. It goes with the value, as a [`Lab`] does, unless it is kept.
#[derive(Debug)]
pub struct StandIn {
    lab: Lab,
    settings: Settings,
    keys: Keys,
    folder: Folder,
    port: u16,
    deadline: Duration,
}

impl StandIn {
    /// Describes one to be started.
    pub fn builder() -> StandInBuilder {
        StandInBuilder::default()
    }

    /// Opens one that is kept, by its name. Dropping the value leaves it alone.
    pub async fn open(session: &Session, name: &str) -> Result<Self, StandInError> {
        let docker = engine::connect(&session.endpoint).map_err(crate::LabError::from)?;
        let lab = Lab::open(docker, Some(name)).await?;
        let folder = Folder::of(session, name);
        let mut stand_in = Self {
            lab,
            settings: Settings::read()?,
            keys: Keys::at(folder.path().to_owned()),
            folder,
            port: 0,
            deadline: deadline(),
        };
        stand_in.find_port().await?;
        Ok(stand_in)
    }

    /// Its lab: to look inside past ssh.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// `USER@HOST` for ssh.
    pub fn node(&self) -> String {
        format!("{}@127.0.0.1", self.settings.user)
    }

    /// The port for ssh.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The private key to log in with.
    pub fn key(&self) -> PathBuf {
        self.keys.key()
    }

    /// ssh's list of known hosts; the node is in it.
    pub fn known_hosts(&self) -> PathBuf {
        self.keys.known_hosts()
    }

    /// The variables by which target and scripts find it; see "The node stage" in `CONTRIBUTING.md`.
    pub fn env(&self) -> Vec<(String, String)> {
        let name = |part: &str| format!("{}{part}", self.settings.variables);
        vec![
            (name(""), self.node()),
            (name("_PORT"), self.port.to_string()),
            (name("_KEY"), self.key().display().to_string()),
            (
                name("_KNOWN_HOSTS"),
                self.known_hosts().display().to_string(),
            ),
            (name("_LOOPBACK_ONLY"), "1".to_owned()),
        ]
    }

    /// Shuts it down in order and boots it again; waits until it answers.
    pub async fn reboot(&mut self) -> Result<(), StandInError> {
        self.lab.restart().await?;
        self.find_port().await?;
        self.until_it_answers().await
    }

    /// Cuts its power and boots it again; waits until it answers.
    pub async fn power_loss(&mut self) -> Result<(), StandInError> {
        self.lab.power_loss().await?;
        self.find_port().await?;
        self.until_it_answers().await
    }

    /// Removes it with everything in it, and its keys.
    pub async fn stop(self) -> Result<(), StandInError> {
        self.lab.stop().await?;
        self.folder.remove()
    }
}

/// Removes the keys of a kept stand-in whose lab is gone.
pub fn forget(session: &Session, name: &str) -> Result<(), StandInError> {
    Folder::of(session, name).remove()
}

/// How long it may take to answer.
fn deadline() -> Duration {
    crate::lab::default_deadline()
}
