//! The packages there are: built-in manifests, and those of the machine's own `apps_dir`, which add or override.
//!
//! A bad manifest keeps its own package from being installed and is reported; it never stops the daemon. The build
//! script compiles the modules below `grace` to `words` too: a bad built-in manifest fails the build.

mod files;
mod grace;
mod manifest;
mod order;
mod template;
mod validate;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use crate::nearest::nearest;

pub use grace::stop_timeout_secs;
pub use manifest::{
    Bind, ContainerManifest, HealthManifest, HookManifest, Hooks, Manifest, NotInstallable,
    PortManifest, Protocol, SecretManifest, VolumeManifest,
};
pub use order::start_order;
pub use template::{Form, Part, Template};
pub use validate::{Problem, Sourced, validate};
pub(crate) use words::check_image;
pub use words::{TOKEN_SECRET, is_name};

/// Built-in manifests: file name and text.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The same, read and checked once: they do not change while this runs.
static BUILT_IN_CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let files = BUILT_IN.iter();
    Catalog::from_files(files.map(|(file, text)| ((*file).to_owned(), Ok((*text).to_owned()))))
});

/// Every package that can be installed, and what is wrong with those that cannot.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    packages: BTreeMap<String, Sourced>,
    problems: Vec<Problem>,
}

/// A package cannot be had from the catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is none of that id.
    #[error("no package `{id}` in the catalog{}", nearest.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    Unknown {
        /// The id that was asked for.
        id: String,
        /// The known one that looks most like it.
        nearest: Option<String>,
    },
    /// Its manifest is bad.
    #[error("the manifest of `{id}` is bad: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Bad {
        /// The package.
        id: String,
        /// All that is wrong.
        problems: Vec<Problem>,
    },
}

impl Catalog {
    /// Reads the built-in manifests and `apps_dir/*.toml`. A missing folder is an empty one.
    #[must_use]
    pub fn load(apps_dir: &Path) -> Self {
        let own = own_files(apps_dir);
        if own.is_empty() {
            return BUILT_IN_CATALOG.clone();
        }
        let (packages, problems) = files::read_onto(BUILT_IN_CATALOG.packages.clone(), own);
        Self { packages, problems }
    }

    /// Builds the catalog of these files (name, and text or why it could not be read); later ones override.
    #[must_use]
    pub fn from_files(files: impl IntoIterator<Item = (String, Result<String, String>)>) -> Self {
        let (packages, problems) = files::read(files);
        Self { packages, problems }
    }

    /// The manifest of `id`.
    ///
    /// # Errors
    /// [`CatalogError`] where there is none, or a bad one.
    pub fn get(&self, id: &str) -> Result<&Manifest, CatalogError> {
        let problems: Vec<Problem> = self
            .problems
            .iter()
            .filter(|problem| problem.package == id)
            .cloned()
            .collect();
        if !problems.is_empty() {
            return Err(CatalogError::Bad {
                id: id.to_owned(),
                problems,
            });
        }
        self.packages
            .get(id)
            .map(|source| &source.manifest)
            .ok_or_else(|| CatalogError::Unknown {
                id: id.chars().take(80).collect(),
                nearest: nearest(id, self.packages.keys().cloned()),
            })
    }

    /// All manifests, good and bad, by id.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.packages.values().map(|source| &source.manifest)
    }

    /// All that is wrong with any manifest.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn own_files(dir: &Path) -> Vec<(String, Result<String, String>)> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![(dir.display().to_string(), Err(error.to_string()))],
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| match entry {
            Ok(entry) => Some(entry.path()),
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "cannot read an entry");
                None
            }
        })
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .map(|path| {
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
            (path.display().to_string(), text)
        })
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests;
