//! Hosts and engines of the check table.

use crate::doctor::EngineFacts;
use crate::host::{
    Capabilities, CgroupFacts, Cgroups, DiskSpace, Distro, HardLimits, HostFacts, InotifyLimits,
    KernelModules, Limit, MemoryRoom, OverlayFacts, PidLimits, Presence, Privileges, Route,
    Selinux, Subnet,
};

const GIB: u64 = 1 << 30;

/// A Debian 12 machine that runs CI as root: hybrid cgroup v1, no `CAP_SYS_RESOURCE`, everything built in.
pub(super) fn ci() -> HostFacts {
    HostFacts {
        cgroups: Ok(CgroupFacts {
            layout: Cgroups::Hybrid {
                unified_mount: "/sys/fs/cgroup/unified".into(),
            },
            memory_controller: true,
        }),
        privileges: Ok(Privileges {
            user: 0,
            effective: Capabilities(0x1ff_feff_ffff),
            bounding: Capabilities(0x1ff_feff_ffff),
        }),
        limits: Ok(HardLimits {
            open_files: Limit::At(20_000),
            processes: Limit::At(96_365),
        }),
        overlay: Ok(OverlayFacts {
            in_kernel: true,
            fuse_device: true,
        }),
        tun_device: Ok(true),
        inotify: Ok(InotifyLimits {
            instances: 128,
            watches: 192_536,
        }),
        pids: Ok(PidLimits {
            kernel: 32_768,
            own: Limit::Unlimited,
            bounded_by: None,
        }),
        routes: Ok(vec![
            route([0, 0, 0, 0], 0, "eth0"),
            route([10, 88, 0, 0], 16, "podman0"),
            route([192, 0, 2, 0], 24, "eth0"),
        ]),
        disk: Ok(DiskSpace {
            path: "/var/lib/containers".into(),
            free_bytes: 60 * GIB,
            free_inodes: Some(4_000_000),
        }),
        memory: Ok(MemoryRoom {
            available_bytes: 23 * GIB,
            swap_free_bytes: 0,
        }),
        cpus: Ok(2),
        modules: Ok(KernelModules {
            bridge: Presence::There,
            veth: Presence::There,
            nf_tables: Presence::There,
            ip_tables: Presence::There,
            overlay: Presence::There,
        }),
        distro: Ok(Distro::parse("ID=debian\n")),
        boot_id: Ok("5d2c".to_owned()),
        selinux: Ok(Selinux::Absent),
    }
}

/// A Fedora laptop and its user: cgroup v2, btrfs, SELinux, modules that load at first use.
pub(super) fn fedora() -> HostFacts {
    let controllers = ["cpuset", "cpu", "io", "memory", "pids"];
    HostFacts {
        cgroups: Ok(CgroupFacts {
            layout: Cgroups::V2 {
                controllers: controllers.map(str::to_owned).to_vec(),
            },
            memory_controller: true,
        }),
        privileges: Ok(user()),
        limits: Ok(HardLimits {
            open_files: Limit::At(524_288),
            processes: Limit::At(62_841),
        }),
        overlay: Ok(OverlayFacts {
            in_kernel: false,
            fuse_device: true,
        }),
        disk: Ok(DiskSpace {
            path: "/var/lib/containers".into(),
            free_bytes: 200 * GIB,
            free_inodes: None,
        }),
        modules: Ok(KernelModules {
            bridge: Presence::Loadable,
            veth: Presence::Loadable,
            nf_tables: Presence::There,
            ip_tables: Presence::Missing,
            overlay: Presence::Loadable,
        }),
        cpus: Ok(8),
        routes: Ok(vec![
            route([0, 0, 0, 0], 0, "wlp0s20f3"),
            route([192, 168, 1, 0], 24, "wlp0s20f3"),
        ]),
        distro: Ok(Distro::parse("ID=fedora\n")),
        selinux: Ok(Selinux::Enforcing),
        ..ci()
    }
}

/// Somebody who is not root.
pub(super) fn user() -> Privileges {
    Privileges {
        user: 1000,
        effective: Capabilities(0),
        bounding: Capabilities(0x1ff_ffff_ffff),
    }
}

/// Root's podman.
pub(super) fn podman() -> EngineFacts {
    EngineFacts {
        endpoint: Some("unix:///run/podman/podman.sock".to_owned()),
        kind: Some("podman".to_owned()),
        version: Some("5.4.2".to_owned()),
        privileged: Some(true),
        rootless: Some(false),
        storage_driver: Some("overlay".to_owned()),
        native_overlay: Some(true),
        graph_root: Some("/var/lib/containers/storage".into()),
        tried: Vec::new(),
        podman_installed: true,
        builds_bases: true,
    }
}

/// Root's docker, on a host without podman.
pub(super) fn docker() -> EngineFacts {
    EngineFacts {
        endpoint: Some("unix:///var/run/docker.sock".to_owned()),
        kind: Some("docker".to_owned()),
        version: Some("28.5.1".to_owned()),
        storage_driver: Some("overlay2".to_owned()),
        graph_root: Some("/var/lib/docker".into()),
        podman_installed: false,
        ..podman()
    }
}

fn route(base: [u8; 4], prefix: u8, interface: &str) -> Route {
    Route {
        to: Subnet::new(base, prefix),
        interface: interface.to_owned(),
    }
}
