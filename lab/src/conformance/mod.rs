//! Conformance: the same command lines, given to two podmans, must come to the same.
//!
//! ```text
//! corpus/*.toml ── case ──▶ player ──▶ transcript ──▶ normal ──▶ compare ──▶ divergences
//!                           (a lab's podman, or a program that says it is one)
//! ```

pub mod case;
pub mod in_lab;
pub(crate) mod inside;
mod outside;
pub mod player;
pub mod podman;
pub mod program;
pub(crate) mod protocol;
pub mod record;
mod registry;
pub mod shards;
mod tidy;
mod time;
pub mod transcript;
