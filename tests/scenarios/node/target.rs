//! The target `node`: a live node, over ssh. It does only what leaves others' packages alone, and refuses all else.

use std::sync::Arc;
use std::time::Duration;

use archipelago::catalog::{Catalog, Manifest};
use archipelago_lab::image::FIXTURE_IMAGE;
use async_trait::async_trait;
use axum::body::Body;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::api::Api;
use super::error::NodeError;
use super::harmless::is_harmless;
use super::mark::Mark;
use super::refuse::{Refusal, claim, taken};
use super::ssh::Session;
use crate::inside;
use crate::target::{Call, Fault, Need, Output, Remote, Target};

const UNIT: &str = "archipelago.service";
/// Manifests of the node's own.
const APPS: &str = "/etc/archipelago/apps";
/// How long systemd may take to start a killed daemon again.
const ANOTHER: Duration = Duration::from_secs(20);
/// Makes the file `$1` of standard input.
const PUT: &str = "mkdir -p \"${1%/*}\" && cat >\"$1.new\" && mv \"$1.new\" \"$1\"";

/// Why a live node is not asked for what a scenario needs.
pub(crate) fn cannot(need: Need) -> Option<String> {
    match need {
        Need::Systemd | Need::Http | Need::Catalog => None,
        Need::MemoryLimit => Some("a live node's memory is not used up".to_owned()),
        Need::PowerLoss => Some("a live node keeps its power".to_owned()),
        Need::Registry => Some("a live node has no registry of its own".to_owned()),
    }
}

/// A live node.
pub(crate) struct Node {
    pub(super) session: Arc<Session>,
    pub(super) api: Api,
    /// What is done to it; noted down there before it is done.
    pub(super) mark: Arc<Mutex<Mark>>,
    /// Where its journal ended when this began.
    pub(super) cursor: Option<String>,
}

impl Node {
    /// Whether a package of the catalog may be installed: nobody has it, or anything by its names.
    pub(super) async fn may_install(&self, package: &str) -> Result<(), NodeError> {
        let claim = claim(&self.manifest(package).await?, None);
        let packages = self.api.result("package.list", json!({})).await?;
        Ok(taken(&claim, &packages, &self.mark.lock().await.before)?)
    }

    /// Notes down what an install will make, unless somebody has such things.
    async fn claim(&self, manifest: &Manifest, file: Option<String>) -> Result<(), NodeError> {
        let mut mark = self.mark.lock().await;
        if mark.owns("package", &manifest.id) {
            return Ok(());
        }
        let claim = claim(manifest, file);
        let packages = self.api.result("package.list", json!({})).await?;
        taken(&claim, &packages, &mark.before)?;
        let brings_fixture = claim.images.iter().any(|image| image == FIXTURE_IMAGE)
            && !mark.before.has("image", FIXTURE_IMAGE)
            && !mark.owns("image", FIXTURE_IMAGE);
        mark.claims.push(claim);
        mark.write(&self.session).await?;
        if brings_fixture {
            self.bring_fixture().await?;
        }
        Ok(())
    }

    /// Puts the image of the fixture app onto the node: no registry has it.
    async fn bring_fixture(&self) -> Result<(), NodeError> {
        let here = |error: archipelago_lab::image::ImageError| NodeError::Here {
            doing: "compile the fixture app",
            source: std::io::Error::other(archipelago_lab::chain(&error)),
        };
        let program = archipelago_lab::image::build::compile_fixture()
            .await
            .map_err(here)?;
        let archive = archipelago_lab::image::archive::fixture_archive(&program);
        let archive = archive.map_err(|source| NodeError::Here {
            doing: "make the image of the fixture app",
            source,
        })?;
        let argv = ["podman", "load", "--quiet"];
        self.session
            .succeed("load the fixture image", &argv, &archive)
            .await?;
        Ok(())
    }

    /// The manifest that the node has of a package.
    async fn manifest(&self, id: &str) -> Result<Manifest, NodeError> {
        let file = format!("{APPS}/{id}.toml");
        let is_own = self.mark.lock().await.before.has("file", &file);
        if is_own {
            let argv = ["cat", file.as_str()];
            let text = self.session.succeed("read a manifest", &argv, b"").await?;
            return Ok(read(id, &text)?);
        }
        let catalog = Catalog::load("/nowhere".as_ref());
        let manifest = catalog.get(id).cloned();
        Ok(manifest.map_err(|error| Refusal::unknown(id, &error))?)
    }

    /// The daemon's pid; 0 while there is none.
    async fn daemon_pid(&self) -> Result<String, NodeError> {
        let pid = self
            .session
            .succeed("tell the daemon's pid", &inside::DAEMON_PID, b"")
            .await?;
        Ok(pid.trim().to_owned())
    }

    async fn script(&self, doing: &str, script: &str, arguments: &[&str]) -> Result<(), NodeError> {
        let argv = [&["sh", "-ec", script, "sh"], arguments].concat();
        self.session.succeed(doing, &argv, b"").await?;
        Ok(())
    }

    /// What may be done to a container has to be this process's own.
    async fn own(&self, container: &str) -> Result<(), String> {
        let mark = self.mark.lock().await;
        if mark.owns("container", container) {
            Ok(())
        } else {
            Err(format!(
                "`{container}` is not of these tests: nothing is done to it"
            ))
        }
    }
}

/// What a manifest says by itself: what it needs may be in others.
fn read(id: &str, text: &str) -> Result<Manifest, Refusal> {
    toml::from_str(text).map_err(|error| Refusal::unknown(id, &error))
}

fn chain(error: impl Into<NodeError>) -> String {
    archipelago_lab::chain(&error.into())
}

#[async_trait]
impl Target for Node {
    async fn rpc(&self, method: &str, params: Value) -> Result<Result<Value, Value>, String> {
        if method == "package.install" {
            let id = params["id"].as_str().unwrap_or_default();
            if !self.mark.lock().await.owns("package", id) {
                let manifest = self.manifest(id).await.map_err(chain)?;
                self.claim(&manifest, None).await.map_err(chain)?;
            }
        } else if let Some(id) = params["id"]
            .as_str()
            .filter(|_| method.starts_with("package."))
            && !self.mark.lock().await.owns("package", id)
        {
            return Err(format!(
                "`{id}` is not of these tests: nothing is done to it"
            ));
        }
        self.api.call(method, params).await.map_err(chain)
    }

    async fn open(&self, path: &str) -> Result<(u16, Body), String> {
        self.api.open_path(path).await.map_err(chain)
    }

    async fn podman(&self, argv: &[&str]) -> Result<Output, String> {
        {
            let mark = self.mark.lock().await;
            let own = mark.claims.iter().flat_map(|claim| &claim.containers);
            if !is_harmless(argv, &own.map(String::as_str).collect()) {
                return Err(format!(
                    "`podman {}` is not for a live node",
                    argv.join(" ")
                ));
            }
        }
        let argv = [&["podman"], argv].concat();
        let doing = argv.join(" ");
        self.session.run(&doing, &argv, b"").await.map_err(chain)
    }

    async fn add_app(&self, id: &str, text: &str) -> Result<(), String> {
        let manifest = read(id, text).map_err(chain)?;
        let path = format!("{APPS}/{id}.toml");
        self.claim(&manifest, Some(path.clone()))
            .await
            .map_err(chain)?;
        let argv = ["sh", "-ec", PUT, "sh", &path];
        let put = self
            .session
            .succeed("add a manifest", &argv, text.as_bytes());
        put.await.map(drop).map_err(chain)
    }

    async fn state_files(&self) -> Result<Vec<(String, String)>, String> {
        let argv = ["sh", "-ec", inside::STATE, "sh", "secrets"];
        let text = self
            .session
            .succeed("read archipelago's files", &argv, b"")
            .await;
        let text = text.map_err(chain)?;
        Ok(inside::files(&text))
    }

    async fn begin(&self, method: &str, params: Value) -> Result<Call, String> {
        let id = params["id"].as_str().unwrap_or_default();
        if !self.mark.lock().await.owns("package", id) {
            return Err(format!(
                "`{id}` is not of these tests: nothing is done to it"
            ));
        }
        let (api, method) = (self.api.clone(), method.to_owned());
        Ok(tokio::spawn(async move {
            api.call(&method, params).await.map_err(chain)
        }))
    }

    async fn kill_daemon(&mut self) -> Result<(), String> {
        let kill = async {
            let before = self.daemon_pid().await?;
            self.script("kill the daemon", "kill -KILL \"$1\"", &[&before])
                .await?;
            // systemd starts it again; until then the old one's port may still seem to answer.
            let deadline = Instant::now() + ANOTHER;
            loop {
                let now = self.daemon_pid().await?;
                if now != before && now != "0" {
                    return self.api.until_it_answers().await;
                }
                if Instant::now() > deadline {
                    return Err(NodeError::Late {
                        doing: format!("start the daemon again after pid {before}; pid {now}"),
                        secs: ANOTHER.as_secs(),
                    });
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        kill.await.map_err(chain)
    }

    async fn watch_podman(&self) -> Result<(), String> {
        Err("podman of a live node is not replaced".into())
    }

    async fn leaks(&self, _: &[&str]) -> Result<Vec<String>, String> {
        Err("a live node is not searched for secrets".into())
    }

    async fn restart_daemon(&mut self) -> Result<(), String> {
        let argv = ["systemctl", "restart", UNIT];
        let restart = self.session.succeed("restart the daemon", &argv, b"").await;
        restart.map_err(chain)?;
        self.api.until_it_answers().await.map_err(chain)
    }

    async fn power_loss(&mut self) -> Result<(), String> {
        Err("a live node keeps its power".into())
    }

    async fn inject(&self, fault: Fault<'_>) -> Result<(), String> {
        match fault {
            Fault::Exit { container, .. } | Fault::Sick { container } => {
                self.own(container).await?;
                crate::fixture::poke(self, fault).await
            }
            Fault::Kill { container } => {
                self.own(container).await?;
                let arguments = [container];
                let kill = self.script("kill a container's process", inside::KILL, &arguments);
                kill.await.map_err(chain)
            }
            Fault::EatMemory { .. }
            | Fault::KillBoth { .. }
            | Fault::DiskFull
            | Fault::DiskFree => Err(format!("not on a live node: {fault:?}")),
        }
    }

    async fn registry(&self) -> Result<Remote, String> {
        Err("a live node has no registry of its own".into())
    }

    async fn registry_hangs(&self) -> Result<(), String> {
        Err("a live node has no registry of its own".into())
    }

    async fn closed_registry(&self, _: &str) -> Result<String, String> {
        Err("a live node has no registry of its own".into())
    }

    async fn look_now(&self) -> Result<(), String> {
        let look = self
            .session
            .succeed("make the monitor look", &inside::LOOK_NOW, b"")
            .await;
        look.map(drop).map_err(chain)
    }

    async fn http_status(&self, port: u16, path: &str) -> Result<Result<u16, String>, String> {
        match self.api.status_of(port, path).await {
            Ok(status) => Ok(Ok(status)),
            // Nobody listens there, or not yet.
            Err(NodeError::NoAnswer(why)) => Ok(Err(why)),
            Err(error) => Err(chain(error)),
        }
    }

    async fn journal(&self) -> Result<String, String> {
        let mut argv = vec![
            "journalctl",
            "--no-pager",
            "--quiet",
            "--output=cat",
            "--unit",
            UNIT,
        ];
        let after;
        if let Some(cursor) = &self.cursor {
            after = format!("--after-cursor={cursor}");
            argv.push(&after);
        }
        let text = self.session.succeed("read the journal", &argv, b"").await;
        text.map_err(chain)
    }
}
