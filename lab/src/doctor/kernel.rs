//! What the kernel must offer: cgroups and overlay.

use super::engine::EngineFacts;
use super::remedy::Remedies;
use super::report::{Finding, judge};
use crate::host::{CgroupFacts, Cgroups, Fact, HostError, HostFacts, Presence};

/// Which cgroup version, and which bases it allows?
pub(super) fn cgroup_version(cgroups: &Fact<CgroupFacts>, remedies: &Remedies) -> Finding {
    let v2 = || remedies.boot_with("systemd.unified_cgroup_hierarchy=1");
    let debian_only = "systemd 258 and newer (Fedora 43) need v2, Debian bases do not";
    cgroups_or_unfit(cgroups, remedies, |cgroups| match &cgroups.layout {
        Cgroups::V2 { .. } => Finding::good("v2"),
        Cgroups::V1 => Finding::warning(format!("v1: {debian_only}"), v2()),
        Cgroups::Hybrid { unified_mount } => Finding::warning(
            format!(
                "v1 with v2 beside it at {}, which the lab hides from the podman it starts: {debian_only}",
                unified_mount.display()
            ),
            v2(),
        ),
    })
}

/// Can memory be limited?
pub(super) fn memory_controller(cgroups: &Fact<CgroupFacts>, remedies: &Remedies) -> Finding {
    cgroups_or_unfit(cgroups, remedies, |cgroups| {
        if cgroups.memory_controller {
            Finding::good("memory can be limited")
        } else {
            Finding::unfit(
                "none: no memory limit works, nothing is ever killed for memory",
                remedies.boot_with("cgroup_enable=memory"),
            )
        }
    })
}

/// A host that mounts no cgroups at all is unfit; all other errors leave open what it is.
fn cgroups_or_unfit(
    cgroups: &Fact<CgroupFacts>,
    remedies: &Remedies,
    rule: impl FnOnce(&CgroupFacts) -> Finding,
) -> Finding {
    match cgroups {
        Err(HostError::Absent { .. }) => Finding::unfit(
            "no cgroups are mounted",
            remedies.as_root("mount -t cgroup2 none /sys/fs/cgroup"),
        ),
        Ok(_) | Err(_) => judge(cgroups, rule),
    }
}

/// Can layers of images be stacked?
pub(super) fn overlay(host: &HostFacts, engine: &EngineFacts, remedies: &Remedies) -> Finding {
    if engine.storage_driver.as_deref() == Some("vfs") {
        return Finding::warning(
            "the engine copies every layer (vfs): slow, and it fills the disk",
            format!(
                "printf '%s\\n' '[storage]' 'driver = \"overlay\"' 'runroot = \"/run/containers/storage\"' \
                 'graphroot = \"/var/lib/containers/storage\"' | {}   # then `podman system reset`",
                remedies.as_root("tee /etc/containers/storage.conf")
            ),
        );
    }
    let module = match &host.modules {
        Ok(modules) => modules.overlay,
        Err(_) => Presence::Unknown,
    };
    judge(&host.overlay, |overlay| {
        let modprobe = || remedies.modprobe("overlay");
        match (overlay.in_kernel, module, overlay.fuse_device) {
            (true, ..) | (false, Presence::There, _) => match engine.native_overlay {
                Some(false) => Finding::good("in the kernel; the engine uses fuse-overlayfs"),
                Some(true) | None => Finding::good("in the kernel"),
            },
            (false, Presence::Loadable, _) => Finding::good("the kernel loads it at first use"),
            (false, Presence::Unknown | Presence::Missing, true) => {
                Finding::warning("only through /dev/fuse, which is slower", modprobe())
            }
            (false, Presence::Unknown | Presence::Missing, false) => {
                Finding::unfit("neither overlay nor /dev/fuse", modprobe())
            }
        }
    })
}
