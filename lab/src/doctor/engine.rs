//! The outer engine: is there one, and may it do what a lab needs?

use std::path::PathBuf;

use super::remedy::Remedies;
use super::report::{Finding, chain};
use crate::host::{Capability, Cgroups, HostFacts, Packages, Selinux};

/// What is known of the outer engine. `None` is "not known", never "no".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// Where the engine that labs will use answers, such as `unix:///run/podman/podman.sock`; `None` if none answers.
    pub endpoint: Option<String>,
    /// `podman` or `docker`.
    pub kind: Option<String>,
    /// Its version, such as `5.4.2`.
    pub version: Option<String>,
    /// Whether it can start a container with the privileges of a lab.
    pub privileged: Option<bool>,
    /// Whether it runs without root's rights on the host.
    pub rootless: Option<bool>,
    /// Its storage driver, such as `overlay`, `overlay2` or `vfs`.
    pub storage_driver: Option<String>,
    /// Whether its overlay is the kernel's; `Some(false)` is fuse-overlayfs.
    pub native_overlay: Option<bool>,
    /// Where it keeps images and containers.
    pub graph_root: Option<PathBuf>,
    /// Endpoints that did not answer, in the order in which they were tried.
    pub tried: Vec<Tried>,
    /// Whether the `podman` command is there; the lab can then start a service by itself.
    pub podman_installed: bool,
    /// Whether `mmdebstrap` is there, which makes Debian bases without a registry.
    pub builds_bases: bool,
}

/// An endpoint that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Where an engine was looked for.
    pub endpoint: String,
    /// Why there is none, such as `no such file`.
    pub why_not: String,
}

impl EngineFacts {
    /// The engine as it is named in a sentence.
    fn name(&self) -> &str {
        self.kind.as_deref().unwrap_or("the engine")
    }

    /// Whether labs run without root's rights on the host; an engine that the lab starts has the rights of the lab.
    pub(super) fn is_rootless(&self, remedies: &Remedies) -> bool {
        self.rootless
            .unwrap_or(self.endpoint.is_none() && !remedies.root())
    }
}

/// The oldest podman that labs were run on, and the first docker with private cgroup namespaces.
const OLDEST: [(&str, (u32, u32)); 2] = [("podman", (4, 3)), ("docker", (20, 10))];

/// Is there an engine, and is it new enough?
pub(super) fn engine(engine: &EngineFacts, remedies: &Remedies) -> Finding {
    let Some(endpoint) = &engine.endpoint else {
        return no_engine(engine, remedies);
    };
    let version = engine.version.as_deref().unwrap_or("of unknown version");
    let found = format!("{} {version} at {endpoint}", engine.name());
    let oldest = OLDEST.iter().find(|(kind, _)| *kind == engine.name());
    match (oldest, major_minor(version)) {
        (Some((kind, oldest)), Some(version)) if version < *oldest => Finding::unfit(
            format!("{found}; labs need {}.{} or newer", oldest.0, oldest.1),
            match *kind {
                "podman" => remedies.install_podman(),
                _ => remedies.install(match remedies.packages() {
                    Packages::Apt => "docker.io",
                    Packages::Dnf => "moby-engine",
                    Packages::Pacman | Packages::Zypper | Packages::Other => "docker",
                }),
            },
        ),
        _ => Finding::good(found),
    }
}

fn no_engine(engine: &EngineFacts, remedies: &Remedies) -> Finding {
    let tried: Vec<_> = engine
        .tried
        .iter()
        .map(|tried| format!("{} ({})", tried.endpoint, tried.why_not))
        .collect();
    let tried = if tried.is_empty() {
        String::new()
    } else {
        format!("; tried {}", tried.join(", "))
    };
    if engine.podman_installed {
        return Finding::good(format!(
            "none answers, the lab starts `podman system service` itself{tried}"
        ));
    }
    let refused = |tried: &&Tried| {
        tried.endpoint.contains("docker") && tried.why_not.to_lowercase().contains("permission")
    };
    let remedy = match engine.tried.iter().find(refused) {
        Some(_) => remedies.as_root("usermod -aG docker \"$USER\"   # then log in again"),
        None => remedies.install_podman(),
    };
    Finding::unfit(
        format!("none answers and podman is not installed{tried}"),
        remedy,
    )
}

/// The first two numbers of a version.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-', '~', '+']).map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        (Ok(major), Ok(minor)) => Some((major, minor)),
        _ => None,
    }
}

/// May the engine start privileged containers?
pub(super) fn privileges(host: &HostFacts, engine: &EngineFacts, remedies: &Remedies) -> Finding {
    if engine.endpoint.is_none() && !engine.podman_installed {
        return Finding::unknown("no engine to ask");
    }
    let name = engine.name();
    if engine.privileged == Some(false) {
        let found = format!("{name} cannot start privileged containers");
        return Finding::unfit(found, rootful_podman(engine, remedies));
    }
    if engine.is_rootless(remedies) {
        return match &host.cgroups {
            Ok(cgroups) if !matches!(cgroups.layout, Cgroups::V2 { .. }) => Finding::unfit(
                "rootless; without root nothing can be limited on cgroup v1",
                rootful_podman(engine, remedies),
            ),
            Ok(_) | Err(_) => Finding::warning(
                "rootless: a lab may do less here than on a node, where podman is root's",
                rootful_podman(engine, remedies),
            ),
        };
    }
    match (engine.privileged, &engine.endpoint) {
        (None, Some(_)) => Finding::unknown(format!(
            "whether {name} starts privileged containers was not tried"
        )),
        (Some(_), _) => Finding::good(rights(host, format!("{name} starts privileged containers"))),
        (None, None) => own_service(host),
    }
}

/// The rights of a service that the lab starts: those of this process.
fn own_service(host: &HostFacts) -> Finding {
    let privileges = match &host.privileges {
        Ok(privileges) => privileges,
        Err(error) => return Finding::unknown(chain(error)),
    };
    if privileges.effective.has(Capability::SysAdmin) {
        Finding::good(rights(host, "root with CAP_SYS_ADMIN".to_owned()))
    } else {
        Finding::unfit(
            "root without CAP_SYS_ADMIN: nothing can be mounted here",
            "start the surrounding container with `--privileged`".to_owned(),
        )
    }
}

/// What else is worth knowing of the rights here, though labs cope with it.
fn rights(host: &HostFacts, mut found: String) -> String {
    if matches!(&host.privileges, Ok(own) if !own.bounding.has(Capability::SysResource)) {
        found += "; no CAP_SYS_RESOURCE, so labs stay below the hard limits";
    }
    if matches!(host.selinux, Ok(Selinux::Enforcing)) {
        found += "; SELinux enforces, privileged containers are exempt";
    }
    found
}

/// A podman with root's rights, and the doctor again with it.
fn rootful_podman(engine: &EngineFacts, remedies: &Remedies) -> String {
    let install = if engine.podman_installed {
        String::new()
    } else {
        format!("{} && ", remedies.install_podman())
    };
    let service = remedies.as_root("systemctl enable --now podman.socket");
    // Only root may open that socket; PATH, so that root finds the cargo of the user.
    let again = if remedies.root() {
        ""
    } else {
        "sudo env \"PATH=$PATH\" "
    };
    format!(
        "{install}{service} && {again}DOCKER_HOST=unix:///run/podman/podman.sock cargo lab doctor"
    )
}

/// Can Debian bases be made where no registry answers?
pub(super) fn base_maker(engine: &EngineFacts, remedies: &Remedies) -> Finding {
    if engine.builds_bases {
        return Finding::good("mmdebstrap makes Debian bases without a registry");
    }
    Finding::warning(
        "no mmdebstrap: bases can only come from a registry",
        match remedies.packages() {
            Packages::Apt | Packages::Dnf => remedies.install("mmdebstrap"),
            // It works by apt, which these do not have.
            Packages::Pacman | Packages::Zypper | Packages::Other => {
                "cargo lab image build --base fedora".to_owned()
            }
        },
    )
}
