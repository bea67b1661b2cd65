//! Configuration: `/etc/archipelago/archipelago.toml`, then `ARCHIPELAGO_*` variables over it.
//!
//! A key `health.interval_secs` of the file is `ARCHIPELAGO_HEALTH_INTERVAL_SECS` in the environment. Unknown keys
//! and bad values are errors, reported all at once; an unknown key is answered with the nearest known one.

mod keys;
mod read;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use crate::nearest::nearest;
pub use read::{from_environment, load, parse};

/// Where the configuration file is looked for when no other is named.
pub const DEFAULT_PATH: &str = "/etc/archipelago/archipelago.toml";

/// All settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `state_dir`: state files, secrets, package records.
    pub state_dir: PathBuf,
    /// `apps_dir`: own manifests, which add to or override the built-in catalog.
    pub apps_dir: PathBuf,
    /// `listen`: address of the RPC server.
    pub listen: SocketAddr,
    /// `require_token`: whether RPC calls need the bearer token.
    pub require_token: bool,
    /// `podman_socket`: where podman's service listens, which is asked instead of the command line; `None` (`"none"`): never.
    pub podman_socket: Option<PathBuf>,
    /// `health.*`.
    pub health: HealthConfig,
    /// `install.*`.
    pub install: InstallConfig,
    /// `metrics.*`.
    pub metrics: MetricsConfig,
}

/// Settings of the health monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// `health.interval_secs`: between two looks, and between two attempts at the same container.
    pub interval: Duration,
    /// `health.events`: whether podman's events make the monitor look at once.
    pub events: bool,
    /// `health.max_restart_attempts`: after so many the monitor gives up and goes over to the slow lane.
    pub max_restart_attempts: u32,
    /// `health.stability_secs`: up for so long, a container's attempts are forgotten.
    pub stability: Duration,
    /// `health.slow_lane_secs`: between two attempts after giving up.
    pub slow_lane: Duration,
}

/// Settings of installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallConfig {
    /// `install.stay_up_secs`: how long a started container must stay up.
    pub stay_up: Duration,
    /// `install.healthy_secs`: how long a container with a health check may take to become healthy, and a one-shot
    /// container to end.
    pub healthy: Duration,
}

/// Settings of the metrics collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `metrics.interval_secs`: between two samples of what containers use of the machine.
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/archipelago"),
            apps_dir: PathBuf::from("/etc/archipelago/apps"),
            listen: SocketAddr::from(([127, 0, 0, 1], 5678)),
            require_token: true,
            podman_socket: default_socket(),
            health: HealthConfig {
                interval: Duration::from_secs(120),
                events: true,
                max_restart_attempts: 10,
                stability: Duration::from_secs(3600),
                slow_lane: Duration::from_secs(21600),
            },
            install: InstallConfig {
                stay_up: Duration::from_secs(3),
                healthy: Duration::from_secs(120),
            },
            metrics: MetricsConfig {
                interval: Duration::from_secs(300),
            },
        }
    }
}

/// Where `podman.socket` of systemd listens: that of the system for root, else that of the user.
fn default_socket() -> Option<PathBuf> {
    let runtime = if rustix::process::geteuid().is_root() {
        PathBuf::from("/run")
    } else {
        PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?)
    };
    Some(runtime.join("podman/podman.sock"))
}

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where: the file's name, or the name of the variable.
    pub place: String,
    /// The key, where one is known.
    pub key: String,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.place, self.key, self.what)
    }
}

/// The configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there (or was named) and cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration `{place}` is not TOML")]
    NotToml {
        /// The file.
        place: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// Every problem found, file before environment.
    #[error("bad configuration: {}", join(problems))]
    Problems {
        /// All of them.
        problems: Vec<ConfigProblem>,
    },
}

fn join(problems: &[ConfigProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
