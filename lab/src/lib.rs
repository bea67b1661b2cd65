//! A disposable real podman.
