//! How many processes there may be: the kernel's bound and that of our cgroup.

use std::path::PathBuf;

use super::cgroups::own_folders;
use super::error::Fact;
use super::files::{Files, number};
use super::limits::Limit;

/// Bounds on the number of processes and threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidLimits {
    /// `kernel.pid_max`: process ids of the whole host.
    pub kernel: u64,
    /// The lowest `pids.max` of the cgroup of this process and its parents.
    pub own: Limit,
    /// The `pids.max` file that holds that lowest number; `None` if `own` is unlimited.
    pub bounded_by: Option<PathBuf>,
}

impl PidLimits {
    /// Reads both bounds. A cgroup without a `pids.max` file bounds nothing.
    pub fn read(files: &Files) -> Fact<Self> {
        let kernel = files.parse("/proc/sys/kernel/pid_max", number)?;
        let mut bounds = Vec::new();
        for folder in own_folders(files, "pids")? {
            let file = folder.join("pids.max");
            if let Some(text) = files.text_if_there(&file)? {
                let limit = Limit::parse(&text).map_err(|source| files.misread(&file, source))?;
                bounds.push((limit, file));
            }
        }
        let (own, bounded_by) = lowest(bounds);
        Ok(Self {
            kernel,
            own,
            bounded_by,
        })
    }
}

/// The lowest of these limits and its file.
fn lowest(bounds: Vec<(Limit, PathBuf)>) -> (Limit, Option<PathBuf>) {
    match bounds.into_iter().min() {
        Some((limit @ Limit::At(_), file)) => (limit, Some(file)),
        Some((Limit::Unlimited, _)) | None => (Limit::Unlimited, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &std::path::Path, file: &str, text: &str) {
        let file = root.join(file);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, text).expect("written");
    }

    #[test]
    fn the_lowest_bound_of_the_own_cgroup_and_its_parents_counts() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        write(root, "proc/sys/kernel/pid_max", "4194304\n");
        write(
            root,
            "proc/self/mountinfo",
            "28 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        );
        write(root, "proc/self/cgroup", "0::/user.slice/job\n");
        write(root, "sys/fs/cgroup/user.slice/job/pids.max", "max\n");
        write(root, "sys/fs/cgroup/user.slice/pids.max", "10813\n");
        write(root, "sys/fs/cgroup/other/pids.max", "5\n");
        let limits = PidLimits::read(&Files::below(root)).expect("read");
        assert_eq!(
            limits,
            PidLimits {
                kernel: 4_194_304,
                own: Limit::At(10_813),
                bounded_by: Some(PathBuf::from("/sys/fs/cgroup/user.slice/pids.max")),
            }
        );
    }

    #[test]
    fn max_everywhere_is_no_bound() {
        let file = PathBuf::from("/sys/fs/cgroup/a/pids.max");
        assert_eq!(
            lowest(vec![(Limit::Unlimited, file)]),
            (Limit::Unlimited, None)
        );
    }
}
