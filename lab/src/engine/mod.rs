//! The outer engine: what runs the labs. It is whatever is there, in this order: `DOCKER_HOST`, the rootless or the root
//! podman socket, the docker socket; where none answers and podman is installed, a `podman system service` of our own
//! ([`service`]).

pub mod needs;
pub mod service;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;

/// How long an engine may take to answer a single question.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a request to an engine may take; image builds and imports are the longest.
const REQUEST: Duration = Duration::from_secs(900);

/// Where an engine listens, as `DOCKER_HOST` spells it: `unix:///run/podman/podman.sock`, `tcp://127.0.0.1:2375`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(pub String);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Endpoint {
    /// An endpoint on a unix socket.
    pub fn unix(path: &Path) -> Self {
        Self(format!("unix://{}", path.display()))
    }

    /// Whether the engine sees this machine's files, so that they can be bind-mounted.
    pub fn is_local(&self) -> bool {
        self.0.starts_with("unix://")
    }
}

/// What an engine said of itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EngineInfo {
    /// `podman` or `docker`.
    pub kind: Kind,
    /// The version of the engine, such as `4.3.1`.
    pub version: String,
    /// Whether it runs without root.
    pub rootless: bool,
    /// The storage driver, such as `overlay`.
    pub storage_driver: String,
    /// Where images and containers lie.
    pub graph_root: PathBuf,
}

/// Which engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// podman's Docker-compatible service.
    Podman,
    /// dockerd.
    Docker,
}

/// An endpoint that was tried, and why it will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// One line.
    pub why_not: String,
}

/// No engine to be had, or none that answers.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` names an engine that does not answer. No other is tried: the user has chosen.
    #[error(
        "the engine that DOCKER_HOST names, `{endpoint}`, does not answer: start it, or unset DOCKER_HOST"
    )]
    ChosenSilent {
        /// The endpoint.
        endpoint: Endpoint,
        /// What went wrong.
        source: bollard::errors::Error,
    },
    /// No socket answers and podman is not installed.
    #[error(
        "no container engine: {} and podman is not installed; install it (`apt-get install podman` or `dnf install podman`) or set DOCKER_HOST",
        list(.tried)
    )]
    None {
        /// What was tried.
        tried: Vec<Tried>,
    },
    /// A scheme that cannot be spoken.
    #[error(
        "`{endpoint}` is not an address of an engine: write `unix:///path/to/socket` or `tcp://host:port`"
    )]
    BadEndpoint {
        /// The endpoint.
        endpoint: Endpoint,
        /// What went wrong.
        source: bollard::errors::Error,
    },
    /// It answered, and not as an engine does.
    #[error("the engine at `{endpoint}` does not tell what it is")]
    Mute {
        /// The endpoint.
        endpoint: Endpoint,
        /// What went wrong.
        source: bollard::errors::Error,
    },
    /// Our own service did not come up.
    #[error(transparent)]
    Service(#[from] service::ServiceError),
}

fn list(tried: &[Tried]) -> String {
    let mut text = String::new();
    for Tried { endpoint, why_not } in tried {
        text.push_str(&format!("`{endpoint}` {why_not}, "));
    }
    text
}

/// Why this host cannot run labs at all, for tests that are listed; none where it can, or where only trying tells. Touches
/// no engine.
pub fn missing() -> Option<String> {
    if std::env::var_os("DOCKER_HOST").is_some() || service::podman_installed() {
        return None;
    }
    let is_there = |endpoint: &Endpoint| {
        std::path::Path::new(endpoint.0.trim_start_matches("unix://")).exists()
    };
    (!Wishes::from_env().sockets().iter().any(is_there))
        .then(|| "no container engine: `cargo lab doctor` says what to install".to_owned())
}

/// Opens a client; the engine need not answer yet.
pub fn connect(endpoint: &Endpoint) -> Result<Docker, EngineError> {
    let client = match endpoint.0.strip_prefix("unix://") {
        Some(path) => {
            Docker::connect_with_unix(path, REQUEST.as_secs(), bollard::API_DEFAULT_VERSION)
        }
        None => Docker::connect_with_host(&endpoint.0),
    };
    client.map_err(|source| EngineError::BadEndpoint {
        endpoint: endpoint.clone(),
        source,
    })
}

/// Whether an engine answers there.
pub async fn answers(endpoint: &Endpoint) -> Result<(), EngineError> {
    let client = connect(endpoint)?.with_timeout(ANSWER);
    client.ping().await.map_err(|source| EngineError::Mute {
        endpoint: endpoint.clone(),
        source,
    })?;
    Ok(())
}

/// Asks an engine what it is.
pub async fn info(endpoint: &Endpoint) -> Result<EngineInfo, EngineError> {
    let client = connect(endpoint)?.with_timeout(ANSWER);
    let mute = |source| EngineError::Mute {
        endpoint: endpoint.clone(),
        source,
    };
    let version = client.version().await.map_err(mute)?;
    let info = client.info().await.map_err(mute)?;
    let is_podman = version
        .components
        .iter()
        .flatten()
        .any(|component| component.name.starts_with("Podman"));
    Ok(EngineInfo {
        kind: if is_podman {
            Kind::Podman
        } else {
            Kind::Docker
        },
        version: version.version.unwrap_or_else(|| "unknown".into()),
        rootless: info
            .security_options
            .iter()
            .flatten()
            .any(|option| option.contains("rootless")),
        storage_driver: info.driver.unwrap_or_else(|| "unknown".into()),
        graph_root: info.docker_root_dir.unwrap_or_default().into(),
    })
}

/// The environment that decides where an engine is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `DOCKER_HOST`, if set and not empty.
    pub docker_host: Option<Endpoint>,
    /// `XDG_RUNTIME_DIR`: where a rootless podman listens.
    pub runtime_dir: Option<PathBuf>,
    /// Whether we are root.
    pub root: bool,
}

impl Wishes {
    /// Read from this process.
    pub fn from_env() -> Self {
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            docker_host: var("DOCKER_HOST").map(Endpoint),
            runtime_dir: var("XDG_RUNTIME_DIR").map(PathBuf::from),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// The sockets to try, best first, where `DOCKER_HOST` is not set.
    pub fn sockets(&self) -> Vec<Endpoint> {
        let mut sockets = Vec::new();
        if let (Some(dir), false) = (&self.runtime_dir, self.root) {
            sockets.push(dir.join("podman/podman.sock"));
        }
        if self.root {
            sockets.push("/run/podman/podman.sock".into());
        }
        sockets.push("/run/docker.sock".into());
        if let (Some(dir), false) = (&self.runtime_dir, self.root) {
            sockets.push(dir.join("docker.sock"));
        }
        sockets.iter().map(|path| Endpoint::unix(path)).collect()
    }
}

/// Where the engine is, or that one has to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It answers there.
    Answers(Endpoint),
    /// None answers; podman is installed and can serve.
    StartPodman(Vec<Tried>),
}

/// Looks for an engine; starts nothing.
pub async fn find(wishes: &Wishes) -> Result<Found, EngineError> {
    if let Some(endpoint) = &wishes.docker_host {
        return match answers(endpoint).await {
            Ok(()) => Ok(Found::Answers(endpoint.clone())),
            Err(
                EngineError::Mute { endpoint, source }
                // bollard looks for a socket's file when it connects, before the first question.
                | EngineError::BadEndpoint {
                    endpoint,
                    source: source @ bollard::errors::Error::SocketNotFoundError(_),
                },
            ) => Err(EngineError::ChosenSilent { endpoint, source }),
            Err(other) => Err(other),
        };
    }
    let mut tried = Vec::new();
    for endpoint in wishes.sockets() {
        let path = endpoint.0.trim_start_matches("unix://");
        let why_not = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is not there".to_owned(),
            Err(error) => format!("cannot be reached ({error})"),
            Ok(_) => match answers(&endpoint).await {
                Ok(()) => return Ok(Found::Answers(endpoint)),
                Err(error) => format!("does not answer ({})", root_cause(&error)),
            },
        };
        tried.push(Tried { endpoint, why_not });
    }
    if service::podman_installed() {
        Ok(Found::StartPodman(tried))
    } else {
        Err(EngineError::None { tried })
    }
}

/// The innermost cause, which names the thing that went wrong.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_looks_at_the_root_podman_socket_first_and_then_at_docker() {
        let wishes = Wishes {
            root: true,
            runtime_dir: Some("/run/user/0".into()),
            docker_host: None,
        };
        let sockets = wishes.sockets();
        assert_eq!(
            sockets,
            [
                Endpoint("unix:///run/podman/podman.sock".into()),
                Endpoint("unix:///run/docker.sock".into())
            ]
        );
    }

    #[test]
    fn a_user_looks_at_the_own_podman_socket_first() {
        let wishes = Wishes {
            root: false,
            runtime_dir: Some("/run/user/1000".into()),
            docker_host: None,
        };
        assert_eq!(
            wishes.sockets()[0],
            Endpoint("unix:///run/user/1000/podman/podman.sock".into())
        );
    }

    #[tokio::test]
    async fn a_chosen_engine_that_is_silent_is_an_error_and_no_other_is_taken() {
        let wishes = Wishes {
            docker_host: Some(Endpoint("unix:///nonexistent/engine.sock".into())),
            ..Wishes::default()
        };
        let error = find(&wishes).await.unwrap_err();
        assert!(
            matches!(error, EngineError::ChosenSilent { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("/nonexistent/engine.sock"));
    }
}
