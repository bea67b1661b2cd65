//! `volume …` and `network …`.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::args::{Flag, Order, Parsed, option, switch};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::{Network, State, Volume, is_name, pairs};
use super::{MockPodman, one_operand, read, render, unknown_flag};
use crate::container::status::has_label;

const CREATE: &[Flag] = &[
    option("label", Some('l')),
    switch("ignore", None),
    option("driver", Some('d')),
];
const LS: &[Flag] = &[
    option("format", None),
    option("filter", Some('f')),
    switch("quiet", Some('q')),
];
const RM: &[Flag] = &[switch("force", Some('f'))];

/// `podman volume …`.
pub(super) fn volume(mock: &MockPodman, command: &str, args: &[&str]) -> Answer {
    let called = format!("volume {command}");
    match command {
        "create" => {
            let parsed = read(&called, args, CREATE, Order::Mixed)?;
            let name = one_operand(&called, &parsed)?;
            mock.with(|state, now| {
                check_create(state, &called, &parsed)?;
                if !is_name(&name) {
                    return Err(refuse(
                        125,
                        "running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
                    ));
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
                    files: BTreeMap::new(),
                };
                state.volumes.insert(name.clone(), made);
                Ok(Reply::line(&name))
            })
        }
        "exists" => {
            let name = one_operand(&called, &read(&called, args, &[], Order::Mixed)?)?;
            Ok(Reply::yes_or_no(
                mock.with(|state, _| state.volumes.contains_key(&name)),
            ))
        }
        "ls" => {
            let parsed = read(&called, args, LS, Order::Mixed)?;
            mock.with(|state, _| {
                let rows = state.volumes.iter().map(|(name, volume)| {
                    (name.as_str(), &volume.labels, volume_json(name, volume))
                });
                list(&called, &parsed, rows.collect())
            })
        }
        "inspect" => {
            let parsed = read(&called, args, &[], Order::Mixed)?;
            mock.with(|state, _| {
                let look = |name: &str| Some(volume_json(name, state.volumes.get(name)?));
                inspect(state, &parsed, look, |name| {
                    format!("no such volume {name}")
                })
            })
        }
        "rm" => {
            let parsed = read(&called, args, RM, Order::Mixed)?;
            let name = one_operand(&called, &parsed)?;
            if parsed.has("force") {
                return Err(not_implemented(
                    "`podman volume rm --force`, which removes containers as well",
                ));
            }
            mock.with(|state, _| {
                if !state.volumes.contains_key(&name) {
                    return Err(refuse(
                        1,
                        format!("no volume with name \"{name}\" found: no such volume"),
                    ));
                }
                let users = state.users_of_volume(&name);
                if !users.is_empty() {
                    return Err(refuse(
                        2,
                        format!(
                            "volume {name} is being used by the following container(s): {}: volume is being used",
                            users.join(", ")
                        ),
                    ));
                }
                state.volumes.remove(&name);
                Ok(Reply::line(&name))
            })
        }
        _ => Err(not_implemented(format!("`podman {called}`"))),
    }
}

/// `podman network …`.
pub(super) fn network(mock: &MockPodman, command: &str, args: &[&str]) -> Answer {
    let called = format!("network {command}");
    match command {
        "create" => {
            let parsed = read(&called, args, CREATE, Order::Mixed)?;
            let name = one_operand(&called, &parsed)?;
            mock.with(|state, now| {
                check_create(state, &called, &parsed)?;
                if !is_name(&name) {
                    return Err(refuse(
                        125,
                        format!(
                            "network name {name} invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"
                        ),
                    ));
                }
                let labels = pairs("label", parsed.all("label"))?;
                if state.networks.contains_key(&name) {
                    return if parsed.has("ignore") {
                        Ok(Reply::line(&name))
                    } else {
                        Err(refuse(
                            125,
                            format!("network name {name} already used: network already exists"),
                        ))
                    };
                }
                let made = Network {
                    id: state.new_id(),
                    labels,
                    created_at: now,
                };
                state.networks.insert(name.clone(), made);
                Ok(Reply::line(&name))
            })
        }
        "exists" => {
            let name = one_operand(&called, &read(&called, args, &[], Order::Mixed)?)?;
            Ok(Reply::yes_or_no(
                mock.with(|state, _| state.networks.contains_key(&name)),
            ))
        }
        "ls" => {
            let parsed = read(&called, args, LS, Order::Mixed)?;
            mock.with(|state, _| {
                let rows = state.networks.iter().map(|(name, network)| {
                    (name.as_str(), &network.labels, network_json(name, network))
                });
                list(&called, &parsed, rows.collect())
            })
        }
        "inspect" => {
            let parsed = read(&called, args, &[], Order::Mixed)?;
            mock.with(|state, _| {
                let look = |name: &str| Some(network_json(name, state.networks.get(name)?));
                inspect(state, &parsed, look, |name| {
                    format!("network {name}: unable to find network with name or ID {name}: network not found")
                })
            })
        }
        "rm" => {
            let parsed = read(&called, args, RM, Order::Mixed)?;
            let name = one_operand(&called, &parsed)?;
            if parsed.has("force") {
                return Err(not_implemented(
                    "`podman network rm --force`, which removes containers as well",
                ));
            }
            mock.with(|state, _| {
                if !state.networks.contains_key(&name) {
                    return Err(refuse(
                        1,
                        format!("unable to find network with name or ID {name}: network not found"),
                    ));
                }
                if state.containers.iter().any(|container| container.network == name) {
                    return Err(refuse(
                        2,
                        format!(
                            "\"{name}\" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used"
                        ),
                    ));
                }
                state.networks.remove(&name);
                Ok(Reply::line(&name))
            })
        }
        _ => Err(not_implemented(format!("`podman {called}`"))),
    }
}

fn check_create(state: &State, called: &str, parsed: &Parsed) -> Result<(), Refused> {
    if state.is_4() && parsed.has("ignore") {
        return Err(unknown_flag(called, "ignore"));
    }
    match parsed.last("driver") {
        None | Some("local" | "bridge") => Ok(()),
        Some(driver) => Err(not_implemented(format!(
            "`podman {called} --driver {driver}`"
        ))),
    }
}

type Row<'a> = (&'a str, &'a BTreeMap<String, String>, Value);

/// Names or JSON of what carries all labels that are filtered by.
fn list(called: &str, parsed: &Parsed, rows: Vec<Row<'_>>) -> Answer {
    let mut labels = Vec::new();
    for filter in parsed.all("filter") {
        match filter.split_once('=') {
            Some(("label", label)) => labels.push(label),
            _ => {
                return Err(not_implemented(format!(
                    "`podman {called} --filter {filter}`"
                )));
            }
        }
    }
    let shown = rows
        .into_iter()
        .filter(|(_, carried, _)| labels.iter().all(|label| has_label(carried, label)));
    match parsed.last("format") {
        Some("json") => Ok(render::document(
            &shown.map(|(_, _, json)| json).collect::<Vec<_>>(),
        )),
        None if parsed.has("quiet") => Ok(Reply::stdout(
            shown.map(|(name, _, _)| format!("{name}\n")).collect(),
        )),
        other => Err(not_implemented(format!(
            "`podman {called}` with the format {other:?}"
        ))),
    }
}

fn inspect(
    state: &State,
    parsed: &Parsed,
    look: impl Fn(&str) -> Option<Value>,
    miss: impl Fn(&str) -> String,
) -> Answer {
    let prefix = if state.is_4() {
        "inspecting object: "
    } else {
        ""
    };
    let mut found = Vec::new();
    let mut stderr = String::new();
    for name in &parsed.operands {
        match look(name) {
            Some(json) => found.push(json),
            None => stderr.push_str(&format!("Error: {prefix}{}\n", miss(name))),
        }
    }
    Ok(Reply {
        code: if stderr.is_empty() { 0 } else { 125 },
        stdout: render::document(&found).stdout,
        stderr,
    })
}

fn volume_json(name: &str, volume: &Volume) -> Value {
    json!({
        "Name": name,
        "Driver": "local",
        "Mountpoint": format!("/var/lib/containers/storage/volumes/{name}/_data"),
        "CreatedAt": volume.created_at.to_rfc3339_opts(SecondsFormat::Nanos, true),
        "Labels": volume.labels,
        "Scope": "local",
        "Options": {},
        "Anonymous": volume.is_anonymous,
        "MountCount": 0,
        "NeedsCopyUp": true,
        "NeedsChown": true,
    })
}

fn network_json(name: &str, network: &Network) -> Value {
    json!({
        "name": name,
        "id": network.id,
        "driver": "bridge",
        "network_interface": "podman1",
        "created": network.created_at.to_rfc3339_opts(SecondsFormat::Nanos, true),
        "subnets": [],
        "ipv6_enabled": false,
        "internal": false,
        "dns_enabled": name != "podman",
        "labels": network.labels,
    })
}
