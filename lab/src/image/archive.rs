//! The fixture image, written as the archive that `podman load` and `docker load` read: no engine is needed to make it,
//! and equal programs give equal image ids.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

/// The fixture image's name inside labs.
pub const FIXTURE_IMAGE: &str = "localhost/archipelago-fixture:latest";

/// A docker-archive with one image, one layer and one file, the entry point `/fixture`.
pub fn fixture_archive(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "fixture", 0o755, program)?;
    // A scratch image has no /tmp, and programs expect one.
    let mut header = header(0o1777, 0);
    header.set_entry_type(tar::EntryType::Directory);
    layer.append_data(&mut header, "tmp/", io::empty())?;
    let layer = layer.into_inner()?;
    let diff_id = hex(&layer);
    let config = serde_json::json!({
        "architecture": architecture(),
        "os": "linux",
        // Fixed: the id is a function of the program alone.
        "created": "1970-01-01T00:00:00Z",
        "config": { "Entrypoint": ["/fixture"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "archipelago-lab" }],
    })
    .to_string();
    let config_name = format!("{}.json", hex(config.as_bytes()));
    let layer_name = format!("{diff_id}.tar");
    let manifest = serde_json::json!([{
        "Config": config_name,
        "RepoTags": [FIXTURE_IMAGE],
        "Layers": [layer_name],
    }])
    .to_string();
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, &layer_name, 0o644, &layer)?;
    append(&mut archive, &config_name, 0o644, config.as_bytes())?;
    append(&mut archive, "manifest.json", 0o644, manifest.as_bytes())?;
    archive.into_inner()
}

/// Appends one regular file, owned by root, at the epoch.
pub fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = header(mode, content.len() as u64);
    archive.append_data(&mut header, path, content)
}

fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// SHA-256 in hex.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// This machine's architecture in OCI's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_programs_give_equal_archives_and_others_do_not() {
        let one = fixture_archive(b"one").unwrap();
        assert_eq!(one, fixture_archive(b"one").unwrap());
        assert_ne!(one, fixture_archive(b"two").unwrap());
    }

    #[test]
    fn the_manifest_names_what_the_archive_holds() {
        let bytes = fixture_archive(b"program").unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut names = Vec::new();
        let mut manifest = String::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            if name == "manifest.json" {
                io::Read::read_to_string(&mut entry, &mut manifest).unwrap();
            }
            names.push(name);
        }
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        for key in [&manifest[0]["Config"], &manifest[0]["Layers"][0]] {
            assert!(names.iter().any(|name| key == name), "{key} in {names:?}");
        }
    }
}
