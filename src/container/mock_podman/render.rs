//! podman's JSON, in the shapes of 4.3 and 5.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::container::{Container, Restart};
use super::reply::Reply;
use crate::container::status::ContainerState;

/// Go's zero time in seconds since 1970.
const ZERO_EPOCH: i64 = -62_135_596_800;

/// A JSON document and a newline, as podman prints it; an empty list is `[]`.
pub(super) fn document(value: &impl Serialize) -> Reply {
    let text = serde_json::to_string_pretty(value)
        .unwrap_or_else(|error| format!("mock_podman cannot print JSON: {error}"));
    Reply::line(text)
}

/// A row of `podman ps --format json`.
pub(super) fn ps_row(container: &Container, is_4: bool, now: DateTime<Utc>) -> Value {
    let started = container.started_at.map_or(ZERO_EPOCH, |at| at.timestamp());
    let exited = container
        .finished_at
        .map_or(ZERO_EPOCH, |at| at.timestamp());
    let is_ended = matches!(
        container.state,
        ContainerState::Exited | ContainerState::Stopped
    );
    let labels = if container.labels.is_empty() {
        Value::Null
    } else {
        json!(container.labels)
    };
    let mut row = json!({
        "AutoRemove": container.auto_remove,
        "Command": container.command,
        "Created": container.created_at.timestamp(),
        "CreatedAt": format!("{} ago", span(now - container.created_at)),
        "Exited": is_ended,
        "ExitedAt": exited,
        "ExitCode": container.exit_code,
        "Id": container.id,
        "Image": container.image,
        "ImageID": container.image_id,
        "IsInfra": false,
        "Labels": labels,
        "Mounts": container.mounts.iter().map(|mount| &mount.path).collect::<Vec<_>>(),
        "Names": [container.name],
        "Namespaces": {},
        "Networks": [container.network],
        "Pid": container.pid,
        "Pod": "",
        "PodName": "",
        "Ports": ports(container),
        "Size": null,
        "StartedAt": started,
        "State": container.state.as_str(),
        "Status": status_text(container, is_4, now),
    });
    if !is_4 {
        row["CIDFile"] = json!("");
        row["ExposedPorts"] = Value::Null;
        row["Restarts"] = json!(container.restart_count);
    }
    row
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
fn status_text(container: &Container, is_4: bool, now: DateTime<Utc>) -> String {
    match &container.state {
        ContainerState::Created => "Created".to_owned(),
        ContainerState::Running => {
            let up = span(now - container.started_at.unwrap_or(now));
            let ago = if is_4 { " ago" } else { "" };
            let health = container
                .health_word(now)
                .map_or_else(String::new, |word| format!(" ({word})"));
            format!("Up {up}{ago}{health}")
        }
        ContainerState::Exited | ContainerState::Stopped => {
            let since = container
                .finished_at
                // Where podman has no end, its arithmetic overflows.
                .map_or_else(|| "292 years".to_owned(), |at| span(now - at));
            format!("Exited ({}) {since} ago", container.exit_code)
        }
        ContainerState::Paused => "Paused".to_owned(),
        ContainerState::Stopping => "Stopping".to_owned(),
        ContainerState::Initialized => "Initialized".to_owned(),
        ContainerState::Removing => "Removing".to_owned(),
        ContainerState::Unknown(word) => word.clone(),
    }
}

fn span(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    match seconds {
        i64::MIN..60 => format!("{seconds} seconds"),
        60..3600 => format!("{} minutes", seconds / 60),
        3600..86_400 => format!("{} hours", seconds / 3600),
        86_400.. => format!("{} days", seconds / 86_400),
    }
}

/// An entry of `podman inspect`.
pub(super) fn inspected(container: &Container, is_4: bool, now: DateTime<Utc>) -> Value {
    let mut state = json!({
        "OciVersion": if is_4 { "1.0.2-dev" } else { "1.2.0" },
        "Status": container.state.as_str(),
        "Running": container.state == ContainerState::Running,
        "Paused": container.state == ContainerState::Paused,
        "Restarting": false,
        // podman 4.3 never says so.
        "OOMKilled": !is_4 && container.oom_killed,
        "Dead": false,
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": if is_4 { "" } else { container.error.as_str() },
        "StartedAt": time(container.started_at),
        "FinishedAt": time(container.finished_at),
        "CheckpointedAt": time(None),
        "RestoredAt": time(None),
    });
    let health = container.health_word(now);
    if is_4 || health.is_some() {
        state["Health"] = json!({
            "Status": health.unwrap_or(""),
            "FailingStreak": 0,
            "Log": null,
        });
    }
    if !is_4 && container.is_stopped_on_purpose {
        state["StoppedByUser"] = json!(true);
    }
    json!({
        "Id": container.id,
        "Created": time(Some(container.created_at)),
        "Path": container.entrypoint.as_deref().unwrap_or(""),
        "Args": container.command,
        "State": state,
        "Image": container.image_id,
        "ImageName": container.image,
        "Name": container.name,
        "RestartCount": container.restart_count,
        "Mounts": container.mounts.iter().map(|mount| json!({
            "Type": if mount.volume.starts_with('/') { "bind" } else { "volume" },
            "Name": mount.volume,
            "Destination": mount.path,
        })).collect::<Vec<_>>(),
        "Config": {
            "Env": container.env,
            "Cmd": container.command,
            "Image": container.image,
            "Labels": if container.labels.is_empty() { Value::Null } else { json!(container.labels) },
            "StopSignal": if is_4 { json!(15) } else { json!("SIGTERM") },
            "StopTimeout": container.stop_timeout,
        },
        "HostConfig": {
            "AutoRemove": container.auto_remove,
            "Memory": container.memory.unwrap_or(0),
            "RestartPolicy": restart_policy(&container.restart, is_4),
            "Init": container.init,
        },
    })
}

fn restart_policy(policy: &Restart, is_4: bool) -> Value {
    let (name, count) = match policy {
        Restart::No => (if is_4 { "" } else { "no" }, 0),
        Restart::OnFailure(limit) => ("on-failure", limit.unwrap_or(0)),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
    };
    json!({ "Name": name, "MaximumRetryCount": count })
}

/// RFC 3339 with nanoseconds; Go's zero time for none.
pub(super) fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |at| at.to_rfc3339_opts(SecondsFormat::Nanos, true),
    )
}
