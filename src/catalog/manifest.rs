//! What a package is made of: the shape of a manifest file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
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
    /// What it does, in a sentence for people; empty where the manifest does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A word to group packages by, for people; empty where the manifest does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Ids of packages that cannot be installed beside this one. They name this one too, and may use the same names of
    /// containers, ports and volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// Secrets of this package that only templates use, or only other packages; made at install where absent. Those
    /// that a container gets as they are need not be named here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Secrets of packages that this one depends on: used here, never made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_secrets: Vec<String>,
    /// At least one.
    pub containers: Vec<ContainerManifest>,
    /// What an operation does besides.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
}

impl Manifest {
    /// Why this package cannot be installed; `None` where it can.
    #[must_use]
    pub fn not_installable(&self) -> Option<NotInstallable> {
        let containers: Vec<String> = self
            .containers
            .iter()
            .filter(|container| container.image.is_none())
            .map(|container| container.name.clone())
            .collect();
        (!containers.is_empty()).then_some(NotInstallable::NoImage { containers })
    }

    /// Names of this package's own secrets, sorted: those that its install makes.
    #[must_use]
    pub fn own_secrets(&self) -> BTreeSet<&str> {
        let plain = self
            .containers
            .iter()
            .flat_map(|container| &container.secrets)
            .filter(|secret| secret.template.is_none())
            .map(|secret| secret.name.as_str());
        self.secrets
            .iter()
            .map(String::as_str)
            .chain(plain)
            .filter(|name| !self.shared_secrets.iter().any(|shared| shared == name))
            .collect()
    }
}

/// Why a package of the catalog cannot be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NotInstallable {
    /// No image is known for these containers.
    NoImage {
        /// Their names.
        containers: Vec<String>,
    },
}

impl fmt::Display for NotInstallable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoImage { containers } => write!(
                f,
                "no image is known for `{}`; name one in a manifest of your own, or as `dockerImage`",
                containers.join("`, `")
            ),
        }
    }
}

/// What operations do besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Run in this order once all containers serve; an install succeeds only when they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_install: Vec<HookManifest>,
}

impl Hooks {
    fn is_empty(&self) -> bool {
        self.post_install.is_empty()
    }
}

/// A command that is run in a container; exit code 0 is success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookManifest {
    /// Name of a container of this package.
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Seconds that one attempt may take.
    #[serde(default = "default_hook_timeout")]
    pub timeout_secs: u64,
    /// How often it is tried.
    #[serde(default = "default_hook_attempts")]
    pub attempts: u32,
}

fn default_hook_timeout() -> u64 {
    60
}

fn default_hook_attempts() -> u32 {
    1
}

/// One container of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerManifest {
    /// As a package id; unique over the catalog. Other containers reach it by this name.
    pub name: String,
    /// Registry, repository and tag (or digest). Where absent the package is shown and cannot be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Arguments after the image; empty for the image's own.
    #[serde(default)]
    pub command: Vec<String>,
    /// 0 databases, 1 core, 2 services, 3 user interfaces: breaks ties in the start order.
    pub tier: u8,
    /// Names of containers, of any package, that must run (and be healthy) before this one starts.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// As `depends_on`, of each list any one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on_any: Vec<Vec<String>>,
    /// Names of containers that start before this one where they are installed; nothing waits for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on_optional: Vec<String>,
    /// More names by which other containers reach it. Packages that exclude each other may share one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Published ports.
    #[serde(default)]
    pub ports: Vec<PortManifest>,
    /// Named volumes.
    #[serde(default)]
    pub volumes: Vec<VolumeManifest>,
    /// Environment; never a secret.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Secrets, as environment variables or files.
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
    /// The signal that asks it to end, as `SIGINT`; the image's own, or SIGTERM, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Size of `/dev/shm` in podman's words, as `256m`; podman's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<String>,
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

    /// What must serve before it starts: of each list of names, any one.
    pub fn needs(&self) -> impl Iterator<Item = &[String]> {
        let each = self.depends_on.iter().map(std::slice::from_ref);
        each.chain(self.depends_on_any.iter().map(Vec::as_slice))
    }

    /// Whether `name` is among what it needs, alone or as one of several.
    #[must_use]
    pub fn needs_name(&self, name: &str) -> bool {
        self.needs().flatten().any(|needed| needed == name)
    }

    /// All that it starts after, where it is installed: needs, and optional dependencies.
    pub fn starts_after(&self) -> impl Iterator<Item = &str> {
        let needed = self.needs().flatten();
        needed.chain(&self.depends_on_optional).map(String::as_str)
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

/// A secret in a container, as an environment variable or as a file.
///
/// Without a template it is the content of the file `secrets/NAME`. With one it is a text of the container's own, in
/// which references to secrets are replaced ([`Template`](super::Template)); a text without any is a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretManifest {
    /// As a package id.
    pub name: String,
    /// The variable's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Absolute path in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The file's permissions; read by its owner only where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// The file's owner; the container's `user` where that is a number, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The file's group; as the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The text, with references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
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
