//! A whole node in memory: daemon, podman, machine and clock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use archipelago::clock::{Clock, VirtualClock};
use archipelago::config::Config;
use archipelago::container::mock_podman::MockPodman;
use archipelago::container::podman::PodmanVersion;
use archipelago::container::runtime::{CommandExecutor, CommandOutput, ExecuteError, OutputLine};
use archipelago::container::status::ContainerState;
use archipelago::daemon::Daemon;
use archipelago::host::MockHost;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt;

#[path = "remains.rs"]
mod remains;

use self::remains::Keeping;
pub(crate) use self::remains::Remains;

/// The fixture image.
pub(crate) const IMAGE: &str = "localhost/archipelago-fixture:latest";

/// podman, as long as it can be reached.
struct Line {
    podman: MockPodman,
    is_cut: Arc<AtomicBool>,
    mood: Arc<Mutex<Mood>>,
    trap: Arc<Trap>,
    keeping: Arc<Keeping>,
    hangs: Arc<AtomicBool>,
    slowness: Arc<AtomicU64>,
}

/// How podman answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should.
    Well,
    /// Never.
    Hangs,
    /// With a line of logrus before what it has to say, on standard output.
    Warns,
    /// With something else altogether, and exit code 0.
    Garbage,
    /// With nothing, and exit code 0.
    Silence,
}

/// The machine's clock, which may jump.
pub(crate) struct JumpingClock {
    steady: VirtualClock,
    seconds: AtomicI64,
}

impl JumpingClock {
    /// Sets it forwards, or backwards.
    pub(crate) fn jump(&self, by: TimeDelta) {
        self.seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> DateTime<Utc> {
        self.steady.now() + TimeDelta::seconds(self.seconds.load(Ordering::Relaxed))
    }
}

/// Where a command line of the daemon's is held for ever, so that the daemon can be killed right there.
#[derive(Default)]
struct Trap {
    set: Mutex<Option<Catch>>,
    sprung: Notify,
}

/// Which command line is held.
#[derive(Debug, Clone)]
pub(crate) struct Catch {
    /// Only those of this verb.
    pub(crate) verb: Option<&'static str>,
    /// So many of them pass before it.
    pub(crate) passing: usize,
    /// Whether podman still carries out the one that is held.
    pub(crate) is_done: bool,
}

impl Trap {
    /// Whether this command line is the one, and what becomes of it.
    fn catches(&self, verb: &str) -> Option<Catch> {
        let mut set = self.set.lock().expect("no test panics in it");
        let catch = set.as_mut()?;
        if catch.verb.is_some_and(|wanted| wanted != verb) {
            return None;
        }
        match catch.passing.checked_sub(1) {
            Some(left) => {
                catch.passing = left;
                None
            }
            None => set.take(),
        }
    }
}

#[async_trait]
impl CommandExecutor for Line {
    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError> {
        tokio::time::sleep(Duration::from_secs(self.slowness.load(Ordering::Relaxed))).await;
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.is_cut.load(Ordering::Relaxed) {
            return Err(ExecuteError::DidNotStart {
                program: program.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            });
        }
        let mood = *self.mood.lock().expect("no test panics in it");
        let instead = match mood {
            Mood::Well => None,
            Mood::Hangs => std::future::pending().await,
            Mood::Warns => {
                let mut output = self.podman.execute(program, args).await?;
                let warning = b"time=\"2026-01-01T00:00:00Z\" level=warning msg=\"mind the gap\"\n";
                output.stdout.splice(..0, warning.iter().copied());
                Some(output)
            }
            Mood::Garbage => Some(printing(b"\x00\xff{]")),
            Mood::Silence => Some(printing(b"")),
        };
        if let Some(output) = instead {
            return Ok(output);
        }
        let Some(catch) = self.trap.catches(args.first().copied().unwrap_or_default()) else {
            self.keeping.at(args, &self.podman, false);
            let output = self.podman.execute(program, args).await;
            self.keeping.at(args, &self.podman, true);
            return output;
        };
        if catch.is_done {
            drop(self.podman.execute(program, args).await);
        }
        self.trap.sprung.notify_one();
        std::future::pending().await
    }

    async fn stream(
        &self,
        program: &str,
        args: &[&str],
        on_line: &mut (dyn FnMut(OutputLine) + Send),
    ) -> Result<i32, ExecuteError> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.is_cut.load(Ordering::Relaxed) {
            return Err(ExecuteError::DidNotStart {
                program: program.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            });
        }
        let Some(catch) = self.trap.catches(args.first().copied().unwrap_or_default()) else {
            self.keeping.at(args, &self.podman, false);
            let code = self.podman.stream(program, args, on_line).await;
            self.keeping.at(args, &self.podman, true);
            return code;
        };
        if catch.is_done {
            drop(self.podman.stream(program, args, on_line).await);
        }
        self.trap.sprung.notify_one();
        std::future::pending().await
    }
}

fn printing(stdout: &[u8]) -> CommandOutput {
    CommandOutput {
        code: 0,
        stdout: stdout.to_vec(),
        stderr: Vec::new(),
    }
}

pub(crate) struct Node {
    trap: Arc<Trap>,
    keeping: Arc<Keeping>,
    mood: Arc<Mutex<Mood>>,
    /// While it is true the daemon cannot start podman.
    pub(crate) is_cut: Arc<AtomicBool>,
    /// While it is true podman starts, and never ends.
    pub(crate) hangs: Arc<AtomicBool>,
    /// So many seconds longer each command takes.
    pub(crate) slowness: Arc<AtomicU64>,
    pub(crate) podman: MockPodman,
    pub(crate) host: MockHost,
    pub(crate) config: Config,
    pub(crate) clock: Arc<JumpingClock>,
    /// The OpenRPC document, from the first error on.
    document: tokio::sync::OnceCell<Value>,
    daemon: Option<Daemon>,
    /// The daemon's service, from the first request on.
    router: OnceLock<Router>,
    dir: tempfile::TempDir,
}

impl Node {
    /// A fresh node whose daemon runs.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// As [`Node::new`], with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::build(MockPodman::new(), change).await
    }

    /// A fresh node with another podman.
    pub(crate) async fn on(major: u32, minor: u32, patch: u32) -> Self {
        Self::on_with(major, minor, patch, |_| {}).await
    }

    /// As [`Node::on`], with other settings.
    pub(crate) async fn on_with(
        major: u32,
        minor: u32,
        patch: u32,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let version = PodmanVersion::new(major, minor, patch);
        Self::build(MockPodman::with_version(version), change).await
    }

    async fn build(podman: MockPodman, change: impl FnOnce(&mut Config)) -> Self {
        let dir = fast_folder();
        let mut config = Config {
            state_dir: dir.path().join("state"),
            apps_dir: dir.path().join("apps"),
            ..Config::default()
        };
        // Most tests look at what a fault makes of a node before they let the monitor look.
        config.health.events = false;
        std::fs::create_dir(&config.apps_dir).expect("a folder for manifests");
        change(&mut config);
        let mut node = Self {
            clock: Arc::new(JumpingClock {
                steady: VirtualClock::new(podman.now()),
                seconds: AtomicI64::new(0),
            }),
            podman,
            is_cut: Arc::default(),
            hangs: Arc::default(),
            slowness: Arc::default(),
            trap: Arc::default(),
            keeping: Arc::default(),
            mood: Arc::new(Mutex::new(Mood::Well)),
            host: MockHost::new(),
            config,
            document: tokio::sync::OnceCell::new(),
            daemon: None,
            router: OnceLock::new(),
            dir,
        };
        node.start_daemon().await;
        node
    }

    /// Another node with the same files and all that podman has, at the same time. Its daemon runs, and has looked; that
    /// of this node must not.
    pub(crate) async fn copy(&self) -> Self {
        assert!(self.daemon.is_none(), "files are copied whole");
        let dir = fast_folder();
        copy_folder(self.dir.path(), dir.path());
        let mut node = self.like(dir, self.podman.copy(), MockHost::new());
        node.start_daemon().await;
        node.look_and_wait(Duration::from_secs(1)).await;
        node
    }

    /// Does `work`, and keeps what a kill would leave at each of the daemon's command lines meanwhile: before podman
    /// carries it out, or after that where `is_done`.
    pub(crate) async fn keeping_remains<T>(
        &self,
        is_done: bool,
        work: impl Future<Output = T>,
    ) -> (T, Vec<Remains>) {
        self.keeping.begin(self.dir.path(), is_done);
        let result = work.await;
        (result, self.keeping.end())
    }

    /// The node as the kill has left it: the same files, podman and machine at the same time. This one's daemon must have
    /// ended.
    pub(crate) fn left_as(&self, remains: Remains) -> Self {
        assert!(self.daemon.is_none(), "the one that was killed");
        self.like(remains.dir, remains.podman.podman(), self.host.clone())
    }

    /// A node of the same settings without a daemon.
    fn like(&self, dir: tempfile::TempDir, podman: MockPodman, host: MockHost) -> Self {
        Self {
            clock: Arc::new(JumpingClock {
                steady: VirtualClock::new(podman.now()),
                seconds: AtomicI64::new(self.clock.seconds.load(Ordering::Relaxed)),
            }),
            podman,
            is_cut: Arc::default(),
            hangs: Arc::default(),
            slowness: Arc::default(),
            trap: Arc::default(),
            keeping: Arc::default(),
            mood: Arc::new(Mutex::new(Mood::Well)),
            host,
            config: Config {
                state_dir: dir.path().join("state"),
                apps_dir: dir.path().join("apps"),
                ..self.config.clone()
            },
            document: tokio::sync::OnceCell::new(),
            daemon: None,
            router: OnceLock::new(),
            dir,
        }
    }

    pub(crate) fn try_daemon(&self) -> Result<Daemon, archipelago::daemon::StartError> {
        Daemon::start(
            self.config.clone(),
            Arc::new(Line {
                podman: self.podman.clone(),
                is_cut: Arc::clone(&self.is_cut),
                hangs: Arc::clone(&self.hangs),
                slowness: Arc::clone(&self.slowness),
                trap: Arc::clone(&self.trap),
                keeping: Arc::clone(&self.keeping),
                mood: Arc::clone(&self.mood),
            }),
            self.clock.clone(),
            Arc::new(self.host.clone()),
        )
    }

    /// Starts the daemon and waits until its recovery is done.
    pub(crate) async fn start_daemon(&mut self) {
        self.begin_daemon();
        self.recovered().await;
    }

    /// Starts the daemon, which recovers in the background.
    pub(crate) fn begin_daemon(&mut self) {
        self.router.take();
        self.daemon = Some(self.try_daemon().expect("the daemon starts"));
    }

    /// Waits until the daemon's recovery is done.
    pub(crate) async fn recovered(&self) {
        while self.daemon().is_recovering() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("the daemon runs")
    }

    pub(crate) async fn shutdown(&mut self) {
        self.daemon
            .take()
            .expect("the daemon runs")
            .shutdown()
            .await;
    }

    pub(crate) async fn kill_daemon(&mut self) {
        self.daemon.take().expect("the daemon runs").abort().await;
    }

    /// Power goes and comes back; the daemon is not started yet.
    pub(crate) async fn power_loss(&mut self) {
        self.kill_daemon().await;
        self.podman.power_loss();
        self.host.reboot();
    }

    /// Lets the daemon look, and gives what follows `time` to happen.
    pub(crate) async fn look_and_wait(&self, time: Duration) {
        self.daemon().look_now();
        tokio::time::sleep(time).await;
    }

    /// Calls a method; the result or the error object.
    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (status, mut answer) = self
            .post(&body.to_string(), &[("authorization", &self.bearer())])
            .await;
        assert_eq!(status, 200, "{answer}");
        match answer.get_mut("error") {
            Some(error) => {
                self.is_documented(method, error).await;
                Err(error.take())
            }
            None => Ok(answer["result"].take()),
        }
    }

    /// An error that a method answers with stands with that method in the OpenRPC document.
    async fn is_documented(&self, method: &str, error: &Value) {
        let document = self
            .document
            .get_or_init(async || self.get("/rpc/v1/schema", &[]).await.1)
            .await;
        let methods = document["methods"].as_array().expect("methods");
        let Some(described) = methods.iter().find(|known| known["name"] == method) else {
            return;
        };
        let errors = described["errors"].as_array().expect("errors").iter();
        let mut codes = errors.map(|error| {
            let pointer = error["$ref"].as_str().expect("a reference");
            &document.pointer(&pointer[1..]).expect("an error")["code"]
        });
        assert!(
            codes.any(|code| *code == error["code"]),
            "`{method}` answered with a code that its documentation lacks: {error}"
        );
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.daemon().token())
    }

    /// Posts a body with these headers; the answer is text where it is no JSON.
    pub(crate) async fn post(&self, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = Request::post("/rpc/v1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        self.send(request).await
    }

    /// Asks for a path with these headers; the answer is text where it is no JSON.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        Self::read(self.stream(path, headers).await).await
    }

    /// Asks for a path with these headers; the answer may have no end.
    pub(crate) async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        self.answer(request).await
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let router = self.router.get_or_init(|| self.daemon().router());
        router.clone().oneshot(request).await.expect("never fails")
    }

    async fn send(&self, request: Request<Body>) -> (u16, Value) {
        Self::read(self.answer(request).await).await
    }

    async fn read(response: Response<Body>) -> (u16, Value) {
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// Writes a manifest.
    pub(crate) fn manifest(&self, id: &str, containers: &str) {
        let text = format!("id = \"{id}\"\ntitle = \"{id}\"\nversion = \"1\"\n{containers}");
        std::fs::write(self.config.apps_dir.join(format!("{id}.toml")), text).expect("written");
    }

    /// Writes the manifest of a package with one container of the same name.
    pub(crate) fn app(&self, id: &str, command: &str, more: &str) {
        self.manifest(id, &container(id, command, more));
    }

    pub(crate) async fn install(&self, id: &str) {
        let result = self.rpc("package.install", json!({ "id": id })).await;
        assert!(result.is_ok(), "{result:?}");
    }

    /// The entry of one package.
    pub(crate) async fn package(&self, id: &str) -> Option<Value> {
        let list = self.rpc("package.list", json!({})).await.expect("a list");
        list.as_array()
            .expect("a list")
            .iter()
            .find(|entry| entry["id"] == id)
            .cloned()
    }

    /// The entry of one container.
    pub(crate) async fn container(&self, name: &str) -> Value {
        let list = self.rpc("container.list", json!({})).await.expect("a list");
        let found = list
            .as_array()
            .expect("a list")
            .iter()
            .find(|entry| entry["name"] == name);
        found.expect("the container is listed").clone()
    }

    /// podman's state of a container, past the daemon.
    pub(crate) fn state(&self, name: &str) -> Option<ContainerState> {
        let found = self
            .podman
            .containers()
            .into_iter()
            .find(|container| container.name == name);
        found.map(|container| container.state)
    }

    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.state(name) == Some(ContainerState::Running)
    }

    /// Runs a podman command, past the daemon.
    pub(crate) async fn podman(&self, args: &[&str]) -> String {
        let output = self
            .podman
            .execute("podman", args)
            .await
            .expect("podman runs");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(output.code, 0, "podman {args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The last operand of each call of `verb` since `from`, in order.
    pub(crate) fn calls(&self, verb: &str, from: usize) -> Vec<String> {
        let calls = self.podman.calls();
        let of_verb = calls[from..].iter().filter(|args| args[0] == verb);
        of_verb.filter_map(|args| args.last().cloned()).collect()
    }

    /// From now on podman answers like this.
    pub(crate) fn podman_is(&self, mood: Mood) {
        *self.mood.lock().expect("no test panics in it") = mood;
    }

    /// Holds one of the daemon's next command lines for ever.
    pub(crate) fn catch(&self, catch: Catch) {
        *self.trap.set.lock().expect("no test panics in it") = Some(catch);
    }

    /// Lets time go by until a command line is held. False, and nothing will be held, where none is within an hour.
    pub(crate) async fn is_caught(&self) -> bool {
        let hour = Duration::from_secs(3600);
        let caught = tokio::time::timeout(hour, self.trap.sprung.notified()).await;
        self.trap.set.lock().expect("no test panics in it").take();
        caught.is_ok()
    }

    /// All there is: what podman has, without images, and the files below the state folder, by name.
    pub(crate) async fn census(&self) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = self
            .podman
            .containers()
            .iter()
            .map(|container| {
                format!(
                    "container {} {} {}",
                    container.name,
                    container.state.as_str(),
                    container.created_at
                )
            })
            .collect();
        for (kind, args) in [
            ("volume", ["volume", "ls", "--format=json"]),
            ("network", ["network", "ls", "--format=json"]),
        ] {
            let list: Value = serde_json::from_str(&self.podman(&args).await).expect("JSON");
            for object in list.as_array().expect("a list") {
                let name = object.get("Name").or_else(|| object.get("name"));
                found.insert(format!("{kind} {}", name.expect("a name")));
            }
        }
        let secrets = self.podman(&["secret", "ls", "--format={{.Name}}"]).await;
        found.extend(secrets.lines().map(|name| format!("secret {name}")));
        let mut folders = vec![self.config.state_dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&self.config.state_dir);
                    let name = name.expect("below it").display().to_string();
                    // What was told to the user stays told.
                    if name != "notifications.json" {
                        found.insert(format!("file {name}"));
                    }
                }
            }
        }
        found
    }

    pub(crate) fn state_file(&self, name: &str) -> PathBuf {
        self.config.state_dir.join(name)
    }
}

/// A temporary folder, in memory where there is one: state files are synced, which takes most of a test on a disk.
fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary folder")
}

/// Copies all files and folders, and who may read them.
fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            std::fs::create_dir(&to).expect("a folder");
            let permissions = from.metadata().expect("it is there").permissions();
            std::fs::set_permissions(&to, permissions).expect("they are set");
            copy_folder(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("copied");
        }
    }
}

/// A container of a manifest.
pub(crate) fn container(name: &str, command: &str, more: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let tier = if more.contains("tier =") {
        ""
    } else {
        "tier = 2"
    };
    format!(
        "[[containers]]\nname = \"{name}\"\nimage = \"{IMAGE}\"\ncommand = {words:?}\n{tier}\n{more}\n"
    )
}
