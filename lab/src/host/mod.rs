//! What this host is like, before anything is created on it.
//!
//! Each fact is a small struct with a pure `parse` (text in, value out) and a `read` that opens the files through
//! [`Files`]. A fact that cannot be had is an error beside the others ([`Fact`]), never a reason to stop.
//! What the facts mean for a lab is the business of [`crate::doctor`].

mod cgroups;
mod distro;
mod error;
mod files;
mod inotify;
mod limits;
mod modules;
mod overlay;
mod pids;
mod privileges;
mod room;
mod routes;
mod selinux;

use std::path::Path;

pub use cgroups::{CgroupFacts, Cgroups};
pub use distro::{Distro, Packages};
pub use error::{Fact, HostError, ParseError};
pub use files::Files;
pub use inotify::InotifyLimits;
pub use limits::{HardLimits, Limit};
pub use modules::{KernelModules, Presence};
pub use overlay::OverlayFacts;
pub use pids::PidLimits;
pub use privileges::{Capabilities, Capability, Privileges};
pub use room::{DiskSpace, MemoryRoom};
pub use routes::{Route, Subnet};
pub use selinux::Selinux;

/// All that is known of a host.
#[derive(Debug)]
pub struct HostFacts {
    /// Which cgroup hierarchies are mounted.
    pub cgroups: Fact<CgroupFacts>,
    /// User and capabilities of this process.
    pub privileges: Fact<Privileges>,
    /// Hard resource limits of this process.
    pub limits: Fact<HardLimits>,
    /// Whether file systems can be stacked.
    pub overlay: Fact<OverlayFacts>,
    /// Whether `/dev/net/tun` is there.
    pub tun_device: Fact<bool>,
    /// Bounds on inotify.
    pub inotify: Fact<InotifyLimits>,
    /// Bounds on the number of processes.
    pub pids: Fact<PidLimits>,
    /// IPv4 routes that are up.
    pub routes: Fact<Vec<Route>>,
    /// Free space where images and labs will lie.
    pub disk: Fact<DiskSpace>,
    /// Memory that labs can have.
    pub memory: Fact<MemoryRoom>,
    /// CPUs that this process may use.
    pub cpus: Fact<usize>,
    /// Kernel modules for networks and storage.
    pub modules: Fact<KernelModules>,
    /// The distribution.
    pub distro: Fact<Distro>,
    /// A name that is new at each boot of the host, as in `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Fact<String>,
    /// What SELinux does.
    pub selinux: Fact<Selinux>,
}

impl HostFacts {
    /// Reads all facts; `disk` is a path where images and labs will lie, such as the engine's graph root.
    pub fn read(files: &Files, disk: &Path) -> Self {
        Self {
            cgroups: CgroupFacts::read(files),
            privileges: Privileges::read(files),
            limits: HardLimits::read(files),
            overlay: OverlayFacts::read(files),
            tun_device: overlay::tun_device(files),
            inotify: InotifyLimits::read(files),
            pids: PidLimits::read(files),
            routes: Route::read_all(files),
            disk: DiskSpace::measure(disk),
            memory: MemoryRoom::read(files),
            cpus: std::thread::available_parallelism()
                .map(usize::from)
                .map_err(|source| HostError::Cpus { source }),
            modules: KernelModules::read(files),
            distro: Distro::read(files),
            boot_id: boot_id(files),
            selinux: Selinux::read(files),
        }
    }
}

/// Reads a name that is new at each boot of the host.
pub fn boot_id(files: &Files) -> Fact<String> {
    let text = files.text("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_cannot_be_had_does_not_hide_the_others() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("proc/sys/kernel/random")).expect("made");
        let file = root.path().join("proc/sys/kernel/random/boot_id");
        std::fs::write(file, "5d2c\n").expect("written");
        let facts = HostFacts::read(&Files::below(root.path()), root.path());
        assert!(matches!(&facts.boot_id, Ok(id) if id == "5d2c"));
        assert!(facts.cgroups.is_err() && facts.memory.is_err() && facts.disk.is_ok());
    }

    /// Every Linux has these, in a container as well.
    #[test]
    fn the_host_that_runs_the_tests_can_be_read() {
        let facts = HostFacts::read(&Files::host(), Path::new("/"));
        let known = (&facts.privileges, &facts.limits, &facts.memory, &facts.disk);
        assert!(matches!(known, (Ok(_), Ok(_), Ok(_), Ok(_))), "{facts:#?}");
    }
}
