//! podman's JSON to [`ContainerStatus`]: bytes in, values out.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

use super::{ContainerState, ContainerStatus, Health};
use crate::container::podman::{PodmanVersion, ReadError};

/// Reads `podman ps -a --format json`, the whole list.
///
/// Also the libpod list of podman's REST service, which differs in `Created` and `Status`.
///
/// `ps` has no OOM flag and no error text; only podman 5 has the restart count there. Those fields are empty then;
/// [`merge`] fills them from `inspect`. The health word stands at the end of its prose, or alone in the REST list.
///
/// # Errors
/// [`ReadError::Json`] when it is not a JSON list of containers.
pub fn parse_ps(stdout: &[u8]) -> Result<Vec<ContainerStatus>, ReadError> {
    let entries: Vec<PsEntry> = serde_json::from_slice(stdout)?;
    Ok(entries.into_iter().map(PsEntry::into_status).collect())
}

/// Reads `podman container inspect`. With an unknown name among those asked for podman prints the others and
/// exits with 125; with nothing found it prints `[]`.
///
/// # Errors
/// [`ReadError::Json`] when it is not a JSON list of containers.
pub fn parse_inspect(
    stdout: &[u8],
    version: PodmanVersion,
) -> Result<Vec<ContainerStatus>, ReadError> {
    let entries: Vec<Inspected> = serde_json::from_slice(stdout)?;
    Ok(entries
        .into_iter()
        .map(|entry| entry.into_status(version))
        .collect())
}

/// The list, in `ps`'s order, with what `inspect` knows more. A container that `inspect` did not find any more is
/// left out; one that it could not tell about for another reason stays as `ps` has it, because it does exist.
pub fn merge(
    listed: Vec<ContainerStatus>,
    inspected: Vec<ContainerStatus>,
    inspect_stderr: &[u8],
) -> Vec<ContainerStatus> {
    let mut by_id: BTreeMap<String, ContainerStatus> = inspected
        .into_iter()
        .map(|container| (container.id.clone(), container))
        .collect();
    let complaints = String::from_utf8_lossy(inspect_stderr);
    let is_gone = |id: &str| {
        complaints.lines().any(|line| {
            line.contains(id)
                && (line.contains("no such container") || line.contains("no such object"))
        })
    };
    listed
        .into_iter()
        .filter_map(|container| match by_id.remove(&container.id) {
            Some(inspected) => Some(inspected),
            None if is_gone(&container.id) => None,
            None => Some(container),
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PsEntry {
    id: String,
    names: Vec<String>,
    image: String,
    state: String,
    pid: i64,
    exit_code: i32,
    created: Created,
    started_at: i64,
    exited_at: i64,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    /// podman 5 only.
    #[serde(default)]
    restarts: u32,
    /// `Up 3 minutes (healthy)`; in the REST list `healthy`, or nothing.
    #[serde(default)]
    status: String,
}

/// Seconds since 1970 (command line), or a time (REST).
#[derive(Deserialize)]
#[serde(untagged)]
enum Created {
    Epoch(i64),
    Time(DateTime<Utc>),
}

impl Created {
    fn time(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Epoch(seconds) => epoch(seconds),
            Self::Time(time) => Some(time),
        }
    }
}

/// The health word of `ps`'s status text.
fn health_in(status: &str) -> Option<Health> {
    let word = status
        .rsplit_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    Health::from_word(word.unwrap_or(status))
}

impl PsEntry {
    fn into_status(self) -> ContainerStatus {
        ContainerStatus {
            name: self.names.into_iter().next().unwrap_or_else(|| {
                // A half-made container has no name yet; podman takes the id as well.
                self.id.clone()
            }),
            id: self.id,
            image: self.image,
            state: ContainerState::from_word(&self.state),
            pid: process(self.pid),
            exit_code: self.exit_code,
            oom_killed: None,
            error: None,
            created_at: self.created.time().unwrap_or(DateTime::UNIX_EPOCH),
            started_at: epoch(self.started_at),
            finished_at: epoch(self.exited_at),
            health: health_in(&self.status),
            restart_count: self.restarts,
            // `null` is how podman prints an empty map.
            labels: self.labels.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    image_name: String,
    created: Time,
    state: InspectedState,
    restart_count: u32,
    config: InspectedConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    status: String,
    pid: i64,
    exit_code: i32,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    error: String,
    started_at: Time,
    finished_at: Time,
    /// Always there in podman 4.3, in 5 only with a check.
    #[serde(default)]
    health: Option<InspectedHealth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedHealth {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Inspected {
    fn into_status(self, version: PodmanVersion) -> ContainerStatus {
        ContainerStatus {
            id: self.id,
            name: self.name.trim_start_matches('/').to_owned(),
            image: self.image_name,
            state: ContainerState::from_word(&self.state.status),
            pid: process(self.state.pid),
            exit_code: self.state.exit_code,
            oom_killed: version.tells_oom().then_some(self.state.oom_killed),
            error: Some(self.state.error).filter(|error| !error.is_empty()),
            created_at: self.created.0.unwrap_or(DateTime::UNIX_EPOCH),
            started_at: self.state.started_at.0,
            finished_at: self.state.finished_at.0,
            health: self
                .state
                .health
                .and_then(|health| Health::from_word(&health.status)),
            restart_count: self.restart_count,
            labels: self.config.labels.unwrap_or_default(),
        }
    }
}

/// An RFC 3339 time with nanoseconds; Go's zero time, `0001-01-01T00:00:00Z`, is none.
struct Time(Option<DateTime<Utc>>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = DateTime::<Utc>::deserialize(deserializer)?;
        Ok(Self(Some(time).filter(|time| time.timestamp() > ZERO_TIME)))
    }
}

/// Go's zero time, 0001-01-01, in seconds since 1970.
const ZERO_TIME: i64 = -62_135_596_800;

fn epoch(seconds: i64) -> Option<DateTime<Utc>> {
    (seconds > ZERO_TIME)
        .then(|| DateTime::from_timestamp(seconds, 0))
        .flatten()
}

/// podman gives 0, and here and there a negative number, for no process.
fn process(pid: i64) -> u32 {
    u32::try_from(pid).unwrap_or(0)
}
