//! `pull`, `image exists`, `images`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::{Flag, Order, option, switch};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::{MockPodman, PullFault, one_operand, read, registry, unknown_flag};

/// podman tries an unreachable registry four times, a second apart.
const UNREACHABLE: Duration = Duration::from_millis(3100);
/// A refusal of a registry that answers.
const REFUSED: Duration = Duration::from_millis(100);
/// A 429: 2 + 4 + 8 + 16 s in each of four attempts.
const RATE_LIMITED: Duration = Duration::from_millis(123_700);

const PULL_FLAGS: &[Flag] = &[switch("quiet", Some('q')), option("retry", None)];

/// The reference with its tag: `latest` where it has neither tag nor digest.
pub(super) fn full_reference(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) || reference.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// Puts an image into local storage; returns its id.
pub(super) fn add(state: &mut State, reference: &str) -> String {
    let reference = full_reference(reference);
    if let Some(id) = state.images.get(&reference) {
        return id.clone();
    }
    let id = state.new_id();
    state.images.insert(reference, id.clone());
    id
}

/// `podman pull`, all of its lines at its end.
pub(super) async fn pull(mock: &MockPodman, args: &[&str]) -> Answer {
    let mut lines = String::new();
    let mut on_line = |line: String| lines.push_str(&format!("{line}\n"));
    let answer = pull_by_line(mock, args, &mut on_line).await;
    let with_lines = |mut reply: Reply| {
        reply.stderr.insert_str(0, &lines);
        reply
    };
    match answer {
        Ok(reply) => Ok(with_lines(reply)),
        Err(Refused::ByPodman(reply)) => Err(Refused::ByPodman(with_lines(reply))),
        Err(other) => Err(other),
    }
}

/// Every image has so many layers, and they are loaded one after the other.
const LAYERS: u32 = 3;

/// `podman pull`; `on_line` gets the lines of its progress. Every reference can be pulled that is well-formed and of
/// which nothing else was said.
pub(super) async fn pull_by_line(
    mock: &MockPodman,
    args: &[&str],
    on_line: &mut (dyn FnMut(String) + Send),
) -> Answer {
    let parsed = read("pull", args, PULL_FLAGS, Order::Mixed)?;
    let reference = one_operand("pull", &parsed)?;
    let is_4 = mock.with(|state, _| state.is_4());
    if is_4 && parsed.last("retry").is_some() {
        return Err(unknown_flag("pull", "retry"));
    }
    check_reference(&reference, is_4)?;
    let full = full_reference(&reference);
    let fault = mock.with(|state, _| {
        if let Some((fault, times)) = state.faults.pull.get_mut(&full)
            && *times > 0
        {
            *times -= 1;
            return Some(*fault);
        }
        let host = full.split('/').next().unwrap_or_default();
        state.faults.registries.get(host)?.as_fault()
    });
    on_line(format!("Trying to pull {reference}..."));
    match fault {
        Some(fault) => Err(fail(mock, &reference, fault).await?),
        None => {
            let delay = mock.with(|state, _| state.faults.pull_delay);
            on_line("Getting image source signatures".to_owned());
            for layer in 1..=LAYERS {
                on_line(format!("Copying blob sha256:{layer:064x}"));
                mock.take_time(delay / LAYERS).await?;
            }
            on_line("Copying config sha256:0".to_owned());
            on_line("Writing manifest to image destination".to_owned());
            let id = mock.with(|state, _| {
                if state.faults.pull_loses.contains(&full) {
                    state.images.remove(&full);
                    state.new_id()
                } else {
                    add(state, &full)
                }
            });
            Ok(Reply::line(id))
        }
    }
}

fn check_reference(reference: &str, is_4: bool) -> Result<(), Refused> {
    let refused = |text: &str| {
        refuse(
            125,
            if is_4 {
                text.to_owned()
            } else {
                format!("parsing reference \"{reference}\": {text}")
            },
        )
    };
    let (registry, path) = reference.split_once('/').unwrap_or(("", reference));
    if reference.is_empty() {
        Err(refused("repository name must have at least one component"))
    } else if reference.contains([' ', '\0'])
        || reference.starts_with('-')
        || reference.contains("::")
    {
        Err(refused("invalid reference format"))
    } else if path
        .split([':', '@'])
        .next()
        .is_some_and(|name| name.contains(char::is_uppercase))
    {
        Err(refused("repository name must be lowercase"))
    } else if registry.is_empty() || !(registry.contains(['.', ':']) || registry == "localhost") {
        Err(refuse(
            125,
            format!(
                "short-name \"{reference}\" did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\""
            ),
        ))
    } else {
        Ok(())
    }
}

/// Takes the time that the failure takes, and gives podman's words for it.
async fn fail(mock: &MockPodman, reference: &str, fault: PullFault) -> Result<Refused, Refused> {
    let (is_4, is_5_8) = mock.with(|state, _| {
        let version = state.version;
        (state.is_4(), (version.major, version.minor) >= (5, 8))
    });
    let prefix = if is_5_8 {
        format!(
            "unable to copy from source docker://{reference}: initializing source docker://{reference}: "
        )
    } else {
        format!("initializing source docker://{reference}: ")
    };
    let registry = reference.split('/').next().unwrap_or(reference);
    let (repository, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
    let manifest = format!("reading manifest {tag} in {repository}: ");
    let (time, text) = match fault {
        PullFault::Unreachable => (
            UNREACHABLE,
            format!(
                "{prefix}pinging container registry {registry}: Get \"https://{registry}/v2/\": dial tcp 127.0.0.1:443: connect: connection refused"
            ),
        ),
        PullFault::Unauthorized => (
            REFUSED,
            format!(
                "{prefix}{manifest}{}authentication required",
                if is_4 { "unauthorized: " } else { "" }
            ),
        ),
        PullFault::ManifestUnknown => (
            REFUSED,
            format!(
                "{prefix}{manifest}manifest unknown{}",
                if is_4 { ": manifest unknown" } else { "" }
            ),
        ),
        PullFault::Denied => (REFUSED, format!("{prefix}{manifest}denied: m")),
        PullFault::ServerError(status) => (
            if is_5_8 && status == 503 { UNREACHABLE } else { REFUSED },
            format!(
                "{prefix}{manifest}received unexpected HTTP status: {status} {}",
                registry::reason(status)
            ),
        ),
        PullFault::CutOff => (
            REFUSED,
            format!(
                "{prefix}pinging container registry {registry}: Get \"https://{registry}/v2/\": unexpected EOF"
            ),
        ),
        PullFault::RateLimited => (RATE_LIMITED, format!("{prefix}{manifest}toomanyrequests: m")),
        PullFault::DiskFull => (
            REFUSED,
            "writing blob: adding layer with blob \"sha256:0\": write /layer: no space left on device".to_owned(),
        ),
        PullFault::Hangs => loop {
            // Only a power loss ends it.
            mock.wait_for(None, |_| None::<()>).await?;
        },
    };
    let warnings = match fault {
        PullFault::Unreachable | PullFault::RateLimited => 3,
        PullFault::ServerError(503) if is_5_8 => 3,
        PullFault::Unauthorized
        | PullFault::ManifestUnknown
        | PullFault::DiskFull
        | PullFault::Denied
        | PullFault::ServerError(_)
        | PullFault::CutOff
        | PullFault::Hangs => 0,
    };
    mock.take_time(time).await?;
    let mut stderr = String::new();
    for attempt in 1..=warnings {
        stderr.push_str(&format!(
            "time=\"{}\" level=warning msg=\"Failed, retrying in 1s ... ({attempt}/3). Error: {}\"\n",
            mock.now().to_rfc3339(),
            text.replace('"', "\\\"")
        ));
    }
    stderr.push_str(&format!("Error: {text}\n"));
    Ok(Refused::ByPodman(Reply {
        code: 125,
        stdout: String::new(),
        stderr,
    }))
}

/// `podman rmi`: a name goes, and containers made from the image go on.
pub(super) fn rmi(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("rmi", args, &[switch("force", Some('f'))], Order::Mixed)?;
    let reference = one_operand("rmi", &parsed)?;
    let full = full_reference(&reference);
    mock.with(|state, _| match state.images.remove(&full) {
        Some(id) if state.images.values().any(|other| *other == id) => {
            Ok(Reply::line(format!("Untagged: {full}")))
        }
        Some(id) => Ok(Reply::stdout(format!("Untagged: {full}\nDeleted: {id}\n"))),
        None if parsed.has("force") => Ok(Reply::silent()),
        None => Err(refuse(1, format!("{reference}: image not known"))),
    })
}

/// `podman tag IMAGE NAME`.
pub(super) fn tag(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("tag", args, &[], Order::Mixed)?;
    let [image, name] = &parsed.operands[..] else {
        return Err(not_implemented("`podman tag` with other than one new name"));
    };
    mock.with(|state, _| {
        let Some(id) = state.images.get(&full_reference(image)).cloned() else {
            return Err(refuse(125, format!("{image}: image not known")));
        };
        state.images.insert(full_reference(name), id);
        Ok(Reply::silent())
    })
}

/// `podman image exists`.
pub(super) fn exists(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("image exists", args, &[], Order::Mixed)?;
    let reference = full_reference(&one_operand("image exists", &parsed)?);
    Ok(Reply::yes_or_no(
        mock.with(|state, _| state.images.contains_key(&reference)),
    ))
}

/// `podman images --format json`.
pub(super) fn ls(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("images", args, &[option("format", None)], Order::Mixed)?;
    if parsed.last("format") != Some("json") {
        return Err(not_implemented(format!(
            "`podman images` with the format {:?}",
            parsed.last("format")
        )));
    }
    mock.with(|state, now: DateTime<Utc>| {
        let images: Vec<_> = state
            .images
            .iter()
            .map(|(reference, id)| {
                json!({
                    "Id": id,
                    "RepoTags": null,
                    "Names": [reference],
                    "Created": now.timestamp(),
                    "CreatedAt": now.to_rfc3339(),
                })
            })
            .collect();
        Ok(super::render::document(&images))
    })
}
