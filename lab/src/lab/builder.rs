//! Describing and starting a lab.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use bollard::models::PortBinding;
use testcontainers::core::{CgroupnsMode, IntoContainerPort, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use super::{Lab, LabError, refused};
use crate::engine::{self, Wishes};
use crate::image::{self, Base, Flavour};
use crate::session::owner::{
    KEPT, LABEL_LAB, LABEL_NAME, LABEL_OWNER, LABEL_SESSION, LABEL_STARTER,
};
use crate::session::{self, Session, keeper};

/// A lab to be started. The defaults give a bare podman on the preferred base.
#[derive(Debug, Clone, Default)]
pub struct LabBuilder {
    name: Option<String>,
    base: Option<Base>,
    flavour: Flavour,
    ports: Vec<u16>,
    programs: Vec<(PathBuf, String)>,
    mounts: Vec<(PathBuf, String)>,
    copies: Vec<(PathBuf, String)>,
    files: Vec<(String, Vec<u8>)>,
    memory: Option<i64>,
    deadline: Option<Duration>,
    kept: bool,
}

impl LabBuilder {
    /// A name for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The base; [`Base::preferred`] if not called.
    #[must_use]
    pub fn base(mut self, base: Base) -> Self {
        self.base = Some(base);
        self
    }

    /// What the lab is for; [`Flavour::Lab`] if not called.
    #[must_use]
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Publishes a TCP port of the lab on a free port of loopback, see [`Lab::published_port`].
    #[must_use]
    pub fn publish(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Puts a program of this machine into the lab before it boots: mounted read-only where the engine sees this machine's
    /// files, copied elsewhere. It must run on the lab's base: link it statically.
    #[must_use]
    pub fn program(mut self, here: impl Into<PathBuf>, in_lab: impl Into<String>) -> Self {
        self.programs.push((here.into(), in_lab.into()));
        self
    }

    /// Shows a file or folder of this machine in the lab, read-only. Only where the engine sees this machine's files.
    #[must_use]
    pub fn mount(mut self, here: impl Into<PathBuf>, in_lab: impl Into<String>) -> Self {
        self.mounts.push((here.into(), in_lab.into()));
        self
    }

    /// Copies a file of this machine into the lab before it boots; it keeps its mode and becomes root's.
    #[must_use]
    pub fn copy(mut self, here: impl Into<PathBuf>, in_lab: impl Into<String>) -> Self {
        self.copies.push((here.into(), in_lab.into()));
        self
    }

    /// Writes a file (0644, root) into the lab before it boots.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// Limits the memory of the whole lab, in bytes.
    #[must_use]
    pub fn memory(mut self, bytes: i64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// How long the lab may take to be ready; 60 s if not called, 10 times that where `ARCHIPELAGO_LAB_SLOW` is set
    /// (emulated machines).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Keeps the lab when this process ends, until `lab down`.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Starts the lab and waits until it is ready.
    ///
    /// # Errors
    /// A missing image, an engine that refuses, or a lab that does not become ready; nothing is left in any of these
    /// cases, nor when the future is dropped half-way.
    pub async fn start(self) -> Result<Lab, LabError> {
        let kept = self.kept;
        let mut lab = self.begin().await?;
        if kept {
            lab.keep();
        }
        Ok(lab)
    }

    /// As [`Self::start`], but the lab goes with the value in any case, until [`Lab::keep`] is called.
    pub(crate) async fn begin(self) -> Result<Lab, LabError> {
        let session = session::join()?;
        if Wishes::from_env().docker_host.as_ref() != Some(&session.endpoint) {
            return Err(LabError::NotEntered);
        }
        let docker = engine::connect(&session.endpoint)?;
        let base = match &self.base {
            Some(base) => base.clone(),
            None => Base::preferred().map_err(|error| LabError::Which(error.to_string()))?,
        };
        let reference = image::build::built(&docker, self.flavour, &base).await?;
        let id = fresh_id();
        // From here on something may exist: whatever happens, it is found by its label.
        let mut unfinished = Unfinished {
            docker: docker.clone(),
            id: Some(id.clone()),
        };
        let deadline = self.deadline.unwrap_or_else(default_deadline);
        let request = self.request(&session, &id, &reference);
        let started = tokio::time::timeout(deadline, request.start())
            .await
            .unwrap_or(Err(
                testcontainers::core::error::WaitContainerError::StartupTimeout.into(),
            ));
        let guard = match started {
            Ok(guard) => guard,
            Err(source) => {
                // One that ended at once did start, and its log says why it ended; testcontainers stumbles over its state.
                let last_seen = unfinished.last_seen().await;
                unfinished.remove().await;
                return Err(match last_seen {
                    Some(last_seen) => LabError::NotReady {
                        lab: id,
                        awaited: super::ready::awaited(1),
                        deadline,
                        last_seen,
                    },
                    None => LabError::Start {
                        lab: id,
                        source: source.into(),
                    },
                });
            }
        };
        let mut lab = Lab {
            container: guard.id().to_owned(),
            id,
            docker,
            guard: Some(guard),
            deadline,
        };
        if let Err(error) = lab.until_ready(1).await {
            unfinished.remove().await;
            std::mem::forget(lab.guard.take());
            return Err(error);
        }
        unfinished.id = None;
        Ok(lab)
    }

    fn request(
        &self,
        session: &Session,
        id: &str,
        reference: &str,
    ) -> ContainerRequest<GenericImage> {
        let (name, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let owner = if self.kept {
            KEPT.to_owned()
        } else {
            session.owner.to_string()
        };
        // No wait: testcontainers removes a container that did not become ready before anybody could ask it why.
        let mut image = GenericImage::new(name, tag);
        for port in &self.ports {
            image = image.with_exposed_port(port.tcp());
        }
        let mut request = image
            .with_privileged(true)
            // With the host's, conmon cannot find the inner cgroup and OOM kills are reported falsely.
            .with_cgroupns_mode(CgroupnsMode::Private)
            .with_startup_timeout(self.deadline.unwrap_or_else(default_deadline))
            .with_hostname(hostname(self.name.as_deref()))
            .with_label(LABEL_LAB, id)
            .with_label(LABEL_OWNER, owner)
            .with_label(LABEL_SESSION, session.label())
            .with_label(LABEL_STARTER, session.owner.to_string())
            .with_label(LABEL_NAME, self.name.as_deref().unwrap_or(id))
            // Empty after each start, as after a power cut.
            .with_mount(Mount::tmpfs_mount("/run"))
            .with_mount(Mount::tmpfs_mount("/tmp"));
        for (here, in_lab) in &self.programs {
            request = if session.endpoint.is_local() {
                request.with_mount(
                    Mount::bind_mount(here.display().to_string(), in_lab)
                        .with_access_mode(testcontainers::core::AccessMode::ReadOnly),
                )
            } else {
                request.with_copy_to(in_lab.clone(), here.clone())
            };
        }
        for (here, in_lab) in &self.mounts {
            request = request.with_mount(
                Mount::bind_mount(here.display().to_string(), in_lab)
                    .with_access_mode(testcontainers::core::AccessMode::ReadOnly),
            );
        }
        for (here, in_lab) in &self.copies {
            request = request.with_copy_to(in_lab.clone(), here.clone());
        }
        for (path, content) in &self.files {
            request = request.with_copy_to(path.clone(), content.clone());
        }
        let ports: HashMap<String, Option<Vec<PortBinding>>> = self
            .ports
            .iter()
            .map(|port| {
                let loopback = PortBinding {
                    host_ip: Some("127.0.0.1".into()),
                    host_port: Some(String::new()),
                };
                (format!("{port}/tcp"), Some(vec![loopback]))
            })
            .collect();
        let memory = self.memory;
        request.with_host_config_modifier(move |config| {
            // podman before 5 reports no port without an explicit binding, and loopback is all that a lab needs.
            config.publish_all_ports = Some(false);
            config.port_bindings = Some(ports.clone());
            config.memory = memory;
        })
    }
}

/// A host name that stands for a lab's name: letters, digits and hyphens, short enough for every kernel.
fn hostname(name: Option<&str>) -> String {
    let text: String = name
        .unwrap_or("lab")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    match text.trim_matches('-') {
        "" => "lab".to_owned(),
        text => text.to_owned(),
    }
}

pub(crate) fn default_deadline() -> Duration {
    let slow = std::env::var_os("ARCHIPELAGO_LAB_SLOW").is_some();
    Duration::from_secs(if slow { 600 } else { 60 })
}

fn fresh_id() -> String {
    // Unique on this machine: nothing else has this pid at this nanosecond.
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let hash = image::archive::hex(format!("{}-{nanos}", std::process::id()).as_bytes());
    hash[..8].to_owned()
}

/// A lab between creation and readiness: testcontainers makes the container well before it owns it.
struct Unfinished {
    docker: bollard::Docker,
    id: Option<String>,
}

impl Unfinished {
    /// What it did, if it ever ran.
    async fn last_seen(&self) -> Option<String> {
        let containers = unfinished_containers(&self.docker, self.id.as_deref()?).await;
        super::ready::last_seen(&self.docker, containers.first()?).await
    }

    async fn remove(&mut self) {
        if let Some(id) = &self.id {
            remove_unfinished(&self.docker, id).await;
        }
        self.id = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let docker = self.docker.clone();
        // Dropped half-way (a timeout or Ctrl-C outside): finish in the background while the runtime lives; after that
        // the keeper does it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Not a guard again: a runtime that shuts down drops the task, and that would spawn the next one.
            runtime.spawn(async move { remove_unfinished(&docker, &id).await });
        }
    }
}

async fn unfinished_containers(docker: &bollard::Docker, id: &str) -> Vec<String> {
    match keeper::ours(docker).await {
        Ok(all) => all
            .into_iter()
            .filter(|container| {
                container
                    .labels
                    .as_ref()
                    .is_some_and(|labels| labels.get(LABEL_LAB).is_some_and(|lab| lab == id))
            })
            .filter_map(|container| container.id)
            .collect(),
        Err(error) => {
            tracing::warn!(%error, lab = id, "cannot look for an unfinished lab");
            Vec::new()
        }
    }
}

async fn remove_unfinished(docker: &bollard::Docker, id: &str) {
    for container in unfinished_containers(docker, id).await {
        if let Err(error) = keeper::remove(docker, &container)
            .await
            .map_err(refused(&container, "remove"))
        {
            tracing::warn!(error = crate::chain(&error), "an unfinished lab stays");
        }
    }
}
