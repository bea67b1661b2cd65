//! The images in local storage: each has an id, and any number of names.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reference::{self, Reference};

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) id: String,
    /// In podman's order; an image without names is dangling.
    pub(super) names: Vec<String>,
    /// All names that it ever had, in their order.
    pub(super) history: Vec<String>,
    /// `sha256:…` of its manifests, that of the first it came with first.
    pub(super) digests: Vec<String>,
}

impl Image {
    /// `REPOSITORY@DIGEST` of every repository and manifest, as podman sorts them.
    pub(super) fn repo_digests(&self) -> BTreeSet<String> {
        let repositories = self.names.iter().map(|name| split_tag(name).0);
        repositories
            .flat_map(|repository| {
                self.digests
                    .iter()
                    .map(move |digest| format!("{repository}@{digest}"))
            })
            .collect()
    }
}

/// Repository and tag of a full name.
pub(super) fn split_tag(name: &str) -> (&str, &str) {
    match Reference::read(name) {
        Ok(read) => (read.repository, read.manifest()),
        Err(_) => (name, "latest"),
    }
}

/// Where a new name comes to stand among an image's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Last,
}

/// All images, in the order in which they came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Images {
    all: Vec<Image>,
}

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: String,
    /// The full name by which it was found; none where by its id.
    pub(super) name: Option<String>,
}

impl Images {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Image> {
        self.all.iter()
    }

    /// The id of the image of that full name.
    pub(super) fn get(&self, name: &str) -> Option<&String> {
        self.named(name).map(|image| &image.id)
    }

    fn named(&self, name: &str) -> Option<&Image> {
        self.all
            .iter()
            .find(|image| image.names.iter().any(|known| known == name))
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&Image> {
        self.all.iter().find(|image| image.id == id)
    }

    /// As podman looks for what somebody typed: a name, a short name, an id, or its beginning.
    pub(super) fn find(&self, given: &str) -> Option<Found> {
        for name in reference::candidates(given) {
            if let Some(image) = self.named(&name) {
                return Some(Found {
                    id: image.id.clone(),
                    name: Some(name),
                });
            }
        }
        let found = |image: &Image| Found {
            id: image.id.clone(),
            name: None,
        };
        if let Some((repository, digest)) = given.split_once('@') {
            return self
                .all
                .iter()
                .find(|image| {
                    image.digests.iter().any(|known| known == digest)
                        && image
                            .names
                            .iter()
                            .any(|name| split_tag(name).0 == repository)
                })
                .map(found);
        }
        let id = given.strip_prefix("sha256:").unwrap_or(given);
        let is_id = id.len() >= 3 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id
            .then(|| self.all.iter().find(|image| image.id.starts_with(id)))
            .flatten()
            .map(found)
    }

    /// Puts an image there; one of that id gets the digest.
    pub(super) fn add(&mut self, id: &str, digest: String) {
        match self.all.iter_mut().find(|image| image.id == id) {
            Some(image) if image.digests.contains(&digest) => {}
            Some(image) => image.digests.push(digest),
            None => self.all.push(Image {
                id: id.to_owned(),
                names: Vec::new(),
                history: Vec::new(),
                digests: vec![digest],
            }),
        }
    }

    /// Gives the image a name, which another may lose by it.
    pub(super) fn name(&mut self, id: &str, name: &str, place: Place) {
        for image in &mut self.all {
            if image.id != id {
                image.names.retain(|known| known != name);
                continue;
            }
            match place {
                Place::First => {
                    image.names.retain(|known| known != name);
                    image.names.insert(0, name.to_owned());
                }
                Place::Last if image.names.iter().any(|known| known == name) => {}
                Place::Last => image.names.push(name.to_owned()),
            }
            if !image.history.iter().any(|known| known == name) {
                image.history.push(name.to_owned());
            }
        }
    }

    /// Takes a name off the image that has it; the image stays, without a name if that was its last.
    pub(super) fn untag(&mut self, name: &str) {
        for image in &mut self.all {
            image.names.retain(|known| known != name);
        }
    }

    /// Drops an image.
    pub(super) fn delete(&mut self, id: &str) {
        self.all.retain(|image| image.id != id);
    }

    /// Takes a name off, and drops the image if that was its last.
    pub(super) fn remove(&mut self, name: &str) {
        self.all.retain_mut(|image| {
            let had = image.names.len();
            image.names.retain(|known| known != name);
            had == image.names.len() || !image.names.is_empty()
        });
    }
}
