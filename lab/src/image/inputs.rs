//! What a lab image is made of: the files, in order, and the tag that stands for their content.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::base::Base;
use super::flavour::Flavour;
use super::packages;
use super::seed;

/// Raised when the steps of a build change in a way that no input shows.
const RECIPE: u32 = 2;

/// The part of `lab/image` that only images of [`Flavour::Node`] get.
const NODE_FOLDER: &str = "node/";

/// An input could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`, an input of the lab image")]
pub struct InputError {
    path: PathBuf,
    source: std::io::Error,
}

/// The files of an image build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// What the image is for.
    pub flavour: Flavour,
    /// Path inside the build context, executable or not, content; sorted by path.
    pub context: Vec<(String, Vec<u8>)>,
    /// `Containerfile.lab`.
    pub containerfile: Vec<u8>,
    /// The sources of the fixture program.
    fixture: Vec<(String, Vec<u8>)>,
}

/// Where the workspace's sources lie: the parent of this crate.
pub fn source_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

impl Inputs {
    /// Reads them all.
    pub fn collect(flavour: Flavour) -> Result<Self, InputError> {
        let root = source_root();
        let mut context = files(&root.join("lab/image"))?;
        // What only a node has changes no image of labs.
        context.retain(|(path, _)| flavour == Flavour::Node || !path.starts_with(NODE_FOLDER));
        Ok(Self {
            flavour,
            context,
            containerfile: read(&root.join("Containerfile.lab"))?,
            fixture: [
                files(&root.join("lab/fixtures/src"))?,
                vec![(
                    "Cargo.toml".to_owned(),
                    read(&root.join("lab/fixtures/Cargo.toml"))?,
                )],
            ]
            .concat(),
        })
    }

    /// Twelve hex digits that change when anything changes that the image depends on.
    pub fn content(&self, base: &Base) -> String {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            // Lengths keep two fields from being taken for one.
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(&RECIPE.to_le_bytes());
        add(seed::script(self.flavour).as_bytes());
        add(base_content(self.flavour, base).as_bytes());
        add(&self.containerfile);
        for (path, content) in self.context.iter().chain(&self.fixture) {
            add(path.as_bytes());
            add(content);
        }
        short(&hash.finalize())
    }
}

/// What stands for the base: its reference, or the way it is made.
pub fn base_content(flavour: Flavour, base: &Base) -> String {
    match base {
        Base::Debian(suite) => {
            let line = packages::command_line(*suite, flavour, Path::new("base.tar"));
            short(&Sha256::digest(line.join("\0").as_bytes()))
        }
        other => other.to_string(),
    }
}

fn short(hash: &[u8]) -> String {
    hash.iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// All files below a folder with their paths relative to it, sorted.
fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, InputError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let unreadable = |source| InputError {
            path: current.clone(),
            source,
        };
        for entry in std::fs::read_dir(&current).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(folder) {
                found.push((relative.display().to_string(), read(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    std::fs::read(path).map_err(|source| InputError {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::base::Suite;

    #[test]
    fn the_tag_changes_with_every_input_and_with_the_base() {
        let inputs = Inputs::collect(Flavour::Lab).unwrap();
        let base = Base::Debian(Suite::Trixie);
        let mut tags = vec![inputs.content(&base), inputs.content(&Base::Fedora)];
        for index in 0..inputs.context.len() {
            let mut changed = inputs.clone();
            changed.context[index].1.push(b'\n');
            tags.push(changed.content(&base));
        }
        let mut changed = inputs.clone();
        changed.fixture[0].1.push(b'\n');
        tags.push(changed.content(&base));
        let mut changed = inputs.clone();
        changed.containerfile.push(b'\n');
        tags.push(changed.content(&base));
        let all = tags.len();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), all);
        assert_eq!(
            inputs.content(&base),
            Inputs::collect(Flavour::Lab).unwrap().content(&base)
        );
    }

    #[test]
    fn what_only_a_node_has_is_no_input_of_images_of_labs() {
        let lab = Inputs::collect(Flavour::Lab).unwrap();
        let node = Inputs::collect(Flavour::Node).unwrap();
        let only: Vec<&str> = node
            .context
            .iter()
            .filter(|file| !lab.context.contains(file))
            .map(|(path, _)| path.as_str())
            .collect();
        assert!(only.contains(&"node/install"), "{only:?}");
        assert!(only.iter().all(|path| path.starts_with(NODE_FOLDER)));
        assert_eq!(lab.context.len() + only.len(), node.context.len());
        let base = Base::Debian(Suite::Trixie);
        assert_ne!(lab.content(&base), node.content(&base));
        assert_ne!(
            base_content(Flavour::Lab, &base),
            base_content(Flavour::Node, &base)
        );
    }
}
