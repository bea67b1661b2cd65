//! Getting the images of a package.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;

use super::{PackageError, Packages, Progress, ProgressUnit, chain};
use crate::catalog::ContainerManifest;
use crate::container::podman::PullProgress;

/// How often an image is tried.
pub const PULL_ATTEMPTS: u32 = 3;
/// The waits between two attempts.
pub const PULL_WAITS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

impl Packages {
    /// Gets the images of these containers, each once.
    pub(super) async fn provide_images(
        &self,
        package: &str,
        containers: &[&ContainerManifest],
    ) -> Result<(), PackageError> {
        let mut seen = BTreeSet::new();
        let images: Vec<&str> = containers
            .iter()
            .filter_map(|container| container.image.as_deref())
            .filter(|image| seen.insert(*image))
            .collect();
        for (place, image) in (1..).zip(&images) {
            let of = format!("{place} of {}", images.len());
            self.provide_image(package, image, &of).await?;
        }
        Ok(())
    }

    /// Gets an image, where it is not there already, in up to [`PULL_ATTEMPTS`] attempts.
    async fn provide_image(
        &self,
        package: &str,
        image: &str,
        of: &str,
    ) -> Result<(), PackageError> {
        let there = self.podman.image_exists(image).await;
        if there.map_err(PackageError::podman(package))? {
            return Ok(());
        }
        let mut waits = PULL_WAITS.iter();
        self.step(package, format!("pulling {image} ({of})"));
        let mut on_progress = |pulled| self.ledger.progress(package, progress(pulled));
        while let Err(source) = self.podman.pull(image, &mut on_progress).await {
            tracing::warn!(package, image, error = chain(&source), "pull failed");
            match waits.next() {
                Some(wait) => {
                    let secs = wait.as_secs();
                    self.step(
                        package,
                        format!("pulling {image} ({of}) failed, next attempt in {secs} s"),
                    );
                    sleep(*wait).await;
                    self.step(package, format!("pulling {image} ({of}) again"));
                }
                None => {
                    return Err(PackageError::PullFailed {
                        image: image.to_owned(),
                        attempts: PULL_ATTEMPTS,
                        source,
                    });
                }
            }
        }
        let there = self.podman.image_exists(image).await;
        if there.map_err(PackageError::podman(package))? {
            Ok(())
        } else {
            Err(PackageError::ImageMissing {
                image: image.to_owned(),
            })
        }
    }
}

/// Bytes, where podman counts them.
fn progress(pulled: PullProgress) -> Progress {
    match pulled.bytes_total {
        Some(total) => Progress {
            done: pulled.bytes_done,
            total: Some(total),
            unit: ProgressUnit::Bytes,
        },
        None => Progress {
            done: pulled.layers_done,
            total: Some(pulled.layers_total),
            unit: ProgressUnit::Layers,
        },
    }
}
