//! A mock node behind real TCP, and the line to it, which can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use archipelago::clock::SystemClock;
use archipelago::config::Config;
use archipelago::container::mock_podman::{FIXTURE_IMAGE, MockPodman};
use archipelago::container::podman::PodmanVersion;
use archipelago::container::runtime::CommandExecutor;
use archipelago::container::status::ContainerState;
use archipelago::daemon::Daemon;
use archipelago::host::MockHost;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::browser::Browser;

/// The daemon on `MockPodman`, at the real time of day.
pub(crate) struct Node {
    pub(crate) podman: MockPodman,
    daemon: Daemon,
    config: Config,
    address: SocketAddr,
    server: AbortHandle,
    line: std::sync::Mutex<Option<JoinSet<()>>>,
    behind: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Node {
    pub(crate) async fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .map_err(|error| format!("no folder: {error}"))?;
        let mut config = Config {
            state_dir: folder.path().join("state"),
            apps_dir: folder.path().join("apps"),
            ..Config::default()
        };
        config.install.stay_up = Duration::from_millis(300);
        std::fs::create_dir(&config.apps_dir).map_err(|error| format!("no folder: {error}"))?;
        let podman =
            MockPodman::with_version_and_time(PodmanVersion::new(5, 4, 2), chrono::Utc::now());
        podman.add_image(FIXTURE_IMAGE);
        let daemon = Daemon::start(
            config.clone(),
            Arc::new(podman.clone()),
            Arc::new(SystemClock),
            Arc::new(MockHost::new()),
        )
        .map_err(|error| archipelago_lab::chain(&error))?;
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let inner = listen().await.map_err(|error| error.to_string())?;
        let outer = listen().await.map_err(|error| error.to_string())?;
        let behind = inner.local_addr().map_err(|error| error.to_string())?;
        let address = outer.local_addr().map_err(|error| error.to_string())?;
        let server = axum::serve(inner, daemon.router());
        let server = tokio::spawn(async move { drop(server.await) }).abort_handle();
        let node = Self {
            podman,
            daemon,
            config,
            address,
            server,
            line: std::sync::Mutex::default(),
            behind,
            _folder: folder,
        };
        node.lay_line(outer);
        Ok(node)
    }

    /// Starts the daemon anew, with this past of its containers: the content of its tracker's file.
    pub(crate) async fn remember(&mut self, tracker: &Value) -> Result<(), String> {
        self.server.abort();
        self.daemon.shutdown().await;
        let path = self
            .config
            .state_dir
            .join(archipelago::package::TRACKER_FILE);
        let file = json!({ "version": 1, "data": tracker });
        std::fs::write(path, file.to_string()).map_err(|error| error.to_string())?;
        self.daemon = Daemon::start(
            self.config.clone(),
            Arc::new(self.podman.clone()),
            Arc::new(SystemClock),
            Arc::new(MockHost::new()),
        )
        .map_err(|error| archipelago_lab::chain(&error))?;
        let inner = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| error.to_string())?;
        self.behind = inner.local_addr().map_err(|error| error.to_string())?;
        let server = axum::serve(inner, self.daemon.router());
        self.server = tokio::spawn(async move { drop(server.await) }).abort_handle();
        self.cut_line().await;
        self.mend_line().await
    }

    pub(crate) async fn end(self) {
        self.cut_line().await;
        self.server.abort();
        self.daemon.abort().await;
    }

    /// The page's address.
    pub(crate) fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn token(&self) -> &str {
        self.daemon.token()
    }

    /// The page's address, with the token.
    pub(crate) fn page_with_token(&self) -> String {
        format!("{}#token={}", self.page(), self.token())
    }

    /// Opens the page and waits until it shows the node.
    pub(crate) async fn open(&self, browser: &Browser) -> Result<(), String> {
        browser.open(&self.page_with_token()).await?;
        browser
            .until_true(
                "the page is live",
                "document.getElementById('link').dataset.state === 'live' && document.getElementById('versions').textContent.includes('podman')",
            )
            .await
    }

    /// All connections end, and no new one is taken.
    pub(crate) async fn cut_line(&self) {
        let line = self.line().take();
        if let Some(mut line) = line {
            line.shutdown().await;
        }
    }

    /// The line is as it was before it was cut.
    pub(crate) async fn mend_line(&self) -> Result<(), String> {
        let listener = TcpListener::bind(self.address)
            .await
            .map_err(|error| format!("the port is taken: {error}"))?;
        self.lay_line(listener);
        Ok(())
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Option<JoinSet<()>>> {
        self.line.lock().expect("nobody panics under it")
    }

    fn lay_line(&self, listener: TcpListener) {
        let behind = self.behind;
        let mut line = JoinSet::new();
        line.spawn(async move {
            // Dropped with this task, and with them all connections.
            let mut connections = JoinSet::new();
            while let Ok((mut here, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(behind).await {
                        drop(tokio::io::copy_bidirectional(&mut here, &mut there).await);
                    }
                });
            }
        });
        *self.line() = Some(line);
    }

    /// A call, past the page.
    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Result<Value, String> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = Request::post("/rpc/v1")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token()))
            .body(Body::from(body.to_string()))
            .map_err(|error| error.to_string())?;
        let answer = self
            .daemon
            .router()
            .oneshot(request)
            .await
            .map_err(|error| error.to_string())?;
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .map_err(|error| error.to_string())?;
        let mut answer: Value =
            serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        match answer.get_mut("error") {
            Some(error) => Err(format!("{method}: {error}")),
            None => Ok(answer["result"].take()),
        }
    }

    /// A podman command, past the daemon.
    pub(crate) async fn podman(&self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split(' ').collect();
        let output = self
            .podman
            .execute("podman", &words)
            .await
            .map_err(|error| archipelago_lab::chain(&error))?;
        if output.code == 0 {
            Ok(())
        } else {
            Err(format!(
                "{line}: {}",
                String::from_utf8_lossy(&output.stderr)
            ))
        }
    }

    /// The monitor looks, as it does by itself when podman tells of something.
    pub(crate) fn look(&self) {
        self.daemon.look_now();
    }

    /// Makes the app in a container end, as by `exit 3`, and waits until podman says so.
    pub(crate) async fn poke(&self, container: &str, what: &str) -> Result<(), String> {
        self.podman(&format!("exec {container} /fixture poke {what}"))
            .await?;
        let deadline = Instant::now() + Duration::from_secs(10);
        let state = || {
            let all = self.podman.containers();
            let found = all.into_iter().find(|one| one.name == container);
            found.map(|one| one.state)
        };
        while state() == Some(ContainerState::Running) {
            if Instant::now() > deadline {
                return Err(format!("`{container}` still runs after `poke {what}`"));
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.look();
        Ok(())
    }

    /// Puts a manifest into the catalog: title, version, and its containers in TOML.
    pub(crate) fn offer(&self, id: &str, title: &str, version: &str, containers: &str) {
        // TOML takes JSON's strings.
        let text = format!(
            "id = {}\ntitle = {}\nversion = {}\n{containers}",
            json!(id),
            json!(title),
            json!(version)
        );
        std::fs::write(self.config.apps_dir.join(format!("{id}.toml")), text)
            .expect("the folder of manifests can be written");
    }

    /// Offers a package with one container of the same name, and installs it.
    pub(crate) async fn install(&self, id: &str, title: &str, more: &str) -> Result<(), String> {
        self.offer(id, title, "1.0", &container(id, more));
        self.rpc("package.install", json!({ "id": id }))
            .await
            .map(drop)
    }
}

/// A container of the fixture app that only the monitor restarts, as TOML.
pub(crate) fn container(name: &str, more: &str) -> String {
    let tier = if more.contains("tier =") {
        ""
    } else {
        "tier = 2\n"
    };
    format!(
        "[[containers]]\nname = \"{name}\"\nimage = \"{FIXTURE_IMAGE}\"\ncommand = [\"serve\", \"8080\"]\nrestart = \"no\"\nmemory = \"64m\"\n{tier}{more}\n"
    )
}
