//! A base image made from Debian packages, for hosts that reach a package mirror and no registry.

use std::path::Path;

use super::base::Suite;
use super::flavour::Flavour;

/// What a lab needs of a Debian, whatever the suite. The same names as in `Containerfile.lab`.
const PACKAGES: [&str; 16] = [
    "aardvark-dns",
    "ca-certificates",
    "catatonit",
    "conmon",
    "crun",
    "dbus",
    "fuse-overlayfs",
    "iproute2",
    "iptables",
    "netavark",
    "nftables",
    "openssh-server",
    "podman",
    "procps",
    "systemd",
    "systemd-sysv",
];

/// What a stand-in for a node needs besides: to log in, to build archipelago, and to have images to pull. The same names as
/// in `Containerfile.lab`.
const NODE_PACKAGES: [&str; 6] = [
    "busybox-static",
    "docker-registry",
    "gcc",
    "libc6-dev",
    "rsync",
    "sudo",
];

/// The packages that come from another suite together where [`Suite::systemd_from`] says so.
const SYSTEMD: &str = "systemd systemd-sysv libsystemd-shared libsystemd0 libudev1 udev";

/// The command line that makes the base: a tar of a root file system at `tar`. Pure; also what the base's tag is made of.
pub fn command_line(suite: Suite, flavour: Flavour, tar: &Path) -> Vec<String> {
    let mut packages = PACKAGES.to_vec();
    match flavour {
        Flavour::Lab => {}
        Flavour::Node => packages.extend(NODE_PACKAGES),
    }
    let mut line = vec![
        "mmdebstrap".to_owned(),
        "--quiet".into(),
        "--variant=minbase".into(),
        format!("--include={}", packages.join(",")),
        // Documentation is a fifth of the image and nobody reads it in a lab.
        r#"--dpkgopt=path-exclude=/usr/share/man/*"#.into(),
        r#"--dpkgopt=path-exclude=/usr/share/locale/*"#.into(),
        r#"--dpkgopt=path-exclude=/usr/share/doc/*"#.into(),
    ];
    if suite == Suite::Sid {
        // Unstable's index is valid for a week; a mirror that was snapshotted serves an older one, still signed.
        line.push(r#"--aptopt=Acquire::Check-Valid-Until "false""#.into());
    }
    if let Some(other) = suite.systemd_from() {
        line.push(format!(
            "--setup-hook=printf 'Package: {SYSTEMD}\\nPin: release n={other}\\nPin-Priority: 1001\\n' \
             > \"$1/etc/apt/preferences.d/systemd\"; \
             sed 's/ {suite} / {other} /' \"$1/etc/apt/sources.list\" > \"$1/etc/apt/sources.list.d/{other}.list\"",
            suite = suite.name(),
            other = other.name(),
        ));
    }
    line.push(suite.name().into());
    line.push(tar.display().to_string());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_suite_whose_systemd_needs_cgroup_v2_takes_it_from_another() {
        let pinned = |suite| {
            command_line(suite, Flavour::Lab, Path::new("b.tar"))
                .iter()
                .any(|word| word.contains("Pin: release n=trixie"))
        };
        assert!(!pinned(Suite::Bookworm));
        assert!(!pinned(Suite::Trixie));
        assert!(pinned(Suite::Sid));
    }
}
