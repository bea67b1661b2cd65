//! The target `mock`: daemon, podman, machine and clock in this process, on paused time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archipelago::clock::VirtualClock;
use archipelago::config::Config;
use archipelago::container::mock_podman::{MockPodman, PullFault};
use archipelago::container::runtime::CommandExecutor;
use archipelago::daemon::Daemon;
use archipelago::host::MockHost;
use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use tower::ServiceExt;

use crate::http;
use crate::registry::Scenario;
use crate::stage::Stage;
use crate::target::{Call, Fault, Need, Output, Remote, Target};

/// What the registry holds.
const REMOTE: &str = "localhost:5000/app:1";

/// Why the mock cannot give what a scenario needs.
pub(crate) fn cannot(need: Need) -> Option<String> {
    match need {
        Need::MemoryLimit | Need::PowerLoss | Need::Registry => None,
        Need::Catalog => None,
        Need::Systemd => Some("no systemd runs in it".to_owned()),
        Need::Http => Some("no program runs in it".to_owned()),
    }
}

/// Runs a scenario on a fresh mock node.
pub(crate) fn run(scenario: &Scenario) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let mock = Mock::new(scenario).await?;
        let podman = mock.podman.clone();
        let mut stage = Stage::new(Box::new(mock));
        let outcome = (scenario.run)(&mut stage).await;
        outcome.map_err(|error| format!("{error}\n\n{}", kept(scenario, &stage, &podman)))
    })
}

/// Keeps what was done and every command line that podman was given; says where.
fn kept(scenario: &Scenario, stage: &Stage, podman: &MockPodman) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("target/mock")
        .join(scenario.name().replace("::", "-"));
    let calls: Vec<String> = podman.calls().iter().map(|argv| argv.join(" ")).collect();
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("timeline.txt"), stage.timeline.join("\n")))
        .and_then(|()| std::fs::write(folder.join("podman.txt"), calls.join("\n")));
    match written {
        Ok(()) => format!(
            "the last that was done:\n  {}\nevidence: {}",
            stage.timeline[stage.timeline.len().saturating_sub(5)..].join("\n  "),
            folder.display()
        ),
        Err(error) => format!("no evidence: {error}"),
    }
}

struct Mock {
    podman: MockPodman,
    host: MockHost,
    config: Config,
    clock: Arc<VirtualClock>,
    daemon: Option<Daemon>,
    _folder: tempfile::TempDir,
}

impl Mock {
    async fn new(scenario: &Scenario) -> Result<Self, String> {
        // In memory where there is such a place: fsync of state files is most of a mock scenario's time on a disk.
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .map_err(|error| format!("no folder: {error}"))?;
        let mut config = Config {
            state_dir: folder.path().join("state"),
            apps_dir: folder.path().join("apps"),
            ..Config::default()
        };
        config.health.interval = Duration::from_secs(scenario.look_every);
        config.health.max_restart_attempts = scenario.attempts;
        config.health.slow_lane = Duration::from_secs(scenario.slow_lane);
        config.health.events = scenario.events;
        config.install.stay_up = Duration::from_secs(1);
        std::fs::create_dir(&config.apps_dir).map_err(|error| format!("no folder: {error}"))?;
        let podman = MockPodman::new();
        podman.add_image(archipelago_lab::image::FIXTURE_IMAGE);
        podman.publish(&crate::smoke::image()?);
        let mut mock = Self {
            clock: Arc::new(VirtualClock::new(podman.now())),
            podman,
            host: MockHost::new(),
            config,
            daemon: None,
            _folder: folder,
        };
        mock.start_daemon().await?;
        Ok(mock)
    }

    async fn start_daemon(&mut self) -> Result<(), String> {
        let daemon = Daemon::start(
            self.config.clone(),
            Arc::new(self.podman.clone()),
            self.clock.clone(),
            Arc::new(self.host.clone()),
        )
        .map_err(|error| archipelago_lab::chain(&error))?;
        self.daemon = Some(daemon);
        Ok(())
    }

    fn daemon(&self) -> Result<&Daemon, String> {
        self.daemon.as_ref().ok_or_else(|| "no daemon runs".into())
    }

    fn take_daemon(&mut self) -> Result<Daemon, String> {
        self.daemon.take().ok_or_else(|| "no daemon runs".into())
    }
}

async fn call(
    router: axum::Router,
    token: String,
    method: &str,
    params: Value,
) -> Result<Result<Value, Value>, String> {
    let request = http::call("localhost", &token, method, &params)?;
    let answer = router
        .oneshot(request.map(Body::new))
        .await
        .map_err(|error| error.to_string())?;
    http::result_of(answer).await
}

#[async_trait]
impl Target for Mock {
    async fn rpc(&self, method: &str, params: Value) -> Result<Result<Value, Value>, String> {
        let daemon = self.daemon()?;
        call(daemon.router(), daemon.token().to_owned(), method, params).await
    }

    async fn begin(&self, method: &str, params: Value) -> Result<Call, String> {
        let daemon = self.daemon()?;
        let (router, token, method) = (
            daemon.router(),
            daemon.token().to_owned(),
            method.to_owned(),
        );
        Ok(tokio::spawn(async move {
            call(router, token, &method, params).await
        }))
    }

    async fn kill_daemon(&mut self) -> Result<(), String> {
        self.take_daemon()?.abort().await;
        self.start_daemon().await
    }

    async fn open(&self, path: &str) -> Result<(u16, Body), String> {
        let daemon = self.daemon()?;
        let request = Request::get(path)
            .header("authorization", format!("Bearer {}", daemon.token()))
            .body(Body::empty())
            .map_err(|error| error.to_string())?;
        let answer = daemon.router().oneshot(request).await;
        let answer = answer.map_err(|error| error.to_string())?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    async fn podman(&self, argv: &[&str]) -> Result<Output, String> {
        let output = self
            .podman
            .execute("podman", argv)
            .await
            .map_err(|error| archipelago_lab::chain(&error))?;
        Ok(Output {
            code: output.code.into(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    async fn add_app(&self, id: &str, manifest: &str) -> Result<(), String> {
        let path = self.config.apps_dir.join(format!("{id}.toml"));
        std::fs::write(&path, manifest).map_err(|error| format!("{}: {error}", path.display()))
    }

    async fn state_files(&self) -> Result<Vec<(String, String)>, String> {
        let mut files = Vec::new();
        let mut folders = vec![self.config.state_dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(|error| error.to_string())? {
                let path = entry.map_err(|error| error.to_string())?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let content = std::fs::read(&path).map_err(|error| error.to_string())?;
                let name = path.strip_prefix(&self.config.state_dir).unwrap_or(&path);
                files.push((
                    name.display().to_string(),
                    String::from_utf8_lossy(&content).into_owned(),
                ));
            }
        }
        Ok(files)
    }

    async fn watch_podman(&self) -> Result<(), String> {
        // It notes down all calls anyway.
        Ok(())
    }

    async fn leaks(&self, texts: &[&str]) -> Result<Vec<String>, String> {
        let calls = self.podman.calls();
        Ok(calls
            .iter()
            .filter(|call| texts.iter().any(|text| call.concat().contains(text)))
            .map(|call| format!("podman {}", call.join(" ")))
            .collect())
    }

    async fn restart_daemon(&mut self) -> Result<(), String> {
        self.take_daemon()?.shutdown().await;
        self.start_daemon().await
    }

    async fn power_loss(&mut self) -> Result<(), String> {
        self.take_daemon()?.abort().await;
        self.podman.power_loss();
        self.host.reboot();
        self.start_daemon().await
    }

    async fn inject(&self, fault: Fault<'_>) -> Result<(), String> {
        let there = |was: bool, container: &str| {
            if was {
                Ok(())
            } else {
                Err(format!("`{container}` does not run"))
            }
        };
        let folder = &self.config.state_dir;
        let away = folder.with_extension("away");
        match fault {
            Fault::Kill { container } => there(self.podman.kill_process(container), container),
            Fault::KillBoth { container } => {
                let output = self.podman(&["container", "inspect", container]).await?;
                let inspect: Value =
                    serde_json::from_str(&output.stdout).map_err(|error| error.to_string())?;
                let pid = inspect[0]["State"]["Pid"].as_u64().unwrap_or_default();
                self.host.bury(u32::try_from(pid).unwrap_or_default());
                there(self.podman.kill_process_and_monitor(container), container)
            }
            // A file in its place takes nothing.
            Fault::DiskFull => std::fs::rename(folder, &away)
                .and_then(|()| std::fs::write(folder, ""))
                .map_err(|error| error.to_string()),
            Fault::DiskFree => std::fs::remove_file(folder)
                .and_then(|()| std::fs::rename(&away, folder))
                .map_err(|error| error.to_string()),
            Fault::EatMemory { .. } | Fault::Exit { .. } | Fault::Sick { .. } => {
                super::fixture::poke(self, fault).await
            }
        }
    }

    async fn registry(&self) -> Result<Remote, String> {
        self.podman.publish(REMOTE);
        self.podman.pull_delay_ms(2_000);
        Ok(Remote {
            image: REMOTE.to_owned(),
            tells_bytes: false,
        })
    }

    async fn registry_hangs(&self) -> Result<(), String> {
        self.podman.fail_pull_with(REMOTE, 1, PullFault::Hangs);
        Ok(())
    }

    async fn closed_registry(&self, image: &str) -> Result<String, String> {
        let reference = format!("localhost:1/{image}");
        self.podman.fail_pull(&reference, u32::MAX);
        Ok(reference)
    }

    async fn look_now(&self) -> Result<(), String> {
        self.daemon()?.look_now();
        Ok(())
    }
}
