//! Where a scenario runs.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value;

/// What a command left.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) code: i64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A JSON-RPC call under way.
pub(crate) type Call = tokio::task::JoinHandle<Result<Result<Value, Value>, String>>;

/// What a scenario needs of a target beyond podman and archipelago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Containers' memory can be limited, and the kernel kills who exceeds it.
    MemoryLimit,
    /// The power can be cut.
    PowerLoss,
    /// The daemon is a service of systemd, and the node has a shell.
    Systemd,
    /// A registry of the node's own.
    Registry,
    /// Programs run in containers, and can be asked over the network.
    Http,
    /// The image of the catalog's package that the smoke stage installs.
    Catalog,
}

/// An image in a registry of the node's own, which podman has not pulled yet.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    /// Its reference. It is the fixture image, and a layer of some size.
    pub(crate) image: String,
    /// Whether podman tells how many bytes of it have come.
    pub(crate) tells_bytes: bool,
}

/// Something that happens to a node by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault<'a> {
    /// The app in a container eats memory until the kernel kills it.
    EatMemory { container: &'a str },
    /// The app in a container ends with an exit code.
    Exit { container: &'a str, code: i32 },
    /// The health check of a container fails from now on.
    Sick { container: &'a str },
    /// Somebody kills the main process of a container.
    Kill { container: &'a str },
    /// The main process of a container and podman's monitor of it are killed: podman goes on to say that it runs.
    KillBoth { container: &'a str },
    /// Nothing more can be written below archipelago's state folder.
    DiskFull,
    /// It can again.
    DiskFree,
}

/// A node with podman and archipelago. All methods fail only when the target itself is broken.
#[async_trait]
pub(crate) trait Target: Send + Sync {
    /// A JSON-RPC call; the inner result is what archipelago answered, `Err` being its error object.
    async fn rpc(&self, method: &str, params: Value) -> Result<Result<Value, Value>, String>;
    /// `GET path` of archipelago's HTTP service, with the token; the status, and the body, which may have no end.
    async fn open(&self, path: &str) -> Result<(u16, Body), String>;
    /// podman's command line on the node.
    async fn podman(&self, argv: &[&str]) -> Result<Output, String>;
    /// Adds a manifest to the node's own.
    async fn add_app(&self, id: &str, manifest: &str) -> Result<(), String>;
    /// Every file below archipelago's state folder, by path relative to it, with its content.
    async fn state_files(&self) -> Result<Vec<(String, String)>, String>;
    /// Begins such a call; the answer can be waited for later.
    async fn begin(&self, method: &str, params: Value) -> Result<Call, String>;
    /// Kills the daemon and starts it again; containers go on. It answers again after it.
    async fn kill_daemon(&mut self) -> Result<(), String>;
    /// From now on every call of podman is noted down, with its arguments and variables.
    async fn watch_podman(&self) -> Result<(), String>;
    /// Where any of these texts is to be seen: in what was noted of podman, in arguments and variables of other processes
    /// than the apps', in the journal, and in files outside of `secrets/` and podman's own storage.
    async fn leaks(&self, texts: &[&str]) -> Result<Vec<String>, String>;
    /// Restarts the daemon as systemd does; containers go on.
    async fn restart_daemon(&mut self) -> Result<(), String>;
    /// Cuts the power and boots again; the daemon answers again after it.
    async fn power_loss(&mut self) -> Result<(), String>;
    /// Makes something happen.
    async fn inject(&self, fault: Fault<'_>) -> Result<(), String>;
    /// Starts a registry that holds an image. For scenarios that need [`Need::Registry`].
    async fn registry(&self) -> Result<Remote, String>;
    /// From now on that registry takes connections and never answers.
    async fn registry_hangs(&self) -> Result<(), String>;
    /// The reference of an image in a registry on the node itself that refuses connections.
    async fn closed_registry(&self, image: &str) -> Result<String, String>;
    /// Makes the health monitor look now.
    async fn look_now(&self) -> Result<(), String>;
    /// The status of `GET path` on a port of the node; the inner error is why nobody answered.
    async fn http_status(&self, port: u16, path: &str) -> Result<Result<u16, String>, String> {
        Err(format!(
            "this target has nobody who could be asked for {path} on port {port}"
        ))
    }
    /// What the daemon wrote to the journal since the target was opened, where there is a systemd.
    async fn journal(&self) -> Result<String, String> {
        Err("this target has no journal".to_owned())
    }
    /// A command on the node, where there is a systemd.
    async fn shell(&self, argv: &[&str]) -> Result<Output, String> {
        Err(format!("this target has no shell for {argv:?}"))
    }
    /// Lets so much of the target's time go by: real on a lab, virtual on the mock.
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
