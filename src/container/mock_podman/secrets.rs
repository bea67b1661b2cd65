//! `secret …`.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::args::{Order, Parsed, option, switch};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::{Secret, is_name, pairs};
use super::{MockPodman, one_operand, read, render, unknown_flag};

/// podman 4.3 takes no longer name.
const LONGEST_NAME_4: usize = 64;

/// `podman secret …`.
pub(super) fn secret(mock: &MockPodman, command: &str, args: &[&str]) -> Answer {
    match command {
        "create" => create(mock, args),
        "exists" => exists(mock, args),
        "inspect" => inspect(mock, args),
        "ls" => ls(mock, args),
        "rm" => rm(mock, args),
        _ => Err(not_implemented(format!("`podman secret {command}`"))),
    }
}

fn create(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [option("label", Some('l')), option("driver-opts", None)];
    let parsed = read("secret create", args, &flags, Order::Mixed)?;
    let [name, file] = &parsed.operands[..] else {
        return Err(not_implemented(format!(
            "`podman secret create` with the operands {:?}",
            parsed.operands
        )));
    };
    if file == "-" {
        return Err(not_implemented("`podman secret create NAME -`"));
    }
    let Ok(content) = std::fs::read_to_string(file) else {
        return Err(refuse(
            125,
            format!("open {file}: no such file or directory"),
        ));
    };
    mock.with(|state, now| {
        if state.is_4() && parsed.last("label").is_some() {
            return Err(unknown_flag("secret create", "label"));
        }
        if !is_name(name) {
            return Err(refuse(
                125,
                format!("secret name \"{name}\" can not be used"),
            ));
        }
        if state.is_4() && name.len() > LONGEST_NAME_4 {
            return Err(refuse(
                125,
                format!(
                    "only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]: {name}: invalid secret name"
                ),
            ));
        }
        if state.secrets.contains_key(name) {
            return Err(refuse(125, format!("{name}: secret name in use")));
        }
        let mut id = state.new_id();
        id.truncate(25);
        let made = Secret {
            content,
            id: id.clone(),
            labels: pairs("label", parsed.all("label"))?,
            driver_options: pairs("driver-opts", parsed.all("driver-opts"))?,
            created_at: now,
        };
        state.secrets.insert(name.clone(), made);
        Ok(Reply::line(id))
    })
}

fn exists(mock: &MockPodman, args: &[&str]) -> Answer {
    let name = one_operand(
        "secret exists",
        &read("secret exists", args, &[], Order::Mixed)?,
    )?;
    mock.with(|state, _| {
        if state.is_4() {
            return Err(refuse(
                125,
                "unrecognized command `podman secret exists`\nTry 'podman secret --help' for more information",
            ));
        }
        Ok(Reply::yes_or_no(state.secrets.contains_key(&name)))
    })
}

fn inspect(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed: Parsed = read("secret inspect", args, &[], Order::Mixed)?;
    mock.with(|state, _| {
        let mut found = Vec::new();
        let mut stderr = String::new();
        for name in &parsed.operands {
            match state.secrets.get(name) {
                Some(secret) => found.push(secret_json(name, secret)),
                None => stderr.push_str(&format!(
                    "Error: inspecting secret: {}\n",
                    no_such_secret(name)
                )),
            }
        }
        Ok(Reply {
            code: if stderr.is_empty() { 0 } else { 125 },
            stdout: render::document(&found).stdout,
            stderr,
        })
    })
}

fn ls(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [option("format", None), switch("quiet", Some('q'))];
    let parsed = read("secret ls", args, &flags, Order::Mixed)?;
    mock.with(|state, _| match parsed.last("format") {
        Some("{{.Name}}") => Ok(Reply::stdout(
            state
                .secrets
                .keys()
                .map(|name| format!("{name}\n"))
                .collect(),
        )),
        None if parsed.has("quiet") => Ok(Reply::stdout(
            state
                .secrets
                .values()
                .map(|secret| format!("{}\n", secret.id))
                .collect(),
        )),
        other => Err(not_implemented(format!(
            "`podman secret ls` with the format {other:?}"
        ))),
    })
}

fn rm(mock: &MockPodman, args: &[&str]) -> Answer {
    let name = one_operand("secret rm", &read("secret rm", args, &[], Order::Mixed)?)?;
    mock.with(|state, _| match state.secrets.remove(&name) {
        Some(secret) => Ok(Reply::line(secret.id)),
        None => Err::<_, Refused>(refuse(125, no_such_secret(&name))),
    })
}

pub(super) fn no_such_secret(name: &str) -> String {
    format!("no secret with name or id \"{name}\": no such secret")
}

fn secret_json(name: &str, secret: &Secret) -> Value {
    let created = secret
        .created_at
        .to_rfc3339_opts(SecondsFormat::Nanos, true);
    json!({
        "ID": secret.id,
        "CreatedAt": created,
        "UpdatedAt": created,
        "Spec": {
            "Name": name,
            "Driver": { "Name": "file", "Options": secret.driver_options },
            "Labels": secret.labels,
        },
    })
}
