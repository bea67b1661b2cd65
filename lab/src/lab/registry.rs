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

/// Why none can be put into a lab, for tests that are listed; none where one can.
pub fn registry_missing() -> Option<String> {
    registry_program().is_none().then(|| {
        "no container registry to put into the lab: Debian's package is docker-registry, Fedora's docker-distribution"
            .to_owned()
    })
}
