//! A session of its own for the `lab` command: its own state directory, hence its own keeper and, where no engine listens,
//! its own `podman system service`; and the check that nothing of it is left.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use archipelago_lab::engine::{self, Endpoint, Wishes};
use archipelago_lab::session::owner::{LABEL_NAME, LABEL_SESSION};
use archipelago_lab::session::record::{KeeperRecord, ServiceRecord};
use archipelago_lab::session::state_dir::{STATE_DIR_ENV, StateDir};
use bollard::Docker;
use bollard::query_parameters::ListContainersOptionsBuilder;
use tokio::process::{Child, Command};

use crate::footprint::Footprint;
use crate::processes::{self, until};

/// See the module.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    docker_host: Option<String>,
    path: Option<PathBuf>,
    wrapper: Vec<String>,
    /// Of every `lab` that was started: scratch folders carry them.
    pids: RefCell<Vec<u32>>,
}

/// How a `lab` command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Fails unless the exit code is this one and standard error holds each text.
    pub(crate) fn expect(&self, code: i32, texts: &[&str]) -> anyhow::Result<()> {
        ensure!(
            self.code == Some(code),
            "exit code {code} was expected: {self:?}"
        );
        for text in texts {
            ensure!(
                self.err.contains(text),
                "`{text}` was expected on standard error:\n{}",
                self.err
            );
        }
        Ok(())
    }
}

impl Stage {
    /// A session whose engine is found as on any machine where DOCKER_HOST is not set. An engine that it starts has a
    /// storage of its own, and sees the images of the machine.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("archipelago-lab-test-")
            .tempdir_in("/var/tmp")?;
        let path = folder.path().display();
        std::fs::write(
            folder.path().join("storage.conf"),
            format!(
                "[storage]\ndriver = \"overlay\"\ngraphroot = \"{path}/graph\"\nrunroot = \"{path}/run\"\n\
                 [storage.options]\nadditionalimagestores = [\"/var/lib/containers/storage\"]\n"
            ),
        )?;
        Ok(Self {
            folder,
            docker_host: None,
            path: None,
            wrapper: Vec::new(),
            pids: RefCell::default(),
        })
    }

    /// With DOCKER_HOST set.
    pub(crate) fn docker_host(mut self, value: impl Into<String>) -> Self {
        self.docker_host = Some(value.into());
        self
    }

    /// With a PATH of one folder.
    pub(crate) fn path(mut self, folder: impl Into<PathBuf>) -> Self {
        self.path = Some(folder.into());
        self
    }

    /// `lab` is started by another program.
    pub(crate) fn wrapper(mut self, argv: &[&str]) -> Self {
        self.wrapper = argv.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// A folder of the test, gone with the stage.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The environment that makes a program's labs belong here.
    pub(crate) fn env(&self, command: &mut Command) {
        command
            .env_remove("ARCHIPELAGO_LAB_SESSION")
            .env_remove("DOCKER_HOST")
            .env(
                "CONTAINERS_STORAGE_CONF",
                self.folder.path().join("storage.conf"),
            )
            .env(STATE_DIR_ENV, self.state_dir());
        if let Some(value) = &self.docker_host {
            command.env("DOCKER_HOST", value);
        }
        if let Some(value) = &self.path {
            command.env("PATH", value);
        }
    }

    /// Starts `lab`.
    pub(crate) fn spawn(&self, args: &[&str]) -> anyhow::Result<Child> {
        let lab = env!("CARGO_BIN_EXE_lab");
        let mut command = match self.wrapper.split_first() {
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(lab);
                command
            }
            None => Command::new(lab),
        };
        self.env(&mut command);
        let child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        self.pids.borrow_mut().extend(child.id());
        Ok(child)
    }

    /// Runs `lab` to its end.
    pub(crate) async fn lab(&self, args: &[&str]) -> anyhow::Result<Ran> {
        finish(self.spawn(args)?)
            .await
            .with_context(|| format!("lab {}", args.join(" ")))
    }

    /// Runs a `lab` that has to succeed; its standard output.
    pub(crate) async fn succeed(&self, args: &[&str]) -> anyhow::Result<String> {
        let ran = self.lab(args).await?;
        ran.expect(0, &[])
            .with_context(|| format!("lab {}", args.join(" ")))?;
        Ok(ran.out)
    }

    /// The keeper's record.
    pub(crate) fn keeper(&self) -> anyhow::Result<KeeperRecord> {
        StateDir::at(self.state_dir())
            .keeper()?
            .context("the session has no keeper")
    }

    /// Its engine, where the keeper has started it.
    pub(crate) fn service(&self) -> anyhow::Result<ServiceRecord> {
        self.keeper()?
            .service
            .context("the keeper has started no engine")
    }

    /// Containers of this session: id by the lab's name.
    pub(crate) async fn containers(&self) -> anyhow::Result<HashMap<String, String>> {
        let label = format!("{LABEL_SESSION}={}", self.state_dir().display());
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let engine = engine::connect(&self.keeper()?.endpoint)?;
        let all = engine.list_containers(Some(options)).await?;
        Ok(all
            .into_iter()
            .filter_map(|container| {
                let name = container.labels?.remove(LABEL_NAME).unwrap_or_default();
                Some((name, container.id?))
            })
            .collect())
    }

    /// Waits until a lab's PID 1 runs, and takes down what it occupies.
    pub(crate) async fn footprint(&self, lab: &str) -> anyhow::Result<Footprint> {
        until(&format!("lab {lab} running"), async || {
            let engine = self
                .keeper()
                .and_then(|keeper| Ok(engine::connect(&keeper.endpoint)?));
            let docker = engine.map_err(|e| format!("{e:#}"))?;
            let containers = self.containers().await.map_err(|e| format!("{e:#}"))?;
            let id = containers
                .get(lab)
                .ok_or_else(|| format!("{containers:?}"))?;
            Footprint::of(&docker, id)
                .await
                .map_err(|e| format!("{e:#}"))
        })
        .await
    }

    /// Waits until nothing of this session is left on the machine.
    pub(crate) async fn nothing_is_left(self, labs: &[Footprint]) -> anyhow::Result<()> {
        until("nothing of the session is left", async || {
            let mut left = Vec::new();
            for lab in labs {
                left.extend(lab.left(None).await.err());
            }
            left.extend(self.stored());
            let dir = self.state_dir();
            if dir.exists() {
                left.push(dir.display().to_string());
            }
            let dir = dir.display().to_string();
            let running = [
                processes::with("environ", &dir),
                processes::with("cmdline", &dir),
            ]
            .concat();
            if !running.is_empty() {
                left.push(format!("processes {}", processes::describe(&running)));
            }
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            if mounts.contains(&dir) {
                left.push("mounts".into());
            }
            left.extend(self.scratch_folders());
            if left.is_empty() {
                Ok(())
            } else {
                Err(left.join(", "))
            }
        })
        .await
    }

    /// What the session's storage holds: containers (those of image builds too), volumes, tagged images. Where another
    /// engine was named, it has none.
    fn stored(&self) -> Vec<String> {
        let graph = self.folder.path().join("graph");
        let list = |file: &str| -> Vec<serde_json::Value> {
            std::fs::read(graph.join(file))
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or_default()
        };
        let mut stored: Vec<String> = list("overlay-containers/containers.json")
            .iter()
            .map(|container| format!("container {}", container["names"]))
            .collect();
        let volumes = std::fs::read_dir(graph.join("volumes"));
        stored.extend(
            volumes
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|volume| format!("volume {:?}", volume.file_name())),
        );
        stored.extend(
            list("overlay-images/images.json")
                .iter()
                .filter(|image| image["names"].is_array())
                .map(|image| format!("image {}", image["names"])),
        );
        stored
    }

    fn scratch_folders(&self) -> Vec<String> {
        let hash =
            archipelago_lab::image::archive::hex(self.state_dir().as_os_str().as_encoded_bytes());
        let mut ours = vec![format!("archipelago-lab-podman-{}", &hash[..12])];
        let pids = self.pids.borrow();
        ours.extend(pids.iter().map(|pid| format!("archipelago-lab-{pid}-")));
        let entries = std::fs::read_dir("/var/tmp")
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| ours.iter().any(|prefix| name.starts_with(prefix)))
            .collect()
    }
}

/// Waits for the end of a program.
pub(crate) async fn finish(child: Child) -> anyhow::Result<Ran> {
    let output = tokio::time::timeout(3 * processes::SOON, child.wait_with_output())
        .await
        .context("it did not end")??;
    Ok(Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The engine of this test program, see `main`. A podman of another session has the same storage.
pub(crate) fn host_engine() -> anyhow::Result<Docker> {
    Ok(engine::connect(&host_endpoint()?)?)
}

/// Where it listens.
pub(crate) fn host_endpoint() -> anyhow::Result<Endpoint> {
    Wishes::from_env()
        .docker_host
        .context("DOCKER_HOST is not set: main has not entered the session")
}

impl Drop for Stage {
    /// After a failed test: what is left goes, so that the next one begins on a clean machine.
    fn drop(&mut self) {
        let Ok(keeper) = self.keeper() else { return };
        let ids: Vec<String> = std::fs::read(
            self.folder
                .path()
                .join("graph/overlay-containers/containers.json"),
        )
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Vec<serde_json::Value>>(&bytes).ok())
        .unwrap_or_default()
        .iter()
        .filter_map(|container| container["id"].as_str().map(str::to_owned))
        .collect();
        // A runtime of its own: we may be inside one already.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    runtime.block_on(clean_up(&keeper, &ids));
                }
            });
        });
    }
}

async fn clean_up(keeper: &KeeperRecord, ids: &[String]) {
    if let Ok(engine) = engine::connect(&keeper.endpoint) {
        for id in ids {
            if let Err(error) = archipelago_lab::session::keeper::remove(&engine, id).await {
                eprintln!("{id} stays: {error}");
            }
        }
    }
    if let Err(error) = processes::signal(keeper.keeper.pid, rustix::process::Signal::TERM) {
        eprintln!("the keeper stays: {error:#}");
    }
    if let Err(error) = processes::until_ended("the keeper", &keeper.keeper).await {
        eprintln!("the keeper stays: {error:#}");
    }
}
