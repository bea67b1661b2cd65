//! The lab image: what it is made of, its content tag, and building it.
//!
//! ```text
//! lab/fixtures ──cargo──▶ fixture archive ─┐
//! lab/image/**  Containerfile.lab ─────────┼─▶ context ─▶ build ─▶ seed ─▶ localhost/archipelago-lab:BASE-CONTENT
//! base: registry, or made from packages ───┘
//! ```
//! *Seeding* unpacks the fixture images into podman's storage format with the podman of the image itself, so that a lab
//! copies a few files at its first boot and does not load archives (402 of the 703 ms of a boot on a busy machine were for that; copying takes some 30).

pub mod archive;
pub mod base;
mod bases;
pub mod build;
mod error;
mod flavour;
pub mod inputs;
pub mod packages;
pub(crate) mod program;
mod seed;

pub use archive::FIXTURE_IMAGE;
pub use base::{Base, UnknownBase};
pub use build::{Built, Progress, build};
pub use error::ImageError;
pub use flavour::Flavour;

/// The repository of lab images.
pub const REPOSITORY: &str = "localhost/archipelago-lab";
/// The repository of images of stand-ins for a node.
pub const NODE_REPOSITORY: &str = "localhost/archipelago-lab-node";
/// The repository of bases made from packages.
pub const BASE_REPOSITORY: &str = "localhost/archipelago-lab-base";

/// The reference of the image of that flavour on `base` for the sources as they are now, whether it has been built or not.
pub fn reference(flavour: Flavour, base: &Base) -> Result<String, ImageError> {
    Ok(format!(
        "{}:{}-{}",
        flavour.repository(),
        base.tag_part(),
        inputs::Inputs::collect(flavour)?.content(base)
    ))
}
