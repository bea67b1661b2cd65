//! archipelago: installs, starts, watches, heals, stops and removes packages of podman containers.

pub mod container;
