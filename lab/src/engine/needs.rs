//! What a host needs podman's service to do differently, and from that its command line and configuration. Pure but for
//! [`Needs::of_this_host`]. Measured with podman 4.3.1 and crun 1.8:
//!
//! - hybrid cgroup v1: crun refuses it, so the service runs in a mount namespace of its own, without the unified mount;
//! - no systemd: the cgroup manager is cgroupfs and events go to a file;
//! - no CAP_SYS_RESOURCE: podman's default limits cannot be set, so limits within the hard ones are configured.

use std::path::{Path, PathBuf};

use super::service::ServiceError;
use crate::host::{Capability, CgroupFacts, Cgroups, Files, HardLimits, Limit, Privileges};

/// What the host needs the service to do differently. Values, so that the command line is a pure function of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Where cgroup2 is mounted beside v1 controllers, if it is.
    pub unified_mount: Option<PathBuf>,
    /// Whether systemd runs the host.
    pub systemd: bool,
    /// Hard limits (open files, processes) where they cannot be raised: without CAP_SYS_RESOURCE.
    pub limits: Option<(u64, u64)>,
}

impl Needs {
    /// What this host needs.
    pub fn of_this_host(files: &Files) -> Result<Self, ServiceError> {
        let layout = CgroupFacts::read(files)?.layout;
        let privileges = Privileges::read(files)?;
        if privileges.is_root() && !privileges.effective.has(Capability::SysAdmin) {
            return Err(ServiceError::Unprivileged);
        }
        let limits = HardLimits::read(files)?;
        // Without root podman knows by itself that it cannot raise limits.
        let cannot_raise =
            privileges.is_root() && !privileges.effective.has(Capability::SysResource);
        Ok(Self {
            unified_mount: match layout {
                Cgroups::Hybrid { unified_mount } => Some(unified_mount),
                Cgroups::V1 | Cgroups::V2 { .. } => None,
            },
            systemd: Path::new("/run/systemd/system").is_dir(),
            limits: cannot_raise.then(|| {
                (
                    at_most(limits.open_files, FILES),
                    at_most(limits.processes, PROCESSES),
                )
            }),
        })
    }
}

/// podman's own default for open files.
const FILES: u64 = 1_048_576;
/// podman lowers its own limit to this many processes.
const PROCESSES: u64 = 32_768;

fn at_most(hard: Limit, wish: u64) -> u64 {
    match hard {
        Limit::At(hard) => hard.min(wish),
        Limit::Unlimited => wish,
    }
}

/// podman's options where systemd does not run the host.
pub(super) const WITHOUT_SYSTEMD: [&str; 4] =
    ["--cgroup-manager", "cgroupfs", "--events-backend", "file"];
/// Runs the rest of its arguments without the mount that the first one names. Private first, where the host's mounts are
/// shared: the host keeps its own.
const WITHOUT_UNIFIED: &str = r#"mount --make-rprivate "${1%/*}"; umount "$1"; shift; exec "$@""#;

/// The whole command line of the service.
pub fn command_line(needs: &Needs, socket: &Path) -> Vec<String> {
    let mut podman = vec!["podman".to_owned()];
    if !needs.systemd {
        podman.extend(WITHOUT_SYSTEMD.map(String::from));
    }
    podman.extend(["system", "service", "--time", "0"].map(String::from));
    podman.push(format!("unix://{}", socket.display()));
    let Some(unified) = &needs.unified_mount else {
        return podman;
    };
    // The paths are arguments, not text of the script.
    let mut line: Vec<String> = [
        "unshare",
        "--mount",
        // What is mounted below a shared mount, such as network namespaces, is seen by all.
        "--propagation",
        "unchanged",
        "--",
        "sh",
        "-ec",
        WITHOUT_UNIFIED,
        "sh",
    ]
    .map(String::from)
    .into();
    line.push(unified.display().to_string());
    line.extend(podman);
    line
}

/// The containers.conf of the service, or nothing where the system's own will do.
pub fn containers_conf(needs: &Needs) -> Option<String> {
    let mut containers = String::new();
    if let Some((files, processes)) = needs.limits {
        containers.push_str(&format!(
            "default_ulimits = [\"nofile={files}:{files}\", \"nproc={processes}:{processes}\"]\n"
        ));
    }
    (!containers.is_empty()).then(|| {
        format!(
            "[containers]\n{containers}\
             [engine]\n\
             # Otherwise conmon of each finished exec stays for five minutes.\n\
             exit_command_delay = 1\n\
             [network]\n\
             network_backend = \"netavark\"\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_usual_host_it_is_the_plain_command() {
        let needs = Needs {
            systemd: true,
            ..Needs::default()
        };
        assert_eq!(
            command_line(&needs, Path::new("/run/l/p.sock")).join(" "),
            "podman system service --time 0 unix:///run/l/p.sock"
        );
        assert_eq!(containers_conf(&needs), None);
    }

    #[test]
    fn on_a_hybrid_host_the_unified_mount_goes_away_for_the_service_only() {
        let needs = Needs {
            unified_mount: Some("/sys/fs/cgroup/uni fied".into()),
            systemd: false,
            limits: Some((20000, 32768)),
        };
        let line = command_line(&needs, Path::new("/run/l/p.sock"));
        assert_eq!(
            &line[..5],
            ["unshare", "--mount", "--propagation", "unchanged", "--"]
        );
        // An argument of its own, whatever it holds.
        assert_eq!(
            &line[8..11],
            ["sh", "/sys/fs/cgroup/uni fied", "podman"],
            "{line:?}"
        );
        let conf = containers_conf(&needs).unwrap();
        assert!(
            conf.contains(r#""nofile=20000:20000", "nproc=32768:32768""#),
            "{conf}"
        );
    }
}
