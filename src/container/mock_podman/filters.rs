//! `ps --filter`: values of one key are alternatives, but all labels must be there.

use regex::Regex;

use super::args::Parsed;
use super::container::Container;
use super::reference::full as full_reference;
use super::render::has_ended;
use super::reply::{Refused, not_implemented, refuse};
use crate::container::status::has_label;

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Filters<'a> {
    ids: Vec<&'a str>,
    /// One that cannot be read finds nothing.
    names: Vec<Option<Regex>>,
    labels: Vec<&'a str>,
    states: Vec<&'a str>,
    images: Vec<&'a str>,
    volumes: Vec<&'a str>,
    networks: Vec<&'a str>,
    exit_codes: Vec<i32>,
    healths: Vec<&'a str>,
    restarts: Vec<&'a str>,
}

impl<'a> Filters<'a> {
    pub(super) fn of(parsed: &'a Parsed) -> Result<Self, Refused> {
        let mut filters = Self::default();
        for filter in parsed.all("filter") {
            let Some((key, value)) = filter.split_once('=') else {
                return Err(refuse(125, format!("invalid filter \"{filter}\"")));
            };
            match key {
                "id" => filters.ids.push(value),
                "name" => filters.names.push(Regex::new(value).ok()),
                "label" => filters.labels.push(value),
                "status" => filters.states.push(state(value)?),
                "ancestor" => filters.images.push(value),
                "volume" => filters.volumes.push(value),
                "network" => filters.networks.push(value),
                "exited" => filters.exit_codes.push(
                    value
                        .parse()
                        .map_err(|_| not_implemented(format!("`podman ps --filter {filter}`")))?,
                ),
                "health" => filters.healths.push(value),
                "restart-policy" => filters.restarts.push(policy(value)?),
                // podman knows them.
                "label!"
                | "before"
                | "since"
                | "pod"
                | "until"
                | "should-start-on-boot"
                | "command" => {
                    return Err(not_implemented(format!("`podman ps --filter {filter}`")));
                }
                _ => return Err(refuse(125, format!("{key} is an invalid filter"))),
            }
        }
        Ok(filters)
    }

    /// Whether a state was asked for: then `--all` goes without saying.
    pub(super) fn has_states(&self) -> bool {
        !self.states.is_empty()
    }

    pub(super) fn pass(&self, container: &Container) -> bool {
        let name = container.name.as_str();
        any(&self.ids, |id| container.id.starts_with(id))
            && any(&self.names, |pattern| {
                pattern
                    .as_ref()
                    .is_some_and(|pattern| pattern.is_match(name))
            })
            && self
                .labels
                .iter()
                .all(|label| has_label(&container.labels, label))
            && any(&self.states, |state| *state == container.state.as_str())
            && any(&self.images, |image| {
                container.image == full_reference(image) || container.image_id.starts_with(image)
            })
            && any(&self.volumes, |volume| {
                let mounts = &container.mounts;
                mounts
                    .iter()
                    .any(|mount| mount.volume == *volume || mount.path == *volume)
            })
            && any(&self.networks, |network| {
                container.networks().any(|name| name == *network)
            })
            && any(&self.healths, |word| {
                container.check.is_some() && container.health_word().unwrap_or_default() == *word
            })
            && any(&self.restarts, |word| container.restart.word() == *word)
            && any(&self.exit_codes, |code| {
                has_ended(container) && container.exit_code == *code
            })
    }
}

fn policy(word: &str) -> Result<&str, Refused> {
    match word {
        "no" | "on-failure" | "always" | "unless-stopped" => Ok(word),
        word => Err(refuse(125, format!("{word} invalid restart policy"))),
    }
}

/// Whether nothing was asked for, or one of it fits.
fn any<T>(asked: &[T], fits: impl Fn(&T) -> bool) -> bool {
    asked.is_empty() || asked.iter().any(fits)
}

fn state(word: &str) -> Result<&str, Refused> {
    match word {
        "created" | "running" | "paused" | "exited" | "initialized" | "stopped" => Ok(word),
        "removing" | "configured" | "unknown" | "dead" | "restarting" => Err(not_implemented(
            format!("`podman ps --filter status={word}`"),
        )),
        word => Err(refuse(
            125,
            format!("unknown container state: {word}: invalid argument"),
        )),
    }
}
