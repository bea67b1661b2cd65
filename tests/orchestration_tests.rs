//! The orchestrator on a podman from memory and in paused time: no waiting, no container.

#[path = "orchestration/mod.rs"]
mod orchestration;
