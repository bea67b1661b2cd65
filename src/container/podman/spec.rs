//! What a container is to be like, and the `podman create` arguments that say so.

use std::{collections::BTreeMap, time::Duration};

/// All that archipelago asks of a container at `podman create`. The image is never pulled by it (`--pull=never`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Its name; podman wants `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    pub name: String,
    /// Image reference, present in local storage.
    pub image: String,
    /// Arguments after the image; empty for the image's own.
    pub command: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment. It stands in argv for all to see: secrets go into `secrets`.
    pub env: BTreeMap<String, String>,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// Named volumes.
    pub volumes: Vec<VolumeMount>,
    /// podman secrets that it gets.
    pub secrets: Vec<SecretUse>,
    /// Network; podman's default one for `None`.
    pub network: Option<String>,
    /// More names in that network, beside its own.
    pub aliases: Vec<String>,
    /// Memory limit in podman's words, as `512m`.
    pub memory: Option<String>,
    /// User in podman's words, as `1000:1000`; the image's own for `None`.
    pub user: Option<String>,
    /// Restart policy in podman's words: `no`, `on-failure:3` …
    pub restart: String,
    /// How long podman waits between SIGTERM and SIGKILL where a stop does not say; whole seconds, rounded up.
    pub stop_timeout: Duration,
    /// The signal that asks it to end, as `SIGINT`; the image's own for `None`.
    pub stop_signal: Option<String>,
    /// Size of `/dev/shm` in podman's words, as `256m`.
    pub shm_size: Option<String>,
    /// Whether a tiny init is PID 1, for programs without a SIGTERM handler.
    pub init: bool,
    /// Health check; the image's own for `None`.
    pub health: Option<HealthSpec>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// Address on the host, as `127.0.0.1` or `0.0.0.0`; IPv6 without brackets.
    pub host_ip: String,
    /// Port on the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A named volume in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// The volume's name.
    pub volume: String,
    /// Absolute path in the container.
    pub path: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A podman secret in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The secret's name.
    pub secret: String,
    /// What it becomes there.
    pub target: SecretTarget,
}

/// What a secret becomes in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretTarget {
    /// The environment variable of this name.
    Env(String),
    /// A file. podman makes the folders above it.
    File {
        /// Absolute path without comma.
        path: String,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Permissions.
        mode: u32,
    },
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSpec {
    /// Program and arguments, run in the container without a shell. podman hands a command of a single word to
    /// the image's shell.
    pub command: Vec<String>,
    /// Time between two checks.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// Time after the start in which failures do not count.
    pub start_period: Duration,
}

impl ContainerSpec {
    /// The arguments after `podman`. Values follow `=` in the same argument and `--` ends the options, so that no
    /// name, value or image can be taken for an option.
    pub fn create_args(&self) -> Vec<String> {
        let mut args = vec![
            "create".to_owned(),
            "--pull=never".to_owned(),
            format!("--name={}", self.name),
            format!("--restart={}", self.restart),
            format!("--stop-timeout={}", whole_seconds(self.stop_timeout)),
        ];
        for (key, value) in &self.labels {
            args.push(format!("--label={key}={value}"));
        }
        for (key, value) in &self.env {
            args.push(format!("--env={key}={value}"));
        }
        args.extend(self.ports.iter().map(PortSpec::arg));
        args.extend(self.volumes.iter().map(VolumeMount::arg));
        args.extend(self.secrets.iter().map(SecretUse::arg));
        for (flag, value) in [
            ("network", &self.network),
            ("memory", &self.memory),
            ("user", &self.user),
            ("stop-signal", &self.stop_signal),
            ("shm-size", &self.shm_size),
        ] {
            if let Some(value) = value {
                args.push(format!("--{flag}={value}"));
            }
        }
        for alias in &self.aliases {
            args.push(format!("--network-alias={alias}"));
        }
        if self.init {
            args.push("--init".to_owned());
        }
        if let Some(health) = &self.health {
            args.extend(health.args());
        }
        args.push("--".to_owned());
        args.push(self.image.clone());
        args.extend(self.command.iter().cloned());
        args
    }
}

impl PortSpec {
    fn arg(&self) -> String {
        let Self {
            host_ip,
            host,
            container,
            protocol,
        } = self;
        if host_ip.contains(':') {
            format!("--publish=[{host_ip}]:{host}:{container}/{protocol}")
        } else {
            format!("--publish={host_ip}:{host}:{container}/{protocol}")
        }
    }
}

impl VolumeMount {
    fn arg(&self) -> String {
        let access = if self.read_only { ":ro" } else { "" };
        format!("--volume={}:{}{access}", self.volume, self.path)
    }
}

impl SecretUse {
    fn arg(&self) -> String {
        let secret = &self.secret;
        match &self.target {
            SecretTarget::Env(name) => format!("--secret={secret},type=env,target={name}"),
            SecretTarget::File {
                path,
                uid,
                gid,
                mode,
            } => format!(
                "--secret={secret},type=mount,target={path},uid={uid},gid={gid},mode={mode:04o}"
            ),
        }
    }
}

impl HealthSpec {
    fn args(&self) -> [String; 5] {
        // A JSON list is how podman is told not to use a shell.
        let command = serde_json::Value::from(self.command.clone());
        [
            format!("--health-cmd={command}"),
            format!("--health-interval={}ms", self.interval.as_millis()),
            format!("--health-timeout={}ms", self.timeout.as_millis()),
            format!("--health-retries={}", self.retries),
            format!("--health-start-period={}ms", self.start_period.as_millis()),
        ]
    }
}

/// podman takes whole seconds; a grace is never shortened.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
