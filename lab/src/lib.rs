//! A disposable real podman.
pub mod doctor;
pub mod host;
