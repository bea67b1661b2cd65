//! What real podman did, kept: `podman-VERSION/FILE.json`, one file for each corpus file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::player::{PlayError, io};
use super::transcript::Transcript;

/// The kernel that all recordings name.
const KERNEL: &str = "6.12.0";

/// Writes transcripts below a folder; the files it has written. Files of other corpus files stay as they are, and in one
/// that is there already the cases that were not played.
///
/// # Errors
/// A file cannot be read or written.
pub fn write(
    into: &Path,
    version: &str,
    transcripts: &[Transcript],
) -> Result<Vec<PathBuf>, PlayError> {
    let folder = into.join(format!("podman-{version}"));
    let shown = folder.display().to_string();
    std::fs::create_dir_all(&folder).map_err(io(format!("make `{shown}`")))?;
    let mut files: BTreeMap<&str, Vec<&Transcript>> = BTreeMap::new();
    for transcript in transcripts {
        let (file, _) = transcript.case.split_once("::").unwrap_or_default();
        files.entry(file).or_default().push(transcript);
    }
    let mut written = Vec::new();
    for (file, new) in files {
        let path = folder.join(format!("{file}.json"));
        let shown = path.display().to_string();
        let before = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| io(format!("read `{shown}`"))(error.into()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io(format!("read `{shown}`"))(error)),
        };
        let mut text = serde_json::to_string_pretty(&merged(before, &new))
            .map_err(|error| io(format!("write `{shown}`"))(error.into()))?;
        text.push('\n');
        let text = anonymous(&text, &rustix::system::uname().release().to_string_lossy());
        std::fs::write(&path, text).map_err(io(format!("write `{shown}`")))?;
        written.push(path);
    }
    Ok(written)
}

/// Without the name of this machine's kernel, which `podman info` prints and which says nothing about podman.
fn anonymous(text: &str, kernel: &str) -> String {
    match kernel {
        "" => text.to_owned(),
        kernel => text.replace(kernel, KERNEL),
    }
}

/// The new ones instead of those of the same cases before, in their place; cases that were not there come last.
fn merged(before: Vec<Transcript>, new: &[&Transcript]) -> Vec<Transcript> {
    let mut all = before;
    for &transcript in new {
        match all.iter_mut().find(|old| old.case == transcript.case) {
            Some(old) => *old = transcript.clone(),
            None => all.push(transcript.clone()),
        }
    }
    all
}

/// The versions that something is recorded of.
///
/// # Errors
/// The folder cannot be read.
pub fn versions(from: &Path) -> Result<Vec<String>, PlayError> {
    let shown = from.display().to_string();
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(from).map_err(io(format!("read `{shown}`")))? {
        let name = entry.map_err(io(format!("read `{shown}`")))?.file_name();
        if let Some(version) = name.to_string_lossy().strip_prefix("podman-") {
            versions.push(version.to_owned());
        }
    }
    versions.sort();
    Ok(versions)
}

/// Reads what [`write()`] wrote for one version, by the names of the corpus files.
///
/// # Errors
/// A file cannot be read, or holds no transcripts.
pub fn read(from: &Path, version: &str) -> Result<BTreeMap<String, Vec<Transcript>>, PlayError> {
    let folder = from.join(format!("podman-{version}"));
    let shown = folder.display().to_string();
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).map_err(io(format!("read `{shown}`")))? {
        let path = entry.map_err(io(format!("read `{shown}`")))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let shown = path.display().to_string();
        let text = std::fs::read(&path).map_err(io(format!("read `{shown}`")))?;
        let transcripts = serde_json::from_slice(&text)
            .map_err(|error| io(format!("read `{shown}`"))(error.into()))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        files.insert(stem.into_owned(), transcripts);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(case: &str, step: &str) -> Transcript {
        Transcript {
            case: case.into(),
            played: vec![super::super::transcript::Played {
                step: super::super::case::Step::parse(step).unwrap(),
                outcome: Default::default(),
            }],
            after: BTreeMap::new(),
        }
    }

    #[test]
    fn a_part_that_is_recorded_again_replaces_that_part() {
        let into = tempfile::tempdir().unwrap();
        let [x, y, z] = ["a::x", "a::y", "b::z"].map(|case| transcript(case, "podman ps"));
        let written = write(into.path(), "1.2.3", &[x.clone(), y.clone(), z.clone()]).unwrap();
        assert_eq!(written.len(), 2);
        let again = transcript("a::x", "podman info");
        write(into.path(), "1.2.3", std::slice::from_ref(&again)).unwrap();
        let files = read(into.path(), "1.2.3").unwrap();
        assert_eq!(files["a"], [again, y]);
        assert_eq!(files["b"], [z]);
    }

    #[test]
    fn the_kernel_of_whoever_recorded_is_not_kept() {
        let text = r#"\"kernel\": \"6.1.2-my-own\""#;
        assert_eq!(anonymous(text, "6.1.2-my-own"), r#"\"kernel\": \"6.12.0\""#);
        assert_eq!(anonymous(text, ""), text);
    }

    #[test]
    fn what_is_no_recording_is_named() {
        let into = tempfile::tempdir().unwrap();
        std::fs::create_dir(into.path().join("podman-1")).unwrap();
        std::fs::write(into.path().join("podman-1/a.json"), "[1]").unwrap();
        let error = read(into.path(), "1").unwrap_err();
        assert!(error.to_string().contains("a.json"), "{error}");
    }
}
