//! A disposable real podman.
pub mod host;
