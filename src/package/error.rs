//! How an operation on a package fails.

use std::path::PathBuf;

use super::render::RenderError;
use crate::catalog::{CatalogError, NotInstallable};
use crate::container::podman::PodmanError;
use crate::store::StoreError;

/// An operation on a package failed. What it had made is undone, where the variant does not say otherwise.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The catalog has no such package, or a bad manifest.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Another operation on the package is under way.
    #[error("{running} of `{package}` is under way; wait for its end")]
    Busy {
        /// The package.
        package: String,
        /// The operation under way.
        running: &'static str,
    },
    /// It is installed already.
    #[error("`{package}` is installed; uninstall it first")]
    AlreadyInstalled {
        /// The package.
        package: String,
    },
    /// The catalog shows it and does not know enough to install it.
    #[error("`{package}` cannot be installed: {reason}")]
    NotInstallable {
        /// The package.
        package: String,
        /// Why.
        reason: NotInstallable,
    },
    /// It is not installed.
    #[error("`{package}` is not installed")]
    NotInstalled {
        /// The package.
        package: String,
    },
    /// A container it depends on is not there, or does not serve.
    #[error("`{container}` needs `{dependency}`, which {state}")]
    DependencyMissing {
        /// The package.
        package: String,
        /// The container that needs it.
        container: String,
        /// The container it needs.
        dependency: String,
        /// What is the matter with that, and what to do.
        state: String,
    },
    /// Other installed packages need it.
    #[error(
        "`{package}` is needed by {}; uninstall these first, or force it",
        quoted(dependents)
    )]
    HasDependents {
        /// The package.
        package: String,
        /// Packages that need it.
        dependents: Vec<String>,
    },
    /// A container, volume or secret of that name is there and is not this package's.
    #[error("the {what} `{name}` exists and does not belong to `{package}`; rename or remove it")]
    NameTaken {
        /// The package.
        package: String,
        /// `container`, `secret`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A secret file is missing, and data that was made with it is there. A new secret would not open it: databases take
    /// the password only when their data folder is empty.
    #[error(
        "the secret file `{}` is missing, and the data it was made for is in {}; put the file back, or remove the data with `podman volume rm {}`",
        file.display(), quoted(volumes), volumes.join(" ")
    )]
    SecretMissing {
        /// The package.
        package: String,
        /// The secret's name.
        secret: String,
        /// Where its file is looked for.
        file: PathBuf,
        /// The package's volumes that are there.
        volumes: Vec<String>,
    },
    /// A secret file that is not this package's to make is missing or empty.
    #[error(
        "the secret file `{}`, which `{package}` needs, is missing or empty; put it back, or install the package that it belongs to anew",
        file.display()
    )]
    NoSecretFile {
        /// The package.
        package: String,
        /// The secret's name.
        secret: String,
        /// Where its file is looked for.
        file: PathBuf,
    },
    /// The text that a container gets cannot be made of its secrets.
    #[error("the secret `{secret}` of `{package}` cannot be rendered")]
    Render {
        /// The package.
        package: String,
        /// The name of the text.
        secret: String,
        /// Why.
        source: RenderError,
    },
    /// No attempt to pull the image succeeded.
    #[error(
        "cannot pull `{image}` after {attempts} attempts; check the network and the image reference"
    )]
    PullFailed {
        /// The image.
        image: String,
        /// How many were made.
        attempts: u32,
        /// How the last one failed.
        source: PodmanError,
    },
    /// podman pulled the image and does not have it.
    #[error(
        "the pull of `{image}` succeeded and podman does not have the image; check the storage with `podman system check`"
    )]
    ImageMissing {
        /// The image.
        image: String,
    },
    /// A container did not start.
    #[error("`{container}` did not start{}", last_lines(log))]
    DidNotStart {
        /// The container.
        container: String,
        /// Its last log lines.
        log: Vec<String>,
        /// What podman said.
        source: PodmanError,
    },
    /// A container started and did not stay up, or did not become healthy.
    #[error("`{container}` started and {what}{}", last_lines(log))]
    DidNotStayUp {
        /// The container.
        container: String,
        /// What became of it.
        what: String,
        /// Its exit code, where it ended.
        exit_code: Option<i32>,
        /// Its last log lines.
        log: Vec<String>,
    },
    /// Something is left; the same call again goes on from here.
    #[error("not everything of `{package}` could be removed, left: {}; try again", left.join(", "))]
    Incomplete {
        /// The package.
        package: String,
        /// What is left and why, one text each.
        left: Vec<String>,
    },
    /// An install failed, and so did a part of its undoing; that is finished at the next install, uninstall or start.
    #[error("an install failed, and this could not be undone: {}", left.join(", "))]
    NotUndone {
        /// What is left and why.
        left: Vec<String>,
        /// Why the install failed.
        source: Box<PackageError>,
    },
    /// The image of the user's choice is no good reference.
    #[error("bad image: {what}")]
    BadImage {
        /// What was given.
        image: String,
        /// What is wrong with it, and what to write instead.
        what: String,
    },
    /// The image of the user's choice could be for none, or for more than one, of the containers.
    #[error(
        "it is not clear which container of `{package}` `{image}` is for; name one of the same repository as exactly one of: {}",
        containers.join(", ")
    )]
    AmbiguousImage {
        /// The package.
        package: String,
        /// What was given.
        image: String,
        /// Its containers, as `name (image)`.
        containers: Vec<String>,
    },
    /// A package that cannot be beside this one is there.
    #[error("`{package}` cannot be installed beside `{other}`; uninstall that first")]
    Excluded {
        /// The package.
        package: String,
        /// The one that is there.
        other: String,
    },
    /// No image is tagged with the catalog's version, so no other version can be put in its place.
    #[error(
        "version {version} of `{package}` cannot be had: no image of it is tagged with the catalog's version {known}; name an image instead"
    )]
    NoSuchVersion {
        /// The package.
        package: String,
        /// What was asked for.
        version: String,
        /// The catalog's.
        known: String,
    },
    /// A hook failed as often as it may.
    #[error(
        "the hook `{command}` in `{container}` {} in attempt {attempts}{}",
        code.map_or_else(|| "could not be run".to_owned(), |code| format!("ended with exit code {code}")),
        said(output)
    )]
    HookFailed {
        /// The container.
        container: String,
        /// Program and arguments.
        command: String,
        /// How often it was tried.
        attempts: u32,
        /// Its exit code, where it ended.
        code: Option<i32>,
        /// Its last lines.
        output: Vec<String>,
        /// Why it could not be run.
        source: Option<Box<PodmanError>>,
    },
    /// The new version did not come up, and the old one was made again.
    #[error("the update of `{package}` failed; the old version {version} {old}")]
    UpdateFailed {
        /// The package.
        package: String,
        /// The old version.
        version: String,
        /// What became of the old version.
        old: String,
        /// Why the update failed.
        source: Box<PackageError>,
    },
    /// An update failed before, the old version could not be made again then, and cannot now.
    #[error(
        "`{package}` is between two versions, its last update failed and the old version cannot be made again; start, stop or update it to try once more, or uninstall it and keep its data"
    )]
    HalfUpdated {
        /// The package.
        package: String,
        /// Why the old version cannot be made.
        source: Box<PackageError>,
    },
    /// The user cancelled it. It is undone.
    #[error("the operation on `{package}` was cancelled")]
    Cancelled {
        /// The package.
        package: String,
    },
    /// There is no such operation, or it ended long ago.
    #[error("no operation {operation}; `operation.list` shows those that are known")]
    NoSuchOperation {
        /// The id that was asked for.
        operation: u64,
    },
    /// An operation cannot be cancelled now.
    #[error("operation {operation} cannot be cancelled: {why}")]
    NotCancellable {
        /// The operation.
        operation: u64,
        /// What it is doing.
        why: String,
    },
    /// podman failed.
    #[error("podman failed on `{package}`")]
    Podman {
        /// The package.
        package: String,
        /// How.
        source: PodmanError,
    },
    /// A state file failed.
    #[error("the state of `{package}` could not be kept")]
    Store {
        /// The package.
        package: String,
        /// How.
        source: StoreError,
    },
    /// The daemon is being shut down.
    #[error(
        "the daemon ended before the operation did; it is finished or undone at the next start"
    )]
    Interrupted,
}

impl PackageError {
    /// The log lines of the container that failed, where one did.
    #[must_use]
    pub fn log(&self) -> &[String] {
        match self {
            Self::DidNotStart { log, .. } | Self::DidNotStayUp { log, .. } => log,
            Self::NotUndone { source, .. }
            | Self::UpdateFailed { source, .. }
            | Self::HalfUpdated { source, .. } => source.log(),
            _ => &[],
        }
    }

    pub(crate) fn podman(package: &str) -> impl FnOnce(PodmanError) -> Self {
        move |source| Self::Podman {
            package: package.to_owned(),
            source,
        }
    }

    pub(crate) fn store(package: &str) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Store {
            package: package.to_owned(),
            source,
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn last_lines(log: &[String]) -> String {
    if log.is_empty() {
        "; it logged nothing".to_owned()
    } else {
        format!("; its last log lines: {}", log.join(" | "))
    }
}

fn said(output: &[String]) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!("; its last lines: {}", output.join(" | "))
    }
}
