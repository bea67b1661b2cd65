//! All that knows podman.

pub mod exit_reason;
pub mod podman;
pub mod runtime;
pub mod status;
