//! A container registry to put into a lab.

use std::path::PathBuf;

use crate::image::inputs::source_root;

/// The path of a registry that is installed on this machine (Debian's docker-registry, Fedora's docker-distribution), or that
/// `scripts/lib.sh` has unpacked; none where there is none.
pub fn registry_program() -> Option<PathBuf> {
    let unpacked = source_root().join("target/registry/usr/bin");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .chain([unpacked])
        .flat_map(|folder| [folder.join("docker-registry"), folder.join("registry")])
        .find(|program| program.is_file())
}
