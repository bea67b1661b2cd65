//! Conformance: the same command lines, given to two podmans, must come to the same.
//!
//! ```text
//! corpus/*.toml ── case ──▶ player ──▶ transcript ──▶ normal ──▶ compare ──▶ divergences
//!                           (a lab's podman, or a program that says it is one)
//! ```

pub mod both;
pub mod case;
pub mod compare;
pub mod divergence;
pub mod draft;
mod events;
pub mod exceptions;
pub mod help;
mod identities;
pub mod in_lab;
pub(crate) mod inside;
mod json;
pub mod learn;
mod lines;
pub mod normal;
mod outside;
pub mod player;
pub mod podman;
pub mod program;
pub(crate) mod protocol;
pub mod random;
pub mod record;
mod registry;
pub mod report;
pub mod rules;
mod scan;
pub mod shards;
pub mod shrink;
mod tidy;
mod time;
pub mod transcript;
