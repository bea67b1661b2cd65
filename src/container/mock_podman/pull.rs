//! `pull`, and what `create` and `run` pull.

use std::time::Duration;

use chrono::SecondsFormat;

use super::args::{Flag, Order, Parsed, option, switch};
use super::image_store::Place;
use super::pull_texts::{bad_reference, failure};
use super::reference::{self, Reference};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::thing::Thing;
use super::{FIXTURE_IMAGE, MockPodman, PullFault, images, read};

const FLAGS: &[Flag] = &[
    switch("quiet", Some('q')),
    option("retry", None),
    option("retry-delay", None),
    option("policy", None),
];

/// Every image has so many layers, and they are loaded one after the other.
const LAYERS: u32 = 3;

/// When a registry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Always,
    Missing,
    Never,
}

impl Policy {
    fn read(text: &str) -> Result<Self, Refused> {
        Ok(match text {
            "always" => Self::Always,
            "missing" | "ifnotpresent" | "" => Self::Missing,
            "never" => Self::Never,
            "newer" | "ifnewer" => {
                return Err(not_implemented(format!("the pull policy `{text}`")));
            }
            _ => return Err(refuse(125, format!("unsupported pull policy \"{text}\""))),
        })
    }
}

/// How a pull is done.
#[derive(Debug, Clone, Copy)]
struct How {
    policy: Policy,
    is_quiet: bool,
    /// How often a failed attempt is repeated.
    retries: u32,
    /// How long it waits before.
    delay: Duration,
}

const DEFAULT: How = How {
    policy: Policy::Always,
    is_quiet: false,
    retries: 3,
    delay: Duration::from_secs(1),
};

/// An image that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pulled {
    pub(super) id: String,
    /// Its full name.
    pub(super) name: String,
}

/// Why an image is not there.
enum Failed {
    /// podman's error.
    Text(String),
    Other(Refused),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self::Other(refused)
    }
}

/// `podman pull`; `on_line` gets the lines of its progress. Every reference can be pulled that is well-formed and of
/// which nothing else was said.
pub(super) async fn pull_by_line(
    mock: &MockPodman,
    args: &[&str],
    on_line: &mut (dyn FnMut(String) + Send),
) -> Answer {
    let parsed = read("pull", args, FLAGS, Order::Mixed)?;
    let how = how(&parsed)?;
    let mut reply = Reply::silent();
    for reference in &parsed.operands {
        match one(mock, reference, how, on_line).await {
            Ok(pulled) => reply.stdout.push_str(&format!("{}\n", pulled.id)),
            // The others are pulled all the same.
            Err(Failed::Text(text)) => {
                reply.code = 125;
                reply.stderr.push_str(&format!("Error: {text}\n"));
            }
            Err(Failed::Other(refused)) => return Err(refused),
        }
    }
    if reply.code == 0 {
        Ok(reply)
    } else {
        Err(Refused::ByPodman(reply))
    }
}

/// Which podmans have which of the flags is known before.
fn how(parsed: &Parsed) -> Result<How, Refused> {
    let mut how = DEFAULT;
    how.is_quiet = parsed.has("quiet");
    if let Some(text) = parsed.last("policy") {
        how.policy = Policy::read(text)?;
    }
    if let Some(text) = parsed.last("retry") {
        how.retries = text
            .parse()
            .map_err(|_| not_implemented(format!("`podman pull --retry {text}`")))?;
    }
    if let Some(text) = parsed.last("retry-delay") {
        let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
        how.delay = Duration::from_secs(
            seconds
                .ok_or_else(|| not_implemented(format!("`podman pull --retry-delay {text}`")))?,
        );
    }
    Ok(how)
}

/// The image that a container is to be made from, by the value of `--pull`; and what podman says meanwhile.
pub(super) async fn for_container(
    mock: &MockPodman,
    reference: &str,
    policy: Option<&str>,
) -> Result<(Pulled, String), Refused> {
    let how = How {
        policy: Policy::read(policy.unwrap_or("missing"))?,
        ..DEFAULT
    };
    let mut lines = String::new();
    let mut on_line = |line: String| lines.push_str(&format!("{line}\n"));
    match one(mock, reference, how, &mut on_line).await {
        Ok(pulled) => Ok((pulled, lines)),
        Err(Failed::Text(text)) => Err(Refused::ByPodman(Reply {
            code: 125,
            stdout: String::new(),
            stderr: format!("{lines}Error: {text}\n"),
        })),
        Err(Failed::Other(refused)) => Err(refused),
    }
}

/// Gets one image, and writes what came of it into the event log.
async fn one(
    mock: &MockPodman,
    reference: &str,
    how: How,
    on_line: &mut (dyn FnMut(String) + Send),
) -> Result<Pulled, Failed> {
    let got = get(mock, reference, how, on_line).await;
    mock.with(|state, _| match &got {
        Ok(pulled) => {
            // podman 4.3 does not say which image it is.
            let id = (!state.is_4()).then_some(pulled.id.as_str());
            state.log_thing(&Thing::new("image", "pull").id(id).name(reference));
        }
        Err(Failed::Text(text)) if !state.is_4() => {
            state.log_thing(
                &Thing::new("image", "pull-error")
                    .name(reference)
                    .error(text),
            );
        }
        Err(_) => {}
    });
    got
}

async fn get(
    mock: &MockPodman,
    reference: &str,
    how: How,
    on_line: &mut (dyn FnMut(String) + Send),
) -> Result<Pulled, Failed> {
    let (version, found) = mock
        .shared
        .store
        .look(|state, _| (state.version, state.images.find(reference)));
    if how.policy != Policy::Always
        && let Some(found) = found
    {
        let name = found.name.unwrap_or_else(|| {
            let name = mock.shared.store.look(|state, _| {
                let image = state.images.by_id(&found.id)?;
                image.names.first().cloned()
            });
            name.unwrap_or_else(|| found.id.clone())
        });
        return Ok(Pulled { id: found.id, name });
    }
    if how.policy == Policy::Never {
        return Err(Failed::Text(format!("{reference}: image not known")));
    }
    let read = Reference::read(reference)
        .map_err(|what| Failed::Text(bad_reference(reference, what, version)))?;
    let Some(host) = read.domain else {
        return Err(Failed::Text(format!(
            "short-name \"{reference}\" did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\""
        )));
    };
    let name = reference::full(reference);
    let fault = mock.with(|state, _| fault(state, host, &name));
    let mut say = |line: String| {
        if !how.is_quiet {
            on_line(line);
        }
    };
    say(format!("Trying to pull {reference}..."));
    if let Some(fault) = fault {
        return Err(fail(mock, reference, fault, how, on_line).await?);
    }
    let delay = mock.shared.store.look(|state, _| state.faults.pull_delay);
    say("Getting image source signatures".to_owned());
    for layer in 1..=LAYERS {
        say(format!("Copying blob sha256:{layer:064x}"));
        mock.take_time(delay / LAYERS).await?;
    }
    let id = mock.with(|state, _| arrive(state, &name));
    say(format!("Copying config sha256:{id}"));
    say("Writing manifest to image destination".to_owned());
    if version.major < 5 {
        say("Storing signatures".to_owned());
    }
    Ok(Pulled { id, name })
}

/// What goes wrong with a pull of `name` from the registry `host`.
fn fault(state: &mut State, host: &str, name: &str) -> Option<PullFault> {
    if let Some((fault, times)) = state.faults.pull.get_mut(name)
        && *times > 0
    {
        *times -= 1;
        return Some(*fault);
    }
    let has_any = || {
        let mut all = state.faults.published.keys();
        all.any(|other| {
            other
                .strip_prefix(host)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    match state.faults.registries.get(host) {
        Some(answer) => answer.as_fault(),
        None if has_any() => None,
        // On this very machine nothing listens of which nothing was said.
        None if host.starts_with("localhost:") || host.starts_with("127.0.0.1:") => {
            Some(PullFault::Unreachable)
        }
        None => None,
    }
    .or_else(|| {
        (has_any() && !state.faults.published.contains_key(name))
            .then_some(PullFault::ManifestUnknown)
    })
}

/// Puts into local storage what a registry gave; returns its id.
fn arrive(state: &mut State, name: &str) -> String {
    if state.faults.pull_loses.contains(name) {
        state.images.remove(name);
        return state.new_id();
    }
    match state.faults.published.get(name).cloned() {
        Some(digest) => {
            let id = images::add(state, FIXTURE_IMAGE);
            state.images.add(&id, digest);
            state.images.name(&id, name, Place::First);
            id
        }
        None => images::add(state, name),
    }
}

/// Takes the time that the failure takes, and warns on the way.
async fn fail(
    mock: &MockPodman,
    reference: &str,
    fault: PullFault,
    how: How,
    on_line: &mut (dyn FnMut(String) + Send),
) -> Result<Failed, Refused> {
    let version = mock.shared.store.look(|state, _| state.version);
    let failure = failure(reference, fault, version);
    let Some(takes) = failure.takes else {
        loop {
            // Only a power loss ends it.
            mock.wait_for(None, |_| None::<()>).await?;
        }
    };
    mock.take_time(takes).await?;
    if let Some(warning) = failure.warning {
        let retries = how.retries;
        for attempt in 1..=retries {
            on_line(format!(
                "time=\"{}\" level=warning msg=\"Failed, retrying in {}s ... ({attempt}/{retries}). Error: {}\"",
                mock.now().to_rfc3339_opts(SecondsFormat::Secs, true),
                how.delay.as_secs(),
                warning.replace('"', "\\\"")
            ));
            mock.take_time(how.delay + takes).await?;
        }
    }
    Ok(Failed::Text(failure.text))
}
