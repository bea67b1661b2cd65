//! `volume …`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::args::{Flag, Order, Parsed, option, switch};
use super::images::lines;
use super::inspect::missed;
use super::profile::{Document, Profile};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::{State, Volume, is_name, pairs};
use super::stop::grace;
use super::table::table;
use super::template::{Kind, Subject};
use super::thing::Thing;
use super::{MockPodman, one_operand, read, remove, render};
use crate::container::status::has_label;

const CREATE: &[Flag] = &[
    option("label", Some('l')),
    option("driver", Some('d')),
    switch("ignore", None),
];
const LS: &[Flag] = &[
    option("format", None),
    option("filter", Some('f')),
    switch("quiet", Some('q')),
    switch("noheading", Some('n')),
];
const INSPECT: &[Flag] = &[option("format", Some('f')), switch("all", Some('a'))];
const RM: &[Flag] = &[
    switch("force", Some('f')),
    switch("all", Some('a')),
    option("time", Some('t')),
];
const PRUNE: &[Flag] = &[switch("force", Some('f')), option("filter", None)];

/// `podman volume …`.
pub(super) async fn volume(mock: &MockPodman, command: &str, args: &[&str]) -> Answer {
    match command {
        "create" => create(mock, args),
        "exists" => {
            let name = one_operand(
                "volume exists",
                &read("volume exists", args, &[], Order::Mixed)?,
            )?;
            if name.is_empty() {
                return Err(refuse(125, "name or ID cannot be empty"));
            }
            mock.with(|state, _| Ok(Reply::yes_or_no(state.volumes.contains_key(&name))))
        }
        "inspect" => inspect(mock, args),
        "ls" | "list" => ls(mock, args),
        "prune" => prune(mock, args),
        "rm" => rm(mock, args).await,
        _ => Err(not_implemented(format!("`podman volume {command}`"))),
    }
}

fn create(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("volume create", args, CREATE, Order::Mixed)?;
    mock.with(|state, now| {
        let name = match parsed.operands.first() {
            Some(name) if is_name(name) => name.clone(),
            // podman makes one up, as it does for no name at all.
            Some(name) if name.is_empty() => state.new_id(),
            Some(_) => {
                return Err(refuse(
                    125,
                    "running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
                ));
            }
            None => state.new_id(),
        };
        match parsed.last("driver") {
            None | Some("local" | "") => {}
            Some("image") => return Err(not_implemented("the volume driver `image`")),
            Some(driver) => {
                return Err(refuse(
                    125,
                    format!(
                        "volume {name} uses volume plugin {driver} but it could not be retrieved: no volume plugin with name {driver} available: required plugin missing"
                    ),
                ));
            }
        }
        let labels = pairs("label", parsed.all("label"))?;
        if state.volumes.contains_key(&name) {
            return if parsed.has("ignore") {
                Ok(Reply::line(&name))
            } else {
                Err(refuse(
                    125,
                    format!("volume with name {name} already exists: volume already exists"),
                ))
            };
        }
        let made = Volume {
            labels,
            created_at: now,
            is_anonymous: false,
            keeps_owner: false,
            owner: 0,
            files: BTreeMap::new(),
        };
        state.volumes.insert(name.clone(), made);
        tell(state, "create", &name);
        Ok(Reply::line(&name))
    })
}

/// Writes into the event log.
pub(super) fn tell(state: &mut State, status: &str, name: &str) {
    state.log_thing(&Thing::new("volume", status).name(name));
}

fn inspect(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("volume inspect", args, INSPECT, Order::Mixed)?;
    mock.with(|state, _| {
        let wanted: Vec<String> = if parsed.has("all") {
            state.volumes.keys().cloned().collect()
        } else {
            parsed.operands.clone()
        };
        let (found, missing): (Vec<&String>, Vec<&String>) = wanted
            .iter()
            .partition(|name| state.volumes.contains_key(*name));
        let rows = found.into_iter().map(|name| Row(document(state, name)));
        let stdout = match parsed.last("format") {
            Some(format) if format != "json" => lines("volume inspect", format, rows)?,
            _ => render::document(rows.map(|row| row.0).collect::<Vec<_>>()).stdout,
        };
        let missing: Vec<String> = missing
            .iter()
            .map(|name| format!("no such volume {name}"))
            .collect();
        Ok(missed(state, &missing, stdout))
    })
}

/// What the filters of `volume ls` and `volume prune` let through.
#[derive(Default)]
struct Filters<'a> {
    names: Vec<&'a str>,
    labels: Vec<&'a str>,
    dangling: Option<bool>,
}

impl<'a> Filters<'a> {
    fn read(parsed: &'a Parsed) -> Result<Self, Refused> {
        let mut filters = Self::default();
        for filter in parsed.all("filter") {
            match filter.split_once('=') {
                Some(("name", name))
                    if !name.contains(|letter: char| r"\^$*+?()[]{}|".contains(letter)) =>
                {
                    filters.names.push(name);
                }
                Some(("label", label)) => filters.labels.push(label),
                Some(("dangling", word)) if matches!(word, "true" | "false" | "1" | "0") => {
                    filters.dangling = Some(matches!(word, "true" | "1"));
                }
                Some(("driver" | "scope", "local")) => {}
                _ => {
                    let key = filter.split('=').next().unwrap_or(filter);
                    if matches!(
                        key,
                        "name"
                            | "label"
                            | "dangling"
                            | "driver"
                            | "scope"
                            | "opt"
                            | "until"
                            | "label!"
                    ) {
                        return Err(not_implemented(format!("the volume filter `{filter}`")));
                    }
                    return Err(refuse(
                        125,
                        format!("\"{key}\" is an invalid volume filter"),
                    ));
                }
            }
        }
        Ok(filters)
    }

    fn pass(&self, state: &State, name: &str, volume: &Volume) -> bool {
        (self.names.is_empty() || self.names.iter().any(|part| name.contains(part)))
            && self
                .labels
                .iter()
                .all(|label| has_label(&volume.labels, label))
            && self
                .dangling
                .is_none_or(|wanted| state.users_of_volume(name).is_empty() == wanted)
    }

    fn names(&self, state: &State) -> Vec<String> {
        state
            .volumes
            .iter()
            .filter(|(name, volume)| self.pass(state, name, volume))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

fn ls(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("volume ls", args, LS, Order::Mixed)?;
    let filters = Filters::read(&parsed)?;
    mock.with(|state, _| {
        let names = filters.names(state);
        let rows = names.iter().map(|name| Row(document(state, name)));
        if parsed.has("quiet") {
            return Ok(Reply::stdout(
                names.iter().map(|name| format!("{name}\n")).collect(),
            ));
        }
        match parsed.last("format") {
            Some("json") => {
                let documents: Vec<Value> = rows.map(|row| row.0).collect();
                Ok(render::document(documents))
            }
            Some(format) => Ok(Reply::stdout(lines("volume ls", format, rows)?)),
            None => {
                let heads = !parsed.has("noheading")
                    && (!names.is_empty()
                        || Profile::of(state.version).heads_empty_volume_tables());
                let head = heads.then(|| ["DRIVER", "VOLUME NAME"].map(str::to_owned).to_vec());
                let cells = names
                    .iter()
                    .map(|name| vec!["local".to_owned(), name.clone()]);
                let cells: Vec<Vec<String>> = head.into_iter().chain(cells).collect();
                Ok(Reply::stdout(table(&cells)))
            }
        }
    })
}

fn prune(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("volume prune", args, PRUNE, Order::Mixed)?;
    if !parsed.has("force") {
        return Err(not_implemented("`podman volume prune` without `--force`"));
    }
    let filters = Filters::read(&parsed)?;
    mock.with(|state, _| {
        let mut names = filters.names(state);
        names.retain(|name| state.users_of_volume(name).is_empty());
        for name in &names {
            state.volumes.remove(name);
            tell(state, "remove", name);
            tell(state, "prune", name);
        }
        Ok(Reply::stdout(
            names.iter().map(|name| format!("{name}\n")).collect(),
        ))
    })
}

async fn rm(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("volume rm", args, RM, Order::Mixed)?;
    let (force, grace) = (parsed.has("force"), grace(&parsed)?);
    let wanted: Vec<String> = if parsed.has("all") {
        mock.with(|state, _| state.volumes.keys().cloned().collect())
    } else {
        parsed.operands.clone()
    };
    if wanted.iter().any(String::is_empty) {
        return Err(refuse(125, "name or ID cannot be empty"));
    }
    let mut reply = Reply::silent();
    // All are looked for before the first is removed.
    let found = mock.with(|state, _| {
        wanted
            .into_iter()
            .map(|given| (find(state, &given), given))
            .collect::<Vec<_>>()
    });
    for (_, given) in found.iter().filter(|(name, _)| name.is_none() && !force) {
        reply.fail(
            1,
            format!("no volume with name \"{given}\" found: no such volume"),
        );
    }
    for (name, given) in found {
        let Some(name) = name else { continue };
        if mock.with(|state, _| !state.volumes.contains_key(&name)) {
            let text = mock.with(|state, _| {
                if state.is_4() {
                    format!("no volume with name {name} found in database: no such volume")
                } else {
                    "no such volume".to_owned()
                }
            });
            reply.fail(1, text);
            continue;
        }
        let users = mock.with(|state, _| state.users_of_volume(&name));
        if !users.is_empty() && !force {
            reply.fail(
                2,
                format!(
                    "volume {name} is being used by the following container(s): {}: volume is being used",
                    users.join(", ")
                ),
            );
            continue;
        }
        for id in users {
            reply
                .stderr
                .push_str(&remove::by_force(mock, &id, grace).await?);
        }
        mock.with(|state, _| {
            if state.volumes.remove(&name).is_some() {
                tell(state, "remove", &name);
            }
        });
        reply.stdout.push_str(&format!("{given}\n"));
    }
    Ok(reply)
}

/// The full name of what somebody typed: podman takes the beginning of a name too, where it is of one volume only.
fn find(state: &State, given: &str) -> Option<String> {
    if state.volumes.contains_key(given) {
        return Some(given.to_owned());
    }
    let mut matching = state.volumes.keys().filter(|name| name.starts_with(given));
    match (matching.next(), matching.next()) {
        (Some(name), None) => Some(name.clone()),
        _ => None,
    }
}

/// An entry of `podman volume inspect`.
pub(super) fn inspected(state: &State, name: &str) -> Option<Value> {
    state
        .volumes
        .contains_key(name)
        .then(|| document(state, name))
}

struct Row(Value);

impl Subject for Row {
    fn document(&self) -> &Value {
        &self.0
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "Labels" | "Options" => Kind::Map,
            _ => Kind::Plain,
        }
    }
}

fn document(state: &State, name: &str) -> Value {
    let mut document = Profile::of(state.version).document(Document::Volume);
    if let Some(volume) = state.volumes.get(name) {
        document["Name"] = json!(name);
        document["Mountpoint"] = json!(format!("/var/lib/containers/storage/volumes/{name}/_data"));
        document["CreatedAt"] = json!(render::time(Some(volume.created_at)));
        document["Labels"] = json!(volume.labels);
        if volume.is_anonymous {
            document["Anonymous"] = json!(true);
        }
        if volume.owner != 0 {
            document["UID"] = json!(volume.owner);
        }
        if volume.keeps_owner
            && let Some(document) = document.as_object_mut()
        {
            document.remove("NeedsChown");
        }
    }
    document
}
