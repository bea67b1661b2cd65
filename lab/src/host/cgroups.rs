//! The cgroup layout, from `/proc/self/mountinfo` and `/proc/self/cgroup`.
//!
//! Read it at each start and never keep it: a systemd in a container can change the layout of a v1 host machine-wide.

use std::path::{Path, PathBuf};

use super::error::{Fact, HostError, ParseError};
use super::files::Files;

const MOUNTINFO: &str = "/proc/self/mountinfo";
const OWN: &str = "/proc/self/cgroup";

/// Which cgroup hierarchies are mounted, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cgroups {
    /// Version 1 alone: one mount a controller.
    V1,
    /// Version 1 with the version 2 tree mounted beside it, which crun refuses.
    Hybrid {
        /// Where the version 2 tree is mounted.
        unified_mount: PathBuf,
    },
    /// Version 2 alone.
    V2 {
        /// Controllers that the root of the tree offers, as in `cgroup.controllers`.
        controllers: Vec<String>,
    },
}

/// The cgroup layout of this process' mount namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupFacts {
    /// Which hierarchies there are.
    pub layout: Cgroups,
    /// Whether memory can be limited: a version 1 memory mount, or `memory` among the version 2 controllers.
    pub memory_controller: bool,
}

impl CgroupFacts {
    /// Reads the layout; [`HostError::Absent`] if no cgroup file system is mounted.
    pub fn read(files: &Files) -> Fact<Self> {
        let mounts = files.parse(MOUNTINFO, parse_mounts)?;
        let controllers = match unified_alone(&mounts) {
            Some(mount) => files.text(mount.mount_point.join("cgroup.controllers"))?,
            None => String::new(),
        };
        Self::judge(&mounts, &controllers).ok_or_else(|| HostError::Absent {
            file: files.locate(MOUNTINFO),
            what: "cgroup file system",
        })
    }

    /// The layout that these mounts make; `controllers` is the text of the version 2 root's `cgroup.controllers`.
    fn judge(mounts: &[CgroupMount], controllers: &str) -> Option<Self> {
        if unified_alone(mounts).is_some() {
            let controllers: Vec<_> = controllers.split_whitespace().map(str::to_owned).collect();
            return Some(Self {
                memory_controller: controllers.iter().any(|name| name == "memory"),
                layout: Cgroups::V2 { controllers },
            });
        }
        mounts.first()?;
        Some(Self {
            layout: match mounts.iter().rev().find(|mount| mount.is_unified()) {
                Some(unified) => Cgroups::Hybrid {
                    unified_mount: unified.mount_point.clone(),
                },
                None => Cgroups::V1,
            },
            memory_controller: mounts.iter().any(|mount| mount.controls("memory")),
        })
    }
}

/// The version 2 tree if it is the main one: mounted at the usual place, or without any version 1 mount.
///
/// Version 1 mounts elsewhere do not make such a host hybrid: some VPN programs mount `net_cls` for themselves.
fn unified_alone(mounts: &[CgroupMount]) -> Option<&CgroupMount> {
    let unified = || mounts.iter().rev().filter(|mount| mount.is_unified());
    unified()
        .find(|mount| mount.mount_point == Path::new("/sys/fs/cgroup"))
        .or_else(|| {
            unified()
                .next()
                .filter(|_| mounts.iter().all(CgroupMount::is_unified))
        })
}

/// One mounted cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CgroupMount {
    /// The cgroup that is mounted, seen from this process' cgroup namespace.
    root: PathBuf,
    mount_point: PathBuf,
    /// Super options of a version 1 mount, controllers among them; `None` for version 2.
    v1_options: Option<Vec<String>>,
}

impl CgroupMount {
    fn is_unified(&self) -> bool {
        self.v1_options.is_none()
    }

    fn controls(&self, controller: &str) -> bool {
        let options = self.v1_options.iter().flatten();
        options.into_iter().any(|option| option == controller)
    }
}

/// The cgroup mounts of a mountinfo text, in its order.
fn parse_mounts(text: &str) -> Result<Vec<CgroupMount>, ParseError> {
    let mut mounts = Vec::new();
    for line in text.lines() {
        // 31 23 0:29 ROOT MOUNT_POINT OPTIONS [OPTIONAL …] - TYPE SOURCE SUPER_OPTIONS
        let malformed = || ParseError::malformed("a mountinfo line", line);
        let (mount, file_system) = line.split_once(" - ").ok_or_else(malformed)?;
        let mut file_system = file_system.split(' ');
        let unified = match file_system.next() {
            Some("cgroup") => false,
            Some("cgroup2") => true,
            _ => continue,
        };
        let mut mount = mount.split(' ').skip(3);
        let root = mount.next().ok_or_else(malformed)?;
        let mount_point = mount.next().ok_or_else(malformed)?;
        let options = file_system.nth(1).ok_or_else(malformed)?;
        mounts.push(CgroupMount {
            root: unescape(root),
            mount_point: unescape(mount_point),
            v1_options: (!unified).then(|| options.split(',').map(str::to_owned).collect()),
        });
    }
    Ok(mounts)
}

/// Undoes the kernel's escapes: a backslash and three octal digits for blank, tab, newline and backslash.
fn unescape(field: &str) -> PathBuf {
    let pairs = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let text = pairs
        .iter()
        .fold(field.to_owned(), |text, (escape, character)| {
            text.replace(escape, character)
        });
    PathBuf::from(text)
}

/// The folders of the cgroup that `controller` counts this process in, innermost first, up to the mount point.
///
/// Empty if that controller is not mounted.
pub(super) fn own_folders(files: &Files, controller: &str) -> Fact<Vec<PathBuf>> {
    let mounts = files.parse(MOUNTINFO, parse_mounts)?;
    let mount = unified_alone(&mounts)
        .or_else(|| mounts.iter().rev().find(|mount| mount.controls(controller)));
    let Some(mount) = mount else {
        return Ok(Vec::new());
    };
    let controller = (!mount.is_unified()).then_some(controller);
    let own = files.parse(OWN, |text| parse_own(text, controller))?;
    Ok(folders(mount, &own))
}

/// The own cgroup of a version 1 controller, or of version 2 (`None`), in the text of `/proc/self/cgroup`.
fn parse_own(text: &str, controller: Option<&str>) -> Result<PathBuf, ParseError> {
    text.lines()
        .find_map(|line| {
            // 8:pids:/user.slice, or 0::/user.slice for version 2
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let ours = match controller {
                Some(controller) => controllers.split(',').any(|name| name == controller),
                None => controllers.is_empty(),
            };
            ours.then(|| PathBuf::from(path))
        })
        .ok_or(ParseError::Missing("line for the controller"))
}

/// Where the cgroup `own` and its parents are, below the mount point.
fn folders(mount: &CgroupMount, own: &Path) -> Vec<PathBuf> {
    // A cgroup that is not below the mounted one cannot be seen; the mounted one is the nearest that can.
    let below = own.strip_prefix(&mount.root).unwrap_or(Path::new(""));
    below
        .ancestors()
        .map(|part| mount.mount_point.join(part))
        .collect()
}

#[cfg(test)]
#[path = "cgroups_tests.rs"]
mod tests;
