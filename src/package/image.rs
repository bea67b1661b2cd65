//! Which images a package is made of: the manifest's, or the user's choice. Pure.

use super::PackageError;
use crate::catalog::{Manifest, check_image};

/// What is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// With the user's image in place.
    pub(super) manifest: Manifest,
    /// The user's image.
    pub(super) docker_image: Option<String>,
}

impl Chosen {
    /// Puts the user's image in place, where there is one.
    ///
    /// # Errors
    /// [`PackageError::BadImage`], [`PackageError::AmbiguousImage`].
    pub(super) fn new(
        mut manifest: Manifest,
        docker_image: Option<String>,
    ) -> Result<Self, PackageError> {
        if let Some(image) = &docker_image {
            check_image(image).map_err(|what| PackageError::BadImage {
                image: image.chars().take(200).collect(),
                what,
            })?;
            let place = place_of(&manifest, image)?;
            manifest.containers[place].image = Some(image.clone());
        }
        Ok(Self {
            manifest,
            docker_image,
        })
    }

    /// Puts another version in place of the manifest's, in the tags of images that carry that.
    ///
    /// # Errors
    /// [`PackageError::NoSuchVersion`] where no tag does; [`PackageError::BadImage`].
    pub(super) fn at_version(mut self, version: &str) -> Result<Self, PackageError> {
        let manifest = &mut self.manifest;
        if manifest.version == version {
            return Ok(self);
        }
        let mut is_carried = false;
        for image in manifest
            .containers
            .iter_mut()
            .filter_map(|c| c.image.as_mut())
        {
            let Some(other) = with_version(image, &manifest.version, version) else {
                continue;
            };
            check_image(&other).map_err(|what| PackageError::BadImage {
                image: other.chars().take(200).collect(),
                what,
            })?;
            *image = other;
            is_carried = true;
        }
        if !is_carried {
            return Err(PackageError::NoSuchVersion {
                package: manifest.id.clone(),
                version: version.chars().take(80).collect(),
                known: manifest.version.clone(),
            });
        }
        // The user's image goes with it: it stays the user's choice.
        if let Some(image) = &self.docker_image
            && let Some(other) = with_version(image, &manifest.version, version)
        {
            self.docker_image = Some(other);
        }
        version.clone_into(&mut manifest.version);
        Ok(self)
    }

    /// # Errors
    /// [`PackageError::NotInstallable`].
    pub(super) fn installable(&self) -> Result<(), PackageError> {
        match self.manifest.not_installable() {
            Some(reason) => Err(PackageError::NotInstallable {
                package: self.manifest.id.clone(),
                reason,
            }),
            None => Ok(()),
        }
    }
}

/// The reference with `to` in place of the version `from` in its tag; `None` where the tag does not carry that, or a
/// digest says what the image is.
fn with_version(image: &str, from: &str, to: &str) -> Option<String> {
    let (before, tag) = image.rsplit_once(':')?;
    if from.is_empty() || image.contains('@') || tag.contains('/') || to.contains(['/', ':', '@']) {
        return None;
    }
    // `1` is no part of `1.2`, nor of `11`.
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let (place, _) = tag.match_indices(from).find(|(place, _)| {
        !tag[..*place].ends_with(is_number) && !tag[place + from.len()..].starts_with(is_number)
    })?;
    let rest = &tag[place + from.len()..];
    Some(format!("{before}:{}{to}{rest}", &tag[..place]))
}

/// The container that the user's image is for: the only one, the only one of that repository, or the only one without an
/// image.
fn place_of(manifest: &Manifest, image: &str) -> Result<usize, PackageError> {
    let containers = &manifest.containers;
    let places = |meant: &dyn Fn(Option<&str>) -> bool| -> Vec<usize> {
        (0..containers.len())
            .filter(|place| meant(containers[*place].image.as_deref()))
            .collect()
    };
    let mut same = places(&|other| {
        containers.len() == 1 || other.is_some_and(|other| repository(other) == repository(image))
    });
    if same.is_empty() {
        same = places(&|other| other.is_none());
    }
    match same[..] {
        [place] => Ok(place),
        _ => Err(PackageError::AmbiguousImage {
            package: manifest.id.clone(),
            image: image.to_owned(),
            containers: containers
                .iter()
                .map(|container| {
                    let image = container.image.as_deref().unwrap_or("no image");
                    format!("{} ({image})", container.name)
                })
                .collect(),
        }),
    }
}

/// A reference without tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // A colon before the last slash is that of the registry's port.
        Some((before, tag)) if !tag.contains('/') => before,
        Some(_) | None => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(images: &[&str]) -> Manifest {
        let mut text = "id = \"app\"\ntitle = \"app\"\nversion = \"1\"\n".to_owned();
        for (place, image) in images.iter().enumerate() {
            text.push_str(&format!(
                "[[containers]]\nname = \"c{place}\"\nimage = \"{image}\"\ntier = 2\n"
            ));
        }
        toml::from_str(&text).expect("a manifest")
    }

    #[test]
    fn a_version_goes_where_a_tag_carries_the_old_one() {
        for (image, from, expected) in [
            ("a.io/x:v3.0.0", "3.0.0", Some("a.io/x:v9")),
            ("a.io/x:3.0.0-alpine", "3.0.0", Some("a.io/x:9-alpine")),
            ("a.io:3/x:3", "3", Some("a.io:3/x:9")),
            ("a.io/x:3.1", "3", None),
            ("a.io/x:13", "3", None),
            ("a.io:3/x", "3", None),
            ("a.io/x:3@sha256:0", "3", None),
            ("a.io/x:latest", "3", None),
        ] {
            let other = with_version(image, from, "9");
            assert_eq!(other.as_deref(), expected, "{image}");
        }
        let version = |image: &str, version: &str| {
            let chosen = Chosen::new(manifest(&[image]), None).expect("no choice");
            chosen.at_version(version)
        };
        let error = version("a.io/x:latest", "2").expect_err("no tag");
        assert!(
            matches!(error, PackageError::NoSuchVersion { .. }),
            "{error}"
        );
        let error = version("a.io/x:1", "2 --privileged").expect_err("no tag");
        assert!(matches!(error, PackageError::BadImage { .. }), "{error}");
        let chosen = version("a.io/x:1", "2").expect("version 2");
        assert_eq!(chosen.manifest.version, "2");
        assert_eq!(
            chosen.manifest.containers[0].image.as_deref(),
            Some("a.io/x:2")
        );
    }

    #[test]
    fn an_image_of_the_users_choice_goes_where_it_can_be_meant() {
        let images = |of: &[&str], image: &str| {
            Chosen::new(manifest(of), Some(image.to_owned())).map(|chosen| {
                let containers = chosen.manifest.containers.into_iter();
                containers
                    .filter_map(|container| container.image)
                    .collect::<Vec<_>>()
            })
        };
        // The only container takes any.
        assert_eq!(
            images(&["a.io/x:1"], "b.io/y:2").expect("the only one"),
            ["b.io/y:2"]
        );
        // Of several, that of the same repository; a port of the registry is no tag.
        let two = ["a.io:5000/x:1", "a.io:5000/y:1"];
        assert_eq!(
            images(&two, "a.io:5000/y@sha256:0").expect("the second"),
            ["a.io:5000/x:1", "a.io:5000/y@sha256:0"]
        );
        for (of, image) in [(&two, "a.io/y:2"), (&["a.io/x:1", "a.io/x:2"], "a.io/x:3")] {
            let error = images(of, image).expect_err("none or two");
            assert!(
                matches!(error, PackageError::AmbiguousImage { .. }),
                "{error}"
            );
        }
        for bad in [
            "-x",
            "--privileged",
            "nginx",
            "nginx:1",
            "a.io/x",
            "",
            "a.io/x:1 y",
        ] {
            let error = images(&["a.io/x:1"], bad).expect_err(bad);
            assert!(matches!(error, PackageError::BadImage { .. }), "{error}");
        }
    }
}
