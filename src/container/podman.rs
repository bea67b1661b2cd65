//! Typed podman commands over any [`CommandExecutor`].
//!
//! [`Podman`] builds arguments, sets a time limit for each command and turns exit codes and JSON into values.
//! Prose is read only to say what kind of refusal it was ([`Refusal`]).

mod call;
mod error;
mod events;
mod exec;
mod images;
mod look;
mod resources;
mod secrets;
mod spec;
mod stats;
#[cfg(test)]
mod tests;
mod version;

use std::{path::Path, sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{
    runtime::{CommandExecutor, CommandOutput, OutputLine},
    socket::Socket,
    status::{self, ContainerStatus},
};

use call::Call;
use look::Seen;

pub use error::{PodmanError, ReadError, Refusal, error_message};
pub use events::{ContainerEvent, EventNews};
pub use exec::ExecOutput;
pub use images::PullProgress;
pub use spec::{ContainerSpec, HealthSpec, PortSpec, SecretTarget, SecretUse, VolumeMount};
pub use stats::ContainerStats;
pub use version::{NotAVersion, PodmanVersion};

/// Time limit of a command that only asks, or changes little.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(30);
/// Time limit of `start`: a start may have to wait for storage after an unclean shutdown.
pub const START_LIMIT: Duration = Duration::from_secs(120);
/// Time limit of `rm`: layers of many files take their time.
pub const REMOVE_LIMIT: Duration = Duration::from_secs(120);
/// Time limit of one pull; a registry that accepts and never answers is not noticed by podman itself.
pub const PULL_LIMIT: Duration = Duration::from_secs(60 * 60);
/// What `stop` may take beyond the grace: SIGKILL, unmount, network teardown on a busy machine.
pub const STOP_MARGIN: Duration = Duration::from_secs(30);

/// Whether a removal had something to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It was there, and is gone now.
    Done,
    /// It was not there.
    AlreadyGone,
}

/// Typed podman commands. Cheap to clone.
#[derive(Clone)]
pub struct Podman {
    executor: Arc<dyn CommandExecutor>,
    /// Asked instead of the command line where it answers.
    socket: Option<Arc<Socket>>,
    version: Arc<OnceCell<PodmanVersion>>,
    seen: Arc<Seen>,
}

/// What counts as recent where a log cannot be read from its end.
const RECENT: &str = "--since=10m";

/// The lines of standard output, then those of standard error: podman does not say how they were interleaved.
fn lines_of(output: &CommandOutput) -> Vec<String> {
    [&output.stdout, &output.stderr]
        .into_iter()
        .flat_map(|bytes| {
            String::from_utf8_lossy(bytes)
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

impl Podman {
    /// Commands that run through `executor`.
    pub fn new(executor: Arc<dyn CommandExecutor>) -> Self {
        Self {
            executor,
            socket: None,
            version: Arc::new(OnceCell::new()),
            seen: Arc::default(),
        }
    }

    /// The same, and podman's service at `socket` is asked, and pulls, where it answers.
    #[must_use]
    pub fn with_socket(self, socket: &Path) -> Self {
        Self {
            socket: Some(Arc::new(Socket::new(socket))),
            ..self
        }
    }

    /// Asks podman for its version.
    ///
    /// # Errors
    /// As every command: [`PodmanError`].
    pub async fn version(&self) -> Result<PodmanVersion, PodmanError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Versions {
            client: Client,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Client {
            version: PodmanVersion,
        }
        let call = Call::new(["version", "--format=json"]);
        let output = self.succeed(&call).await?;
        let versions: Versions = serde_json::from_slice(&output.stdout)
            .map_err(|source| call.unreadable("version", source))?;
        Ok(versions.client.version)
    }

    /// The version, asked for once: an upgrade of podman below a running daemon is seen at its next start.
    async fn known_version(&self) -> Result<PodmanVersion, PodmanError> {
        self.version
            .get_or_try_init(|| self.version())
            .await
            .copied()
    }

    /// One container; `None` when there is none of that name.
    ///
    /// # Errors
    /// As every command.
    pub async fn inspect(&self, name: &str) -> Result<Option<ContainerStatus>, PodmanError> {
        let version = self.known_version().await?;
        let call = Call::new(["container", "inspect"]).operands([name]);
        let output = self.run(&call).await?;
        let error = (output.code != 0).then(|| call.refused(&output));
        if let Some(error) = error {
            return if error.refusal() == Some(Refusal::NoSuchContainer) {
                Ok(None)
            } else {
                Err(error)
            };
        }
        let found = status::parse_inspect(&output.stdout, version)
            .map_err(|source| call.unreadable("container", source))?;
        // podman also takes the beginning of an id for a name.
        Ok(found
            .into_iter()
            .find(|container| container.name == name || container.id == name))
    }

    /// Makes a container and returns its id, 64 hex digits. It is not started.
    ///
    /// # Errors
    /// As every command; nothing is left behind then.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<String, PodmanError> {
        let call = Call::new(spec.create_args());
        let output = self.succeed(&call).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let id = text.trim();
        if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(id.to_owned())
        } else {
            Err(call.unreadable(
                "id",
                ReadError::NotAnId {
                    text: id.to_owned(),
                },
            ))
        }
    }

    /// Starts a container; one that runs already is left as it is.
    ///
    /// # Errors
    /// As every command; the container is in state `created` (or as it was) then.
    pub async fn start(&self, name: &str) -> Result<(), PodmanError> {
        let call = Call::new(["start"]).operands([name]).limit(START_LIMIT);
        let result = self.succeed(&call).await.map(drop);
        // Of a start that failed the list says nothing, and `inspect` does.
        self.seen.forget(name);
        result
    }

    /// Sends the stop signal, waits `grace` (whole seconds, rounded up), then SIGKILL. Returns when the process is
    /// gone. A container that does not run is left as it is.
    ///
    /// # Errors
    /// As every command. After [`PodmanError::TimedOut`] the container may stay `stopping`; stop it again.
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<(), PodmanError> {
        let seconds = spec::whole_seconds(grace);
        let call = Call::new(["stop"])
            .arg(format!("--time={seconds}"))
            .operands([name])
            .limit(Duration::from_secs(seconds).saturating_add(STOP_MARGIN));
        self.succeed(&call).await.map(drop)
    }

    /// Removes a container and its anonymous volumes. `force` kills it first, without any grace.
    ///
    /// # Errors
    /// As every command; without `force` a running or paused one is refused ([`Refusal::ImproperState`]).
    pub async fn remove(&self, name: &str, force: bool) -> Result<Removed, PodmanError> {
        let call = Call::new(["rm", "--volumes"]);
        let call = if force {
            call.arg("--force").arg("--time=0")
        } else {
            call
        };
        let call = call.operands([name]).limit(REMOVE_LIMIT);
        let mut result = self.succeed(&call).await;
        if force && matches!(result, Err(PodmanError::Refused { .. })) {
            // podman 5.4 refuses the first forced removal of a container whose conmon and process are both
            // gone, and obeys the second.
            result = self.succeed(&call).await;
        }
        match result {
            // `rm --force` of an unknown name is a silent success.
            Ok(output) if output.stdout.trim_ascii().is_empty() => Ok(Removed::AlreadyGone),
            Ok(_) => Ok(Removed::Done),
            Err(error) => error.already_gone(Refusal::NoSuchContainer),
        }
    }

    /// The last `tail` lines that the container wrote: those of its standard output, then those of its standard
    /// error. podman does not say how they were interleaved.
    ///
    /// # Errors
    /// As every command.
    pub async fn logs(&self, name: &str, tail: u32) -> Result<Vec<String>, PodmanError> {
        // podman 4 puts the parts of a line that was written bit by bit in the wrong order, and some of them nowhere, but
        // only with `--tail` (measured: 4.3.1). Without it a log of months would be read: so first what is recent.
        if self.known_version().await? < PodmanVersion::new(5, 0, 0) {
            let call = Call::new(["logs", RECENT]).operands([name]);
            let mut lines = lines_of(&self.succeed(&call).await?);
            if !lines.is_empty() {
                lines.drain(..lines.len().saturating_sub(tail as usize));
                return Ok(lines);
            }
        }
        let call = Call::new(["logs"])
            .arg(format!("--tail={tail}"))
            .operands([name]);
        Ok(lines_of(&self.succeed(&call).await?))
    }

    /// Answers of `… exists`: 0 is yes, 1 is no, anything else an error.
    async fn exists(&self, call: &Call) -> Result<bool, PodmanError> {
        let output = self.run(call).await?;
        match output.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(call.refused(&output)),
        }
    }

    /// Runs a command; any exit code but 0 is a refusal.
    async fn succeed(&self, call: &Call) -> Result<CommandOutput, PodmanError> {
        let output = self.run(call).await?;
        if output.code == 0 {
            Ok(output)
        } else {
            Err(call.refused(&output))
        }
    }

    /// Runs a command to its end.
    async fn run(&self, call: &Call) -> Result<CommandOutput, PodmanError> {
        let args = call.started();
        call.in_time(self.executor.execute("podman", &args)).await
    }

    /// Runs a command and gives each line it writes while it runs; returns its exit code. Beside [`run`](Self::run) the
    /// only place that starts podman.
    async fn run_by_line(
        &self,
        call: &Call,
        on_line: &mut (dyn FnMut(OutputLine) + Send),
    ) -> Result<i32, PodmanError> {
        let args = call.started();
        call.in_time(self.executor.stream("podman", &args, on_line))
            .await
    }
}
