//! What container storage and networks need of the kernel beside modules: file systems and device nodes.

use super::error::Fact;
use super::files::Files;

/// Whether the kernel can stack file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlayFacts {
    /// `overlay` is a file system that the kernel knows now. A module that is not loaded yet is not seen here.
    pub in_kernel: bool,
    /// `/dev/fuse` is there, so that fuse-overlayfs works.
    pub fuse_device: bool,
}

impl OverlayFacts {
    /// Reads both facts.
    pub fn read(files: &Files) -> Fact<Self> {
        Ok(Self {
            in_kernel: files.parse("/proc/filesystems", |text| Ok(has_overlay(text)))?,
            fuse_device: files.exists("/dev/fuse")?,
        })
    }
}

/// Whether a text of `/proc/filesystems` (one `[nodev]<tab>name` a line) knows overlay.
fn has_overlay(text: &str) -> bool {
    text.lines()
        .any(|line| line.split_whitespace().last() == Some("overlay"))
}

/// Whether `/dev/net/tun` is there, which rootless networks need.
pub(super) fn tun_device(files: &Files) -> Fact<bool> {
    files.exists("/dev/net/tun")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_is_a_whole_word() {
        assert!(has_overlay("nodev\tproc\n\text4\nnodev\toverlay\n"));
        assert!(!has_overlay("nodev\tproc\nnodev\toverlayfs\n"));
    }
}
