//! All that knows podman.

pub mod exit_reason;
pub mod mock_podman;
pub mod podman;
pub mod runtime;
mod socket;
pub mod status;
