//! archipelago: installs, starts, watches, heals, stops and removes packages of podman containers.
//!
//! ```text
//! podman ps/inspect (bytes) -> parse -> ContainerStatus -> plan(now, …) -> [Decision] -> executor -> Outcome -> RestartTracker -> store
//!         effect               pure         value            pure            value        effect      value         pure        effect
//! ```
//! Everything can be used and tested by itself.

pub mod clock;
pub mod config;
pub mod container;
pub mod host;
pub mod store;
