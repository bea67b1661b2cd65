//! Typed podman commands over any [`CommandExecutor`](super::runtime::CommandExecutor).
