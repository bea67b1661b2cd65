//! What a package is made of: the shape of a manifest file.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::grace::stop_timeout_secs;

/// One package: the content of one manifest file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `[a-z0-9][a-z0-9-]*`, at most 63 characters; also the file's name.
    pub id: String,
    /// For people.
    pub title: String,
    /// The app's version, for people.
    pub version: String,
    /// At least one.
    pub containers: Vec<ContainerManifest>,
}

/// One container of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerManifest {
    /// As a package id; unique over the catalog. Other containers reach it by this name.
    pub name: String,
    /// Registry, repository and tag (or digest).
    pub image: String,
    /// Arguments after the image; empty for the image's own.
    #[serde(default)]
    pub command: Vec<String>,
    /// 0 databases, 1 core, 2 services, 3 user interfaces: breaks ties in the start order.
    pub tier: u8,
    /// Names of containers, of any package, that must run (and be healthy) before this one starts.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Published ports.
    #[serde(default)]
    pub ports: Vec<PortManifest>,
    /// Named volumes.
    #[serde(default)]
    pub volumes: Vec<VolumeManifest>,
    /// Environment; never a secret.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Secrets, as environment variables.
    #[serde(default)]
    pub secrets: Vec<SecretManifest>,
    /// Memory limit in podman's words, as `512m`.
    #[serde(default)]
    pub memory: Option<String>,
    /// User in podman's words, as `1000:1000`; the image's own where absent.
    #[serde(default)]
    pub user: Option<String>,
    /// podman's own restart policy: quick retries, before the health monitor's slower ones.
    #[serde(default = "default_restart")]
    pub restart: String,
    /// Seconds between SIGTERM and SIGKILL; by the container's class ([`stop_timeout_secs`]) where absent.
    #[serde(default)]
    pub stop_grace_secs: Option<u64>,
    /// Runs once and ends with 0: such an end is success.
    #[serde(default)]
    pub one_shot: bool,
    /// A tiny init as PID 1, for programs without a SIGTERM handler.
    #[serde(default)]
    pub init: bool,
    /// Health check; the image's own where absent.
    #[serde(default)]
    pub health: Option<HealthManifest>,
}

impl ContainerManifest {
    /// How long a stop waits before SIGKILL.
    #[must_use]
    pub fn stop_grace(&self) -> Duration {
        Duration::from_secs(
            self.stop_grace_secs
                .unwrap_or_else(|| stop_timeout_secs(&self.name)),
        )
    }
}

fn default_restart() -> String {
    "on-failure:3".to_owned()
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortManifest {
    /// Port on the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// Who may reach it.
    pub bind: Bind,
    /// `tcp` where absent.
    #[serde(default)]
    pub protocol: Protocol,
}

/// Who may reach a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// This machine only.
    Loopback,
    /// The local network.
    Lan,
}

impl Bind {
    /// The address podman listens on.
    #[must_use]
    pub fn host_ip(self) -> &'static str {
        match self {
            Self::Loopback => "127.0.0.1",
            Self::Lan => "0.0.0.0",
        }
    }
}

/// Protocol of a published port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// podman's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A named volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeManifest {
    /// As a package id.
    pub name: String,
    /// Absolute path in the container.
    pub path: String,
    /// Whether the container may only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// A secret: the file `secrets/NAME`, the podman secret NAME, and a variable in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretManifest {
    /// As a package id.
    pub name: String,
    /// The variable's name.
    pub env: String,
}

/// A health check, run in the container by podman.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthManifest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Seconds between two checks.
    #[serde(default = "default_health_interval")]
    pub interval_secs: u64,
    /// Seconds that one check may take.
    #[serde(default = "default_health_timeout")]
    pub timeout_secs: u64,
    /// Failures in a row that make it unhealthy.
    #[serde(default = "default_health_retries")]
    pub retries: u32,
    /// Seconds after the start in which failures do not count.
    #[serde(default)]
    pub start_period_secs: u64,
}

fn default_health_interval() -> u64 {
    30
}

fn default_health_timeout() -> u64 {
    30
}

fn default_health_retries() -> u32 {
    3
}
