//! Bounds on inotify, which every systemd uses.

use super::error::Fact;
use super::files::{Files, number};

/// What one user of the host may have at a time. All rootful labs are one user: root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InotifyLimits {
    /// `fs.inotify.max_user_instances`.
    pub instances: u64,
    /// `fs.inotify.max_user_watches`.
    pub watches: u64,
}

impl InotifyLimits {
    /// Reads both bounds.
    pub fn read(files: &Files) -> Fact<Self> {
        let read = |name: &str| files.parse(format!("/proc/sys/fs/inotify/{name}"), number);
        Ok(Self {
            instances: read("max_user_instances")?,
            watches: read("max_user_watches")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_comes_from_its_own_file() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("proc/sys/fs/inotify");
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("max_user_instances"), "128\n").expect("written");
        std::fs::write(folder.join("max_user_watches"), "192536\n").expect("written");
        let limits = InotifyLimits::read(&Files::below(root.path())).expect("read");
        assert_eq!((limits.instances, limits.watches), (128, 192_536));
    }
}
