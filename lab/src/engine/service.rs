//! A `podman system service` of our own, for hosts on which no engine runs.
//! What it does differently on which host is decided in [`needs`](super::needs).

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Endpoint;
use super::needs::{Needs, WITHOUT_SYSTEMD, command_line, containers_conf};
use crate::host::HostError;
use crate::session::Session;
use crate::session::owner::Owner;

/// How long the service may take to answer.
const START: Duration = Duration::from_secs(20);

/// The service did not come up.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The program did not start.
    #[error("`{program}` did not start")]
    DidNotStart {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Without CAP_SYS_ADMIN podman cannot even start as root.
    #[error(
        "podman needs CAP_SYS_ADMIN, which this process does not have: run where it is granted (a container needs `--privileged` for that), or set DOCKER_HOST to an engine elsewhere; `cargo lab doctor` says what this host has"
    )]
    Unprivileged,
    /// A fact of the host could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file of the service could not be written.
    #[error("cannot write `{path}`")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended, or did not answer in time.
    #[error("`podman system service` {what}; its last lines:\n{log}")]
    Silent {
        /// What was seen, such as `ended with exit status: 125`.
        what: String,
        /// The tail of its log.
        log: String,
    },
}

/// Whether a `podman` is on PATH.
pub fn podman_installed() -> bool {
    on_path("podman")
}

/// Whether a program is on PATH.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .any(|dir| rustix::fs::access(dir.join(program), rustix::fs::Access::EXEC_OK).is_ok())
    })
}

/// Where podman mounts the network namespaces of containers.
const NETNS: &str = "/run/netns";

/// Makes the folder of network namespaces a shared mount, as `ip netns add` and podman itself do. What one service mounts
/// there is then seen in every mount namespace: without it two services (two sessions, or a new one beside the containers
/// of a dead one) would find each other's containers without network, and podman 4.3 then lists nothing at all.
fn share_network_namespaces() -> std::io::Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    if is_shared(&mounts, NETNS) {
        return Ok(());
    }
    std::fs::create_dir_all(NETNS)?;
    rustix::mount::mount_bind(NETNS, NETNS)?;
    rustix::mount::mount_change(NETNS, rustix::mount::MountPropagationFlags::SHARED)?;
    Ok(())
}

/// Whether `/proc/self/mountinfo` shows a shared mount at a path: fields 5 and, among the optional ones, 7 (proc(5)).
fn is_shared(mountinfo: &str, path: &str) -> bool {
    mountinfo.lines().any(|line| {
        let mut fields = line.split(' ');
        fields.nth(4) == Some(path)
            && fields
                .skip(1)
                .take_while(|field| *field != "-")
                .any(|field| field.starts_with("shared:"))
    })
}

/// podman's own command line for the engine of a session: beside a service of ours it enters the service's mount namespace,
/// without which it finds neither the containers' networks nor their mounts.
pub fn podman_beside(session: &Session) -> tokio::process::Command {
    let Some(pid) = session.service else {
        let mut podman = tokio::process::Command::new("podman");
        podman.args(["--remote", "--url", &session.endpoint.0]);
        return podman;
    };
    let mut command = tokio::process::Command::new("nsenter");
    command.arg("--mount").arg("--target").arg(pid.to_string());
    command.args(["--", "podman"]);
    if !Path::new("/run/systemd/system").is_dir() {
        command.args(WITHOUT_SYSTEMD);
    }
    let conf = session.state_dir().join(CONF);
    if conf.exists() {
        command.env("CONTAINERS_CONF", conf);
    }
    command.env_remove("DOCKER_HOST");
    command
}

/// The service's containers.conf in the state directory.
const CONF: &str = "containers.conf";

/// A running service. It is not stopped on drop: the keeper decides that.
#[derive(Debug)]
pub struct Service {
    /// None for one that another keeper has started.
    child: Option<Child>,
    /// Its process.
    pub process: Owner,
    tmp: PathBuf,
    /// Where it listens.
    pub endpoint: Endpoint,
}

impl Service {
    /// Starts the service in `dir` (its socket, log and configuration lie there) and waits until it answers.
    pub async fn start(needs: &Needs, dir: &Path) -> Result<Self, ServiceError> {
        let socket = dir.join("podman.sock");
        let log_path = dir.join("podman.log");
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |source| ServiceError::Unwritable { path, source }
        };
        let tmp = tmp_of(dir);
        std::fs::create_dir_all(&tmp).map_err(unwritable(&tmp))?;
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable(&socket)(error));
            }
            _ => {}
        }
        let log = std::fs::File::create(&log_path).map_err(unwritable(&log_path))?;
        let log_too = log.try_clone().map_err(unwritable(&log_path))?;
        if needs.unified_mount.is_some() {
            share_network_namespaces().map_err(unwritable(Path::new(NETNS)))?;
        }
        let line = command_line(needs, &socket);
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .process_group(0)
            // Archives that it is sent: of hundreds of megabytes, and left behind where it ends in between.
            .env("TMPDIR", &tmp)
            .env_remove("DOCKER_HOST");
        if let Some(text) = containers_conf(needs) {
            let path = dir.join(CONF);
            std::fs::write(&path, text).map_err(unwritable(&path))?;
            command.env("CONTAINERS_CONF", path);
        }
        let child = command
            .spawn()
            .map_err(|source| ServiceError::DidNotStart {
                program: line[0].clone(),
                source,
            })?;
        let process = Owner::of(child.id()).map_err(|error| ServiceError::Silent {
            what: format!("cannot be told from others ({error})"),
            log: String::new(),
        })?;
        let mut service = Self {
            child: Some(child),
            process,
            tmp,
            endpoint: Endpoint::unix(&socket),
        };
        match service.until_it_answers().await {
            Ok(()) => Ok(service),
            Err(what) => {
                service.stop();
                let log = std::fs::read_to_string(&log_path)
                    .unwrap_or_else(|error| format!("(no log: {error})"));
                Err(ServiceError::Silent {
                    what,
                    log: tail(&log, 10),
                })
            }
        }
    }

    async fn until_it_answers(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(Some(status))) => return Err(format!("ended with {status}")),
                Some(Ok(None)) | None => {}
                Some(Err(error)) => return Err(format!("cannot be waited for ({error})")),
            }
            match super::answers(&self.endpoint).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(format!(
                        "did not answer within {} s ({})",
                        START.as_secs(),
                        super::root_cause(&error)
                    ));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Takes over a service that a keeper left when it died, if it still answers; ends it if it does not.
    pub async fn adopt(process: &Owner, dir: &Path) -> Option<Self> {
        let mut service = Self {
            child: None,
            process: process.clone(),
            tmp: tmp_of(dir),
            endpoint: Endpoint::unix(&dir.join("podman.sock")),
        };
        if !process.is_alive() {
            return None;
        }
        if super::answers(&service.endpoint).await.is_ok() {
            return Some(service);
        }
        service.stop();
        None
    }

    /// Ends what the service runs by itself: the step of an image build whose client is gone. podman then removes the
    /// build's container. Labs are not among them, conmon has left the family.
    pub fn end_steps(&self) {
        for child in descendants(self.process.pid) {
            if let Some(child) = rustix::process::Pid::from_raw(child.cast_signed())
                && let Err(error) =
                    rustix::process::kill_process(child, rustix::process::Signal::KILL)
            {
                tracing::debug!(%error, ?child, "it ended by itself");
            }
        }
    }

    /// Ends the service and waits for it.
    pub fn stop(&mut self) {
        use rustix::process::{Signal, kill_process};
        // The exec chain keeps the pid, so the signal reaches podman itself.
        if let Some(pid) = rustix::process::Pid::from_raw(self.process.pid.cast_signed()) {
            for (signal, patience) in [(Signal::TERM, 3), (Signal::KILL, 3)] {
                // A zombie of ours does not count as alive, so its pid cannot be another's yet.
                let sent = !self.process.is_alive() || kill_process(pid, signal).is_ok();
                let deadline = Instant::now() + Duration::from_secs(patience);
                while sent && self.process.is_alive() && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
        if self.process.is_alive() {
            tracing::warn!(service = %self.process, "podman system service could not be ended");
        } else if let Some(Err(error)) = self.child.as_mut().map(Child::wait) {
            tracing::warn!(%error, "podman system service cannot be waited for");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.tmp) {
            tracing::warn!(%error, "the folder of podman's temporary files stays");
        }
    }
}

/// All processes below one, parents first.
fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            Some((pid, parent.trim().parse().ok()?))
        })
        .collect();
    let mut family = vec![of];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        next += 1;
        family.extend(
            parents
                .iter()
                .filter(|(_, up)| *up == parent)
                .map(|(pid, _)| pid),
        );
    }
    family.remove(0);
    family
}

/// Where podman puts what it is sent. Not below the state directory, which is a tmpfs.
fn tmp_of(dir: &Path) -> PathBuf {
    let hash = crate::image::archive::hex(dir.as_os_str().as_encoded_bytes());
    Path::new(crate::session::SCRATCH_IN).join(format!("archipelago-lab-podman-{}", &hash[..12]))
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_mount_is_told_from_a_private_one_and_from_another() {
        let mounts = "30 23 0:26 / /run/netns rw,nosuid shared:12 - tmpfs tmpfs rw\n\
                      31 23 0:27 / /run/private rw - tmpfs shared:no rw\n";
        assert!(is_shared(mounts, "/run/netns"));
        assert!(!is_shared(mounts, "/run/private"));
        assert!(!is_shared(mounts, "/run"));
    }
}
