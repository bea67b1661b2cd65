//! archipelago: installs, starts, watches, heals, stops and removes packages of podman containers.
//!
//! ```text
//! podman ps/inspect (bytes) -> parse -> ContainerStatus -> plan(now, …) -> [Decision] -> executor -> Outcome -> RestartTracker -> store
//!         effect               pure         value            pure            value        effect      value         pure        effect
//! ```
//! [`daemon::Daemon`] wires it all; everything below it can be used and tested by itself.

pub mod api;
pub mod catalog;
pub mod chain;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod container;
pub mod crash_recovery;
pub mod daemon;
pub mod health_monitor;
pub mod host;
mod metrics;
mod nearest;
pub mod package;
pub mod restart_tracker;
pub mod state;
pub mod store;
pub mod tasks;
pub mod watchdog;
