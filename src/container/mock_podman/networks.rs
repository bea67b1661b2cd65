//! `network …`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::{Flag, Order, option, switch};
use super::images::lines;
use super::inspect::missed;
use super::profile::{Document, Profile};
use super::reply::{Answer, Reply, not_implemented, refuse};
use super::state::{Network, State, is_name, pairs};
use super::stop::grace;
use super::subnets::Subnet;
use super::table::table;
use super::template::{Kind, Subject};
use super::thing::Thing;
use super::{MockPodman, one_operand, read, remove, render};
use crate::container::status::has_label;

const CREATE: &[Flag] = &[
    option("label", None),
    option("driver", Some('d')),
    option("subnet", None),
    switch("ignore", None),
    switch("internal", None),
];
const LS: &[Flag] = &[
    option("format", None),
    option("filter", Some('f')),
    switch("quiet", Some('q')),
    switch("noheading", Some('n')),
    switch("no-trunc", None),
];
const INSPECT: &[Flag] = &[option("format", Some('f'))];
const RM: &[Flag] = &[switch("force", Some('f')), option("time", Some('t'))];
const PRUNE: &[Flag] = &[switch("force", Some('f'))];

/// The network that is always there.
const DEFAULT: &str = "podman";

/// `podman network …`.
pub(super) async fn network(mock: &MockPodman, command: &str, args: &[&str]) -> Answer {
    match command {
        "connect" | "disconnect" => join(mock, command, args),
        "create" => create(mock, args),
        "exists" => {
            let name = one_operand(
                "network exists",
                &read("network exists", args, &[], Order::Mixed)?,
            )?;
            mock.with(|state, _| Ok(Reply::yes_or_no(find(state, &name).is_some())))
        }
        "inspect" => inspect(mock, args),
        "ls" | "list" => ls(mock, args),
        "prune" => prune(mock, args),
        "rm" => rm(mock, args).await,
        _ => Err(not_implemented(format!("`podman network {command}`"))),
    }
}

impl Network {
    /// The network `podman`, whose id is the same everywhere.
    pub(super) fn default_one(now: DateTime<Utc>) -> Self {
        Self {
            id: "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9".to_owned(),
            labels: BTreeMap::new(),
            created_at: now,
            subnet: Subnet::default_one(),
            interface: "podman0".to_owned(),
            is_internal: false,
        }
    }
}

fn create(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("network create", args, CREATE, Order::Mixed)?;
    let asked = parsed.last("subnet").map(Subnet::parse).transpose()?;
    mock.with(|state, now| {
        match parsed.last("driver") {
            None | Some("bridge") => {}
            Some(driver @ ("macvlan" | "ipvlan")) => {
                return Err(not_implemented(format!("the network driver `{driver}`")));
            }
            Some(driver) if state.is_4() => {
                return Err(refuse(
                    125,
                    format!("unsupported driver {driver}: invalid argument"),
                ));
            }
            Some(driver) => {
                return Err(refuse(
                    125,
                    format!("failed to find driver or plugin \"{driver}\""),
                ));
            }
        }
        let interface = free_interface(state);
        let name = match parsed.operands.first() {
            Some(name) if is_name(name) => name.clone(),
            Some(name) if name.is_empty() => interface.clone(),
            Some(name) => {
                return Err(refuse(
                    125,
                    format!(
                        "network name {name} invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"
                    ),
                ));
            }
            None => interface.clone(),
        };
        let labels = pairs("label", parsed.all("label"))?;
        if let Some(there) = state.networks.get(&name) {
            let id = there.id.clone();
            return if parsed.has("ignore") {
                tell(state, "create", &name, &id);
                Ok(Reply::line(&name))
            } else {
                Err(refuse(
                    125,
                    format!("network name {name} already used: network already exists"),
                ))
            };
        }
        let taken = |subnet: Subnet| state.networks.values().any(|one| one.subnet.overlaps(subnet));
        let subnet = match asked {
            Some(subnet) if taken(subnet) => {
                return Err(refuse(
                    125,
                    format!("subnet {subnet} is already used on the host or by another config"),
                ));
            }
            Some(subnet) => subnet,
            None => Subnet::pool()
                .find(|subnet| !taken(*subnet))
                .ok_or_else(|| refuse(125, "could not find free subnet from subnet pools"))?,
        };
        let id = state.new_id();
        let made = Network {
            id: id.clone(),
            labels,
            created_at: now,
            subnet,
            interface,
            is_internal: parsed.has("internal"),
        };
        state.networks.insert(name.clone(), made);
        tell(state, "create", &name, &id);
        Ok(Reply::line(&name))
    })
}

/// The first of `podman1`, `podman2` … that neither a network nor an interface is called.
fn free_interface(state: &State) -> String {
    let mut names = (1..).map(|number| format!("podman{number}"));
    let is_free = |name: &String| {
        !state.networks.contains_key(name)
            && state
                .networks
                .values()
                .all(|network| network.interface != *name)
    };
    names.find(is_free).unwrap_or_default()
}

/// podman 4.3 writes nothing of networks into its event log.
fn tell(state: &mut State, status: &str, name: &str, id: &str) {
    if state.is_4() {
        return;
    }
    let thing = Thing::new("network", status)
        .id(Some(id))
        .with("network", name)
        .with("Attributes", json!({ "driver": "bridge" }));
    state.log_thing(&thing);
}

/// The full name of what somebody typed: a name, or the beginning of an id.
pub(super) fn find(state: &State, given: &str) -> Option<String> {
    if state.networks.contains_key(given) {
        return Some(given.to_owned());
    }
    state
        .networks
        .iter()
        .find(|(_, network)| !given.is_empty() && network.id.starts_with(given))
        .map(|(name, _)| name.clone())
}

fn not_found(given: &str) -> String {
    format!("unable to find network with name or ID {given}: network not found")
}

fn inspect(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("network inspect", args, INSPECT, Order::Mixed)?;
    mock.with(|state, _| {
        let mut rows = Vec::new();
        let mut missing = Vec::new();
        for given in &parsed.operands {
            match inspected(state, given) {
                Some(document) => rows.push(Row(document)),
                None => missing.push(format!("network {given}: {}", not_found(given))),
            }
        }
        let stdout = match parsed.last("format") {
            Some(format) if format != "json" => lines("network inspect", format, rows.into_iter())?,
            _ => render::document(rows.into_iter().map(|row| row.0).collect::<Vec<_>>()).stdout,
        };
        Ok(missed(state, &missing, stdout))
    })
}

/// An entry of `podman network inspect`.
pub(super) fn inspected(state: &State, given: &str) -> Option<Value> {
    let name = find(state, given)?;
    let mut document = Profile::of(state.version).document(Document::Network);
    fill(&mut document, &name, &state.networks[&name]);
    if document.get("containers").is_some() {
        let inside = state.containers.iter().filter(|container| {
            container.pid != 0 && container.networks().any(|network| network == name)
        });
        for container in inside {
            let at = state.place(container, &name);
            document["containers"][&container.id] = json!({
                "name": container.name,
                "interfaces": { "eth0": {
                    "subnets": [{
                        "ipnet": format!("{}/{}", at.address, at.subnet.length),
                        "gateway": at.subnet.gateway(),
                    }],
                    "mac_address": at.mac,
                }},
            });
        }
    }
    Some(document)
}

fn fill(document: &mut Value, name: &str, network: &Network) {
    document["name"] = json!(name);
    document["id"] = json!(network.id);
    document["network_interface"] = json!(network.interface);
    document["created"] = json!(render::time(Some(network.created_at)));
    document["subnets"] = json!([{
        "subnet": network.subnet.to_string(),
        "gateway": network.subnet.gateway(),
    }]);
    document["internal"] = json!(network.is_internal);
    document["dns_enabled"] = json!(name != DEFAULT);
    if !network.labels.is_empty() {
        document["labels"] = json!(network.labels);
    }
}

fn ls(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("network ls", args, LS, Order::Mixed)?;
    let (mut names, mut labels) = (Vec::new(), Vec::new());
    for filter in parsed.all("filter") {
        match filter.split_once('=') {
            Some(("name", name))
                if !name.contains(|letter: char| r"\^$*+?()[]{}|".contains(letter)) =>
            {
                names.push(name);
            }
            Some(("label", label)) => labels.push(label),
            Some(("driver", "bridge")) => {}
            _ => {
                let key = filter.split('=').next().unwrap_or(filter);
                if matches!(
                    key,
                    "name" | "driver" | "id" | "until" | "dangling" | "label!"
                ) {
                    return Err(not_implemented(format!("the network filter `{filter}`")));
                }
                return Err(refuse(125, format!("invalid filter \"{key}\"")));
            }
        }
    }
    mock.with(|state, _| {
        let rows: Vec<Row> = state
            .networks
            .iter()
            .filter(|(name, network)| {
                (names.is_empty() || names.iter().any(|part| name.contains(part)))
                    && labels.iter().all(|label| has_label(&network.labels, label))
            })
            .map(|(name, network)| {
                let mut document = Profile::of(state.version).document(Document::Networks);
                fill(&mut document, name, network);
                Row(document)
            })
            .collect();
        if parsed.has("quiet") {
            let names = rows.iter().map(|row| format!("{}\n", row.text("name")));
            return Ok(Reply::stdout(names.collect()));
        }
        match parsed.last("format") {
            Some("json") => Ok(render::document(
                rows.into_iter().map(|row| row.0).collect::<Vec<_>>(),
            )),
            Some(format) => Ok(Reply::stdout(lines(
                "network ls",
                format,
                rows.into_iter(),
            )?)),
            None => {
                let head = (!parsed.has("noheading"))
                    .then(|| ["NETWORK ID", "NAME", "DRIVER"].map(str::to_owned).to_vec());
                let cells = rows.iter().map(|row| {
                    let id = row.text("id");
                    let id = if parsed.has("no-trunc") {
                        id
                    } else {
                        &id[..12]
                    };
                    [id, row.text("name"), row.text("driver")]
                        .map(str::to_owned)
                        .to_vec()
                });
                let cells: Vec<Vec<String>> = head.into_iter().chain(cells).collect();
                Ok(Reply::stdout(table(&cells)))
            }
        }
    })
}

fn users(state: &State, name: &str) -> Vec<String> {
    state
        .containers
        .iter()
        .filter(|container| container.networks().any(|network| network == name))
        .map(|container| container.id.clone())
        .collect()
}

fn prune(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("network prune", args, PRUNE, Order::Mixed)?;
    if !parsed.has("force") {
        return Err(not_implemented("`podman network prune` without `--force`"));
    }
    mock.with(|state, _| {
        let names: Vec<String> = state
            .networks
            .keys()
            .filter(|name| *name != DEFAULT && users(state, name).is_empty())
            .cloned()
            .collect();
        // Nothing of that comes into the event log.
        for name in &names {
            state.networks.remove(name);
        }
        Ok(Reply::stdout(
            names.iter().map(|name| format!("{name}\n")).collect(),
        ))
    })
}

fn remove_one(state: &mut State, name: &str) {
    if let Some(network) = state.networks.remove(name) {
        tell(state, "remove", name, &network.id);
    }
}

async fn rm(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("network rm", args, RM, Order::Mixed)?;
    let (force, grace) = (parsed.has("force"), grace(&parsed)?);
    let mut reply = Reply::silent();
    for given in &parsed.operands {
        let found = mock.with(|state, _| {
            let name = find(state, given)?;
            let users = users(state, &name);
            Some((name, users))
        });
        let Some((name, users)) = found else {
            if !force {
                reply.fail(1, not_found(given));
            }
            continue;
        };
        if !users.is_empty() && !force {
            reply.fail(
                2,
                format!(
                    "\"{name}\" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used"
                ),
            );
            continue;
        }
        for id in users {
            reply
                .stderr
                .push_str(&remove::by_force(mock, &id, grace).await?);
        }
        if name == DEFAULT {
            // podman tells of it all the same.
            mock.with(|state, _| {
                let id = state.networks[&name].id.clone();
                tell(state, "remove", &name, &id);
            });
            reply.fail(125, format!("default network {name} cannot be removed"));
            continue;
        }
        mock.with(|state, _| remove_one(state, &name));
        reply.stdout.push_str(&format!("{given}\n"));
    }
    Ok(reply)
}

/// `podman network connect` and `disconnect`.
fn join(mock: &MockPodman, command: &str, args: &[&str]) -> Answer {
    let called = format!("network {command}");
    let parsed = read(&called, args, &[], Order::Mixed)?;
    let [network, given] = &parsed.operands[..] else {
        return Err(not_implemented(format!(
            "`podman {called}` with the operands {:?}",
            parsed.operands
        )));
    };
    mock.with(|state, _| {
        let index = state.index_or_refuse(given)?;
        let name = find(state, network).ok_or_else(|| refuse(125, not_found(network)))?;
        let is_4 = state.is_4();
        let container = &mut state.containers[index];
        let (id, label) = (container.id.clone(), container.name.clone());
        let is_in = container.networks().any(|network| network == name);
        if command == "connect" {
            if is_in {
                let quoted = if is_4 { format!("\"{name}\"") } else { name };
                return Err(refuse(
                    125,
                    format!(
                        "container {id} is already connected to network {quoted}: network is already connected"
                    ),
                ));
            }
            container.joined.push(name.clone());
        } else {
            if !is_in {
                return Err(refuse(
                    125,
                    format!("container {given} is not connected to network {name}"),
                ));
            }
            if container.network == name {
                return Err(not_implemented(format!("`podman {called}` of its first network")));
            }
            container.joined.retain(|network| *network != name);
        }
        // podman 4.3 tells of these, too.
        let thing = Thing::new("network", command)
            .id(Some(&id))
            .name(&label)
            .with("network", name);
        state.log_thing(&thing);
        Ok(Reply::silent())
    })
}

struct Row(Value);

impl Row {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }
}

/// Names of Go's fields, and of podman's JSON.
const FIELDS: [(&str, &str); 9] = [
    ("Name", "name"),
    ("ID", "id"),
    ("Driver", "driver"),
    ("NetworkInterface", "network_interface"),
    ("Created", "created"),
    ("IPv6Enabled", "ipv6_enabled"),
    ("Internal", "internal"),
    ("DNSEnabled", "dns_enabled"),
    ("Labels", "labels"),
];

impl Subject for Row {
    fn document(&self) -> &Value {
        &self.0
    }

    fn method(&self, name: &str, _: &[Value]) -> Option<Value> {
        let (_, key) = FIELDS.iter().find(|(field, _)| *field == name)?;
        Some(self.0.get(*key).cloned().unwrap_or(Value::Null))
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "Labels" => Kind::Map,
            _ => Kind::Plain,
        }
    }
}
