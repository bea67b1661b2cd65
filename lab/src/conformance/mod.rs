//! Conformance: the same command lines, given to two podmans, must come to the same.
//!
//! ```text
//! corpus/*.toml ── case ──▶ player ──▶ transcript ──▶ normal ──▶ compare ──▶ divergences
//!                           (a lab's podman, or a program that says it is one)
//! ```

pub mod case;
pub mod transcript;
