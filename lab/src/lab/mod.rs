//! A lab: start, look inside, cut the power, stop.

mod builder;
pub mod evidence;
mod exec;
mod files;
mod power;
mod ready;
mod registry;
mod shell;

use std::net::SocketAddr;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::InspectContainerOptions;
use testcontainers::{ContainerAsync, GenericImage};

use crate::engine::EngineError;
use crate::image::ImageError;
use crate::session::owner::KEPT;
use crate::session::{SessionError, keeper};

pub use builder::LabBuilder;
pub(crate) use builder::default_deadline;
pub use exec::Output;
pub(crate) use ready::has_been_ready;
pub use registry::{registry_missing, registry_program};

/// How long anything may take that a healthy lab does at once.
const PROMPT: Duration = Duration::from_secs(30);

/// Something went wrong with a lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// No session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// [`crate::enter`] was not called.
    #[error(
        "DOCKER_HOST does not name the engine of this session: call archipelago_lab::enter() before anything else"
    )]
    NotEntered,
    /// The engine runs the lab, without the privileges it asked for.
    #[error(
        "the engine gives lab `{lab}` no privileges ({missing}): use an engine that allows `--privileged` (DOCKER_HOST chooses one); `cargo lab doctor` says what this host has"
    )]
    Unprivileged {
        /// Its id.
        lab: String,
        /// What PID 1 of the lab found missing.
        missing: String,
    },
    /// testcontainers could not start the lab.
    #[error(
        "lab `{lab}` did not start; if the engine refuses `--privileged`, use one that allows it: `cargo lab doctor` says whether this host is fit"
    )]
    Start {
        /// Its id.
        lab: String,
        /// What testcontainers said.
        #[source]
        source: Box<testcontainers::TestcontainersError>,
    },
    /// It started, and what was waited for did not come.
    #[error("lab `{lab}` is not ready: {awaited} did not come within {} s; last seen:\n{last_seen}", .deadline.as_secs_f32())]
    NotReady {
        /// Its id.
        lab: String,
        /// What was waited for, such as `the line "lab: ready" in its log`.
        awaited: String,
        /// How long.
        deadline: Duration,
        /// Jobs and last journal lines, or the lab's log where nothing can be executed in it.
        last_seen: String,
    },
    /// The engine refused.
    #[error("the engine cannot {action} lab `{lab}`")]
    Refused {
        /// Its id.
        lab: String,
        /// Such as `kill`.
        action: &'static str,
        /// What it said.
        source: bollard::errors::Error,
    },
    /// A command in the lab did not end in time.
    #[error("`{command}` in lab `{lab}` did not end within {} s", .limit.as_secs())]
    ExecTimedOut {
        /// Its id.
        lab: String,
        /// The command line.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// A command in the lab that had to succeed did not.
    #[error("`{command}` in lab `{lab}` ended with {code}: {stderr}")]
    ExecFailed {
        /// Its id.
        lab: String,
        /// The command line.
        command: String,
        /// The exit code.
        code: i64,
        /// What it said.
        stderr: String,
    },
    /// A port that the lab does not publish.
    #[error("lab `{lab}` does not publish port {port}: name it with LabBuilder::publish")]
    NotPublished {
        /// Its id.
        lab: String,
        /// The port in the lab.
        port: u16,
    },
    /// Two labs with one name, or none.
    #[error("{0}")]
    Which(String),
    /// A local file.
    #[error("cannot {action}")]
    Io {
        /// Such as `write PATH`.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running lab.
///
/// It is removed when this value is dropped inside a tokio runtime, and by the keeper when the process dies first;
/// [`Lab::stop`] removes it and says whether that worked.
#[derive(Debug)]
pub struct Lab {
    id: String,
    container: String,
    docker: Docker,
    /// Removes the container on drop. None for a lab that was opened by name: it is somebody else's.
    guard: Option<ContainerAsync<GenericImage>>,
    deadline: Duration,
}

impl Lab {
    /// Describes a lab to be started.
    pub fn builder() -> LabBuilder {
        LabBuilder::default()
    }

    /// Opens a lab that runs already: the one of that name or id, or without a name the one that `lab up` keeps. Dropping
    /// the value leaves the lab alone.
    pub async fn open(docker: Docker, name: Option<&str>) -> Result<Self, LabError> {
        let all = keeper::ours(&docker).await.map_err(refused("-", "list"))?;
        let labs: Vec<LabSummary> = all.iter().filter_map(LabSummary::of).collect();
        let wanted: Vec<&LabSummary> = labs
            .iter()
            .filter(|lab| match name {
                Some(name) => lab.name == name || lab.id == name,
                // Not one of a test that happens to run.
                None => lab.owner == KEPT,
            })
            .collect();
        match (wanted.as_slice(), name) {
            ([one], _) => Ok(Self {
                id: one.id.clone(),
                container: one.container.clone(),
                docker,
                guard: None,
                deadline: PROMPT,
            }),
            ([], None) => Err(LabError::Which(
                "no lab is kept: start one with `cargo lab up`, or name one of `cargo lab ls`"
                    .into(),
            )),
            ([], Some(name)) => Err(LabError::Which(format!(
                "no lab is called `{name}`: `cargo lab ls` lists them"
            ))),
            (several, _) => {
                let names: Vec<&str> = several.iter().map(|lab| lab.name.as_str()).collect();
                Err(LabError::Which(format!(
                    "which lab? {} are kept: name one",
                    names.join(", ")
                )))
            }
        }
    }

    /// Its id: eight hex digits, unique.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of its container in the outer engine.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// Where a port of the lab can be reached from this machine, always on loopback. Ask again after a restart: docker
    /// gives another one then.
    pub async fn published_port(&self, port: u16) -> Result<SocketAddr, LabError> {
        let inspect = self
            .docker
            .inspect_container(&self.container, None::<InspectContainerOptions>)
            .await
            .map_err(refused(&self.id, "inspect"))?;
        inspect
            .network_settings
            .and_then(|settings| settings.ports)
            .and_then(|mut ports| ports.remove(&format!("{port}/tcp")))
            .flatten()
            .and_then(|bindings| bindings.into_iter().next())
            .and_then(|binding| binding.host_port?.parse().ok())
            .map(|host: u16| SocketAddr::from(([127, 0, 0, 1], host)))
            .ok_or_else(|| LabError::NotPublished {
                lab: self.id.clone(),
                port,
            })
    }

    /// Leaves the lab alone when this value is dropped.
    pub(crate) fn keep(&mut self) {
        // Nobody removes it when this process ends: the guard must not run.
        std::mem::forget(self.guard.take());
    }

    /// Removes the lab with everything in it.
    pub async fn stop(mut self) -> Result<(), LabError> {
        let removed = keeper::remove(&self.docker, &self.container)
            .await
            .map_err(refused(&self.id, "remove"));
        if removed.is_ok()
            && let Some(guard) = self.guard.take()
        {
            // Gone: the guard has nothing left to do, and its own removal would only be refused.
            std::mem::forget(guard);
        }
        removed
    }
}

fn refused(lab: &str, action: &'static str) -> impl FnOnce(bollard::errors::Error) -> LabError {
    let lab = lab.to_owned();
    move |source| LabError::Refused {
        lab,
        action,
        source,
    }
}

/// One line of `lab ls`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LabSummary {
    /// Its id.
    pub id: String,
    /// The name for people; the id where none was given.
    pub name: String,
    /// The id of its container in the outer engine.
    pub container: String,
    /// The image reference.
    pub image: String,
    /// The outer engine's word, such as `running`.
    pub state: String,
    /// Seconds since the epoch.
    pub created: i64,
    /// `PID:START:BOOT` of its owner, or `kept`.
    pub owner: String,
}

impl LabSummary {
    /// From what the engine lists; none for other containers of ours.
    pub fn of(container: &bollard::models::ContainerSummary) -> Option<Self> {
        use crate::session::owner::{LABEL_LAB, LABEL_NAME, LABEL_OWNER};
        let labels = container.labels.as_ref()?;
        let id = labels
            .get(LABEL_LAB)
            .filter(|id| !matches!(id.as_str(), "seed" | "bare"))?;
        Some(Self {
            id: id.clone(),
            name: labels.get(LABEL_NAME).unwrap_or(id).clone(),
            container: container.id.clone()?,
            image: container.image.clone().unwrap_or_default(),
            state: container
                .state
                .as_ref()
                .map(|state| format!("{state:?}").to_lowercase())
                .unwrap_or_default(),
            created: container.created.unwrap_or_default(),
            owner: labels.get(LABEL_OWNER)?.clone(),
        })
    }
}
