//! Everything that a running lab occupies on this machine, taken down while it runs, to be looked for afterwards.

use std::path::{Path, PathBuf};

use anyhow::Context;
use archipelago_lab::session::owner::Owner;
use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::InspectContainerOptions;

use crate::processes;

/// One lab's.
#[derive(Debug)]
pub(crate) struct Footprint {
    container: String,
    /// PID 1 of the lab, and conmon or containerd-shim above it.
    processes: Vec<Owner>,
    volumes: Vec<String>,
    network_namespace: Option<PathBuf>,
    cgroups: Vec<PathBuf>,
    root_mount: Option<String>,
}

impl Footprint {
    /// Of a running container, found through any engine that has the same storage.
    pub(crate) async fn of(docker: &Docker, container: &str) -> anyhow::Result<Self> {
        let inspect = docker
            .inspect_container(container, None::<InspectContainerOptions>)
            .await?;
        let pid = inspect
            .state
            .and_then(|state| state.pid)
            .filter(|pid| *pid > 0)
            .with_context(|| format!("{container} does not run"))?;
        let pid = u32::try_from(pid)?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let parent = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
            .context("no parent")?;
        Ok(Self {
            container: container.to_owned(),
            processes: vec![Owner::of(pid)?, Owner::of(parent)?],
            volumes: inspect
                .mounts
                .iter()
                .flatten()
                .filter_map(|mount| mount.name.clone())
                .collect(),
            network_namespace: inspect
                .network_settings
                .and_then(|network| network.sandbox_key)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            cgroups: cgroups(container)?,
            root_mount: inspect
                .graph_driver
                .and_then(|driver| driver.data.get("MergedDir").cloned()),
        })
    }

    /// What of it is still there, if anything. Container and volumes are asked for where an engine is there to ask.
    pub(crate) async fn left(&self, docker: Option<&Docker>) -> Result<(), String> {
        let mut left = Vec::new();
        for process in self.processes.iter().filter(|process| process.is_alive()) {
            left.push(format!("process {}", processes::describe(&[process.pid])));
        }
        if let Some(docker) = docker {
            let container = docker
                .inspect_container(&self.container, None::<InspectContainerOptions>)
                .await;
            if !is_absent(container) {
                left.push(format!("container {}", self.container));
            }
            for volume in &self.volumes {
                if !is_absent(docker.inspect_volume(volume).await) {
                    left.push(format!("volume {volume}"));
                }
            }
        }
        let paths = self.cgroups.iter().chain(&self.network_namespace);
        left.extend(
            paths
                .filter(|path| path.exists())
                .map(|path| path.display().to_string()),
        );
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if let Some(mount) = &self.root_mount
            && mounts.contains(mount.as_str())
        {
            left.push(format!("mount {mount}"));
        }
        // netavark notes the container's id beside the rules of its published ports.
        let rules = std::process::Command::new("iptables-save").output();
        if rules.is_ok_and(|rules| {
            String::from_utf8_lossy(&rules.stdout).contains(self.container.as_str())
        }) {
            left.push("firewall rules".into());
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    }
}

fn is_absent<T>(answer: Result<T, Error>) -> bool {
    matches!(
        answer,
        Err(Error::DockerResponseServerError {
            status_code: 404,
            ..
        })
    )
}

/// The control groups that carry the container's id in their name.
fn cgroups(container: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((folder, depth)) = folders.pop() {
        // A group may go while we look.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().contains(container))
            {
                found.push(path);
            } else if depth < 3 {
                folders.push((path, depth + 1));
            }
        }
    }
    anyhow::ensure!(
        !found.is_empty() || !Path::new("/sys/fs/cgroup").exists(),
        "no control group carries the id {container}"
    );
    Ok(found)
}
