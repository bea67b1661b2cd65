//! All that knows podman.

pub mod podman;
pub mod runtime;
pub mod status;
