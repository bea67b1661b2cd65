//! `secret …`, but for its list.

use serde_json::{Value, json};

use super::args::{Order, option, switch};
use super::images::lines;
use super::profile::{Document, Profile};
use super::reply::{Answer, Refused, Reply, misses, not_implemented, refuse};
use super::state::{Secret, State, is_name, pairs};
use super::template::{Kind, Subject};
use super::thing::Thing;
use super::{MockPodman, one_operand, read, render, secret_list};

/// podman 4.3 takes no longer name, podman 5 none of 254 bytes.
const LONGEST_NAME: (usize, usize) = (64, 253);
/// podman takes no secret of that many bytes.
const TOO_LONG: usize = 512_000;

/// `podman secret …`.
pub(super) fn secret(mock: &MockPodman, command: &str, args: &[&str]) -> Answer {
    match command {
        "create" => create(mock, args),
        "exists" => exists(mock, args),
        "inspect" => inspect(mock, args),
        "ls" | "list" => secret_list::ls(mock, args),
        "rm" => rm(mock, args),
        _ => Err(not_implemented(format!("`podman secret {command}`"))),
    }
}

fn create(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [
        option("label", Some('l')),
        option("driver", Some('d')),
        option("driver-opts", None),
        switch("env", None),
        switch("replace", None),
    ];
    let parsed = read("secret create", args, &flags, Order::Mixed)?;
    let [name, source] = &parsed.operands[..] else {
        let received = parsed.operands.len();
        return Err(refuse(
            125,
            format!("accepts 2 arg(s), received {received}"),
        ));
    };
    let is_4 = mock.shared.store.look(|state, _| state.is_4());
    let content = content(source, parsed.has("env"))?;
    mock.with(|state, now| {
        check_name(name, is_4)?;
        if content.is_empty() || content.len() >= TOO_LONG {
            return Err(refuse(
                125,
                "secret data must be larger than 0 and less than 512000 bytes",
            ));
        }
        if state.secrets.contains_key(name) && !parsed.has("replace") {
            return Err(refuse(125, format!("{name}: secret name in use")));
        }
        match parsed.last("driver") {
            None | Some("file") => {}
            Some(driver @ ("pass" | "shell")) => {
                return Err(not_implemented(format!("the secret driver `{driver}`")));
            }
            Some(_) => return Err(refuse(125, "invalid driver")),
        }
        let labels = pairs("label", parsed.all("label"))?;
        let driver_options = pairs("driver-opts", parsed.all("driver-opts"))?;
        let mut id = state.new_id();
        id.truncate(25);
        let made = Secret {
            content,
            id: id.clone(),
            labels,
            driver_options,
            created_at: now,
        };
        state.secrets.insert(name.clone(), made);
        tell(state, "create", &id);
        Ok(Reply::line(id))
    })
}

/// podman 5.8 writes of secrets into its event log.
fn tell(state: &mut State, status: &str, id: &str) {
    if (state.version.major, state.version.minor) >= (5, 8) {
        state.log_thing(&Thing::new("secret", status).id(Some(id)));
    }
}

fn content(source: &str, is_variable: bool) -> Result<String, Refused> {
    if is_variable {
        return std::env::var(source).map_err(|_| {
            refuse(
                125,
                format!(
                    "cannot create store secret data: environment variable {source} is not set"
                ),
            )
        });
    }
    if source == "-" {
        return Err(not_implemented("`podman secret create NAME -`"));
    }
    std::fs::read_to_string(source)
        .map_err(|_| refuse(125, format!("open {source}: no such file or directory")))
}

fn check_name(name: &str, is_4: bool) -> Result<(), Refused> {
    if is_4 {
        let is_well = is_name(name) && name.len() <= LONGEST_NAME.0 && !name.ends_with(['-', '.']);
        return if is_well {
            Ok(())
        } else {
            Err(refuse(
                125,
                format!(
                    "only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]: {name}: invalid secret name"
                ),
            ))
        };
    }
    if name.is_empty() || name.len() > LONGEST_NAME.1 || name.contains([',', '/', '=', '\0']) {
        return Err(refuse(
            125,
            format!(
                "secret name \"{name}\" can not include '=', '/', ',', or the NULL ('\\000') and be between 1 and 253 characters: invalid secret name"
            ),
        ));
    }
    Ok(())
}

fn exists(mock: &MockPodman, args: &[&str]) -> Answer {
    let name = one_operand(
        "secret exists",
        &read("secret exists", args, &[], Order::Mixed)?,
    )?;
    mock.with(|state, _| Ok(Reply::yes_or_no(find(state, &name).is_some())))
}

/// The full name of what somebody typed: a name, an id, or its beginning.
pub(super) fn find(state: &State, given: &str) -> Option<String> {
    if state.secrets.contains_key(given) {
        return Some(given.to_owned());
    }
    let mut by_id = state
        .secrets
        .iter()
        .filter(|(_, secret)| !given.is_empty() && secret.id.starts_with(given));
    by_id.next().map(|(name, _)| name.clone())
}

fn inspect(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [option("format", Some('f')), switch("showsecret", None)];
    let parsed = read("secret inspect", args, &flags, Order::Mixed)?;
    mock.with(|state, _| {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for given in &parsed.operands {
            let Some(name) = find(state, given) else {
                let word = if missing.is_empty() { "" } else { "error " };
                missing.push(format!(
                    "{word}inspecting secret: {}",
                    no_such_secret(given)
                ));
                continue;
            };
            let secret = &state.secrets[&name];
            let mut document = document(state, &name, secret);
            if parsed.has("showsecret") {
                document["SecretData"] = json!(secret.content);
            }
            found.push(document);
        }
        let stdout = match parsed.last("format") {
            Some(format) if format != "json" => {
                lines("secret inspect", format, found.into_iter().map(Inspected))?
            }
            _ => render::document(found).stdout,
        };
        Ok(Reply {
            code: if missing.is_empty() { 0 } else { 125 },
            stdout,
            stderr: misses(&missing, ""),
        })
    })
}

struct Inspected(Value);

impl Subject for Inspected {
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

fn rm(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [switch("all", Some('a')), switch("ignore", Some('i'))];
    let parsed = read("secret rm", args, &flags, Order::Mixed)?;
    mock.with(|state, _| {
        let wanted: Vec<String> = match (parsed.has("all"), parsed.operands.is_empty()) {
            (true, true) => state.secrets.keys().cloned().collect(),
            (false, false) => parsed.operands.clone(),
            _ => {
                return Err(refuse(
                    125,
                    "`podman secret rm` requires one argument, or the --all flag",
                ));
            }
        };
        let mut reply = Reply::silent();
        for given in wanted {
            let secret = find(state, &given).and_then(|name| state.secrets.remove(&name));
            match secret {
                Some(secret) => {
                    tell(state, "remove", &secret.id);
                    reply.stdout.push_str(&format!("{}\n", secret.id));
                }
                None if parsed.has("ignore") => {}
                None => {
                    reply.code = 125;
                    let text = format!("Error: {}\n", no_such_secret(&given));
                    reply.stderr.push_str(&text);
                }
            }
        }
        Ok(reply)
    })
}

pub(super) fn no_such_secret(name: &str) -> String {
    format!("no secret with name or id \"{name}\": no such secret")
}

fn document(state: &State, name: &str, secret: &Secret) -> Value {
    let mut document = Profile::of(state.version).document(Document::Secret);
    let created = render::time(Some(secret.created_at));
    document["ID"] = json!(secret.id);
    document["CreatedAt"] = json!(created);
    document["UpdatedAt"] = json!(created);
    document["Spec"]["Name"] = json!(name);
    document["Spec"]["Labels"] = json!(secret.labels);
    for (key, value) in &secret.driver_options {
        document["Spec"]["Driver"]["Options"][key] = json!(value);
    }
    document
}
