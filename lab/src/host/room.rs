//! Room for images and labs: disk and memory.

use std::path::{Path, PathBuf};

use super::error::{Fact, HostError, ParseError};
use super::files::Files;

/// What is free on the file system that holds a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSpace {
    /// The path that was measured.
    pub path: PathBuf,
    /// Bytes that an ordinary user may still write.
    pub free_bytes: u64,
    /// Files that may still be made; `None` where the file system has no fixed number (btrfs).
    pub free_inodes: Option<u64>,
}

impl DiskSpace {
    /// Measures the file system that holds `path`; the nearest parent counts if `path` is not there yet.
    pub fn measure(path: &Path) -> Fact<Self> {
        let path = path
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(path)
            .to_owned();
        match rustix::fs::statvfs(&path) {
            Ok(free) => Ok(Self {
                free_bytes: free.f_bavail.saturating_mul(free.f_frsize),
                free_inodes: (free.f_files > 0).then_some(free.f_favail),
                path,
            }),
            Err(error) => Err(HostError::Measure {
                path,
                source: error.into(),
            }),
        }
    }
}

/// Memory that new processes can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRoom {
    /// `MemAvailable` in bytes: free, or held by caches that give way.
    pub available_bytes: u64,
    /// `SwapFree` in bytes.
    pub swap_free_bytes: u64,
}

impl MemoryRoom {
    /// Reads the memory of the host.
    pub fn read(files: &Files) -> Fact<Self> {
        files.parse("/proc/meminfo", Self::parse)
    }

    /// Parses the text of `/proc/meminfo`, whose numbers are in KiB.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self {
            available_bytes: kib(text, "MemAvailable:")? * 1024,
            swap_free_bytes: kib(text, "SwapFree:")? * 1024,
        })
    }
}

fn kib(text: &str, name: &'static str) -> Result<u64, ParseError> {
    let field = text.lines().find_map(|line| line.strip_prefix(name));
    let field = field.ok_or(ParseError::Missing(name))?.trim();
    field
        .strip_suffix(" kB")
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| ParseError::malformed("a number of kB", field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_is_available_not_what_is_free() {
        let text = "MemTotal:       24684096 kB\nMemFree:           20877 kB\n\
                    MemAvailable:   24146004 kB\nSwapFree:           1024 kB\n";
        assert_eq!(
            MemoryRoom::parse(text),
            Ok(MemoryRoom {
                available_bytes: 24_725_508_096,
                swap_free_bytes: 1_048_576,
            })
        );
        assert!(MemoryRoom::parse("MemAvailable: 5 MB\nSwapFree: 0 kB\n").is_err());
    }

    #[test]
    fn a_path_that_is_not_there_yet_is_measured_at_its_parent() {
        let folder = tempfile::tempdir().expect("a folder");
        let space = DiskSpace::measure(&folder.path().join("a/b")).expect("measured");
        assert_eq!(space.path, folder.path());
        assert!(space.free_bytes > 0);
    }
}
