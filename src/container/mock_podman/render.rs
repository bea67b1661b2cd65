//! podman's JSON as text, its times, and the rows of `ps`.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::container::Container;
use super::human::duration;
use super::profile::{Document, Profile};
use super::reply::Reply;
use super::state::State;
use crate::container::status::ContainerState;

/// Go's zero time in seconds since 1970.
const ZERO_EPOCH: i64 = -62_135_596_800;

/// A JSON document and a newline, as podman prints it; an empty list is `[]`.
///
/// By `Display` of [`Value`]: `to_string_pretty` takes longer in a build without optimisation, and tests are one.
pub(super) fn document(value: impl Into<Value>) -> Reply {
    Reply::line(format!("{:#}", value.into()))
}

/// A row of `podman ps --format json`.
pub(super) fn ps_row(
    state: &State,
    container: &Container,
    with_size: bool,
    now: DateTime<Utc>,
) -> Value {
    let epoch = |at: Option<DateTime<Utc>>| json!(at.map_or(ZERO_EPOCH, |at| at.timestamp()));
    let mut row = Profile::of(state.version).document(Document::Ps);
    row["AutoRemove"] = json!(container.auto_remove);
    row["Command"] = if container.command.is_empty() {
        Value::Null
    } else {
        json!(container.command)
    };
    row["CreatedAt"] = json!(ago(now - container.created_at));
    row["Created"] = json!(container.created_at.timestamp());
    row["Exited"] = json!(has_ended(container));
    row["ExitedAt"] = epoch(container.finished_at);
    row["ExitCode"] = json!(container.exit_code);
    row["Id"] = json!(container.id);
    row["Image"] = json!(container.image);
    row["ImageID"] = json!(container.image_id);
    if !container.labels.is_empty() {
        row["Labels"] = json!(container.labels);
    }
    row["Mounts"] = container
        .mounts
        .iter()
        .map(|mount| json!(mount.path))
        .collect();
    row["Names"] = json!([container.name]);
    row["Networks"] = container.networks().map(|name| json!(name)).collect();
    row["Pid"] = json!(container.pid);
    row["Ports"] = ports(container);
    if with_size {
        row["Size"] = json!({ "rootFsSize": ROOT_BYTES, "rwSize": 0 });
    }
    row["StartedAt"] = epoch(container.started_at);
    row["State"] = json!(container.state.as_str());
    row["Status"] = json!(status_text(container, state.is_4(), now));
    if row.get("CIDFile").is_some() {
        row["CIDFile"] = json!(container.options.cid_file);
        row["Restarts"] = json!(container.restart_count);
    }
    row
}

/// What the fixture image takes on disk.
const ROOT_BYTES: u64 = 1_835_137;

/// Whether podman has seen the end of its last run; it does not where the power went.
pub(super) fn has_ended(container: &Container) -> bool {
    matches!(
        container.state,
        ContainerState::Exited | ContainerState::Stopped
    ) && container.finished_at.is_some()
        && container.started_at <= container.finished_at
}

fn ports(container: &Container) -> Value {
    if container.ports.is_empty() {
        return Value::Null;
    }
    let ports = container.ports.iter().map(|port| {
        json!({
            "host_ip": port.host_ip,
            "container_port": port.container,
            "host_port": port.host,
            "range": 1,
            "protocol": port.protocol,
        })
    });
    ports.collect()
}

/// The prose of `ps`; no program should read it.
pub(super) fn status_text(container: &Container, is_4: bool, now: DateTime<Utc>) -> String {
    let status = status_without_health(container, is_4, now);
    let shows_health = matches!(
        container.state,
        ContainerState::Running
            | ContainerState::Exited
            | ContainerState::Stopped
            | ContainerState::Paused
    );
    match container.health_word() {
        Some(word) if shows_health && !word.is_empty() => format!("{status} ({word})"),
        _ => status,
    }
}

/// The same without what health checks say.
pub(super) fn status_without_health(
    container: &Container,
    is_4: bool,
    now: DateTime<Utc>,
) -> String {
    match &container.state {
        ContainerState::Created => "Created".to_owned(),
        ContainerState::Running => {
            let up = duration(now - container.started_at.unwrap_or(now));
            let ago = if is_4 { " ago" } else { "" };
            format!("Up {up}{ago}")
        }
        ContainerState::Exited | ContainerState::Stopped => {
            let since = container
                .finished_at
                // Where podman has no end, its arithmetic overflows.
                .map_or_else(|| "292 years".to_owned(), |at| duration(now - at));
            format!("Exited ({}) {since} ago", container.exit_code)
        }
        ContainerState::Paused => "Paused".to_owned(),
        ContainerState::Stopping => "Stopping".to_owned(),
        ContainerState::Initialized => "Initialized".to_owned(),
        ContainerState::Removing => "Removing".to_owned(),
        ContainerState::Unknown(word) => word.clone(),
    }
}

/// `2 minutes ago`.
pub(super) fn ago(time: TimeDelta) -> String {
    format!("{} ago", duration(time))
}

/// RFC 3339 with nanoseconds; Go's zero time for none.
pub(super) fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |at| at.to_rfc3339_opts(SecondsFormat::Nanos, true),
    )
}

/// A time as Go prints it: `2026-11-27 00:48:37.8 +0000 UTC`.
pub(super) fn go_time(at: DateTime<Utc>) -> String {
    let text = at.format("%Y-%m-%d %H:%M:%S%.9f").to_string();
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // A whole second ends with zeros of its own.
    let text = if at.timestamp_subsec_nanos() == 0 {
        at.format("%Y-%m-%d %H:%M:%S").to_string()
    } else {
        text.to_owned()
    };
    format!("{text} +0000 UTC")
}
