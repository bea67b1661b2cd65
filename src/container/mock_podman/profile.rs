//! What one version of podman is like, as data: documents that it printed, and from which the mock's are made. One folder a
//! version; `cargo lab conformance --learn` writes a draft of such a folder for another podman.

use std::sync::OnceLock;

use serde_json::Value;

use crate::container::podman::PodmanVersion;

/// A document of podman's, recorded from the real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// An entry of `podman container inspect`: created with nothing but a name, never started.
    Container,
    /// The same while it runs.
    RunningContainer,
    /// A row of `podman ps --format json`.
    Ps,
    /// An entry of `podman image inspect`.
    Image,
    /// A row of `podman images --format json`.
    Images,
    /// An entry of `podman volume inspect` and `volume ls`.
    Volume,
    /// An entry of `podman network inspect`.
    Network,
    /// A row of `podman network ls --format json`: the network `podman`.
    Networks,
    /// An entry of `podman secret inspect`.
    Secret,
    /// `podman info --format json`.
    Info,
    /// `podman version --format json`.
    Version,
    /// A row of `podman stats --no-stream --format json`.
    Stats,
}

const ALL: [Document; 12] = [
    Document::Container,
    Document::RunningContainer,
    Document::Ps,
    Document::Image,
    Document::Images,
    Document::Volume,
    Document::Network,
    Document::Networks,
    Document::Secret,
    Document::Info,
    Document::Version,
    Document::Stats,
];

/// What one version of podman is like.
#[derive(Debug)]
pub(super) struct Profile {
    version: PodmanVersion,
    documents: [Value; ALL.len()],
}

/// The files of a version's folder, in the order of [`ALL`].
macro_rules! documents {
    ($version:literal) => {
        [
            include_str!(concat!("profiles/", $version, "/container.json")),
            include_str!(concat!("profiles/", $version, "/container-running.json")),
            include_str!(concat!("profiles/", $version, "/ps.json")),
            include_str!(concat!("profiles/", $version, "/image.json")),
            include_str!(concat!("profiles/", $version, "/images.json")),
            include_str!(concat!("profiles/", $version, "/volume.json")),
            include_str!(concat!("profiles/", $version, "/network.json")),
            include_str!(concat!("profiles/", $version, "/networks.json")),
            include_str!(concat!("profiles/", $version, "/secret.json")),
            include_str!(concat!("profiles/", $version, "/info.json")),
            include_str!(concat!("profiles/", $version, "/version.json")),
            include_str!(concat!("profiles/", $version, "/stats.json")),
        ]
    };
}

/// The versions that were measured, oldest first.
const KNOWN: [(PodmanVersion, [&str; ALL.len()]); 3] = [
    (PodmanVersion::new(4, 3, 1), documents!("4.3.1")),
    (PodmanVersion::new(5, 4, 2), documents!("5.4.2")),
    (PodmanVersion::new(5, 8, 6), documents!("5.8.6")),
];

/// How many versions were measured.
pub(super) const MEASURED: usize = KNOWN.len();

/// Which of the versions that were measured is nearest: of the same major version where there is one, the newest that is
/// not newer, else the oldest.
pub(super) fn nearest(version: PodmanVersion) -> usize {
    let major = |known: PodmanVersion| known.major == version.major;
    KNOWN
        .iter()
        .rposition(|(known, _)| major(*known) && *known <= version)
        .or_else(|| KNOWN.iter().position(|(known, _)| major(*known)))
        .or_else(|| KNOWN.iter().rposition(|(known, _)| *known <= version))
        .unwrap_or(0)
}

impl Profile {
    /// The profile of that version, or of the [nearest] that was measured.
    pub(super) fn of(version: PodmanVersion) -> &'static Self {
        static READ: [OnceLock<Profile>; KNOWN.len()] = [const { OnceLock::new() }; KNOWN.len()];
        let index = nearest(version);
        READ[index].get_or_init(|| Self {
            version: KNOWN[index].0,
            documents: KNOWN[index].1.map(|text| {
                serde_json::from_str(text).expect("a test reads every document of every profile")
            }),
        })
    }

    /// Which of the measured versions it is.
    pub(super) fn version(&self) -> PodmanVersion {
        self.version
    }

    /// A copy of a document, to be filled in.
    pub(super) fn document(&self, which: Document) -> Value {
        self.documents[which as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_of_every_version_can_be_read() {
        for (version, _) in KNOWN {
            let profile = Profile::of(version);
            for (index, which) in ALL.into_iter().enumerate() {
                assert_eq!(which as usize, index, "{which:?}");
                assert!(profile.document(which).is_object(), "{version} {which:?}");
            }
            let said = profile.document(Document::Version)["Client"]["Version"].clone();
            assert_eq!(said, version.to_string());
        }
    }

    #[test]
    fn another_version_is_like_the_nearest_that_was_measured() {
        for (asked, like) in [
            ((3, 0, 0), (4, 3, 1)),
            ((4, 9, 0), (4, 3, 1)),
            ((4, 0, 0), (4, 3, 1)),
            ((5, 4, 1), (5, 4, 2)),
            ((5, 5, 0), (5, 4, 2)),
            ((6, 0, 0), (5, 8, 6)),
        ] {
            let profile = |(major, minor, patch)| {
                let version = PodmanVersion::new(major, minor, patch);
                std::ptr::from_ref(Profile::of(version))
            };
            assert_eq!(profile(asked), profile(like), "{asked:?}");
        }
    }
}
