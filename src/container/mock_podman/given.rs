//! What a container gets of secrets: variables, read at each start, and files, read when it is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::container::Container;
use super::reply::{Refused, not_implemented, refuse};
use super::secrets::no_such_secret;
use super::start::StartFailed;
use super::state::State;

/// Where a process finds its variables.
pub(super) const ENVIRON: &str = "/proc/1/environ";

/// A secret that is a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SecretEnv {
    secret: String,
    variable: String,
    /// As read at the last start.
    value: String,
}

/// All that a container gets.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) env: Vec<SecretEnv>,
    pub(super) files: BTreeMap<String, String>,
    /// The files as `inspect` shows them.
    pub(super) shown: Vec<Value>,
}

impl Given {
    /// Reads the values of `--secret`: `NAME,type=env,target=VARIABLE` or `NAME,type=mount,target=PATH,…`.
    pub(super) fn of<'a>(
        state: &State,
        options: impl Iterator<Item = &'a str>,
    ) -> Result<Self, Refused> {
        let mut given = Self::default();
        for option in options {
            let mut words = option.split(',');
            let name = words.next().unwrap_or(option);
            let Some(secret) = state.secrets.get(name) else {
                return Err(refuse(125, no_such_secret(name)));
            };
            let words: BTreeMap<&str, &str> =
                words.filter_map(|word| word.split_once('=')).collect();
            match (words.get("type"), words.get("target")) {
                (Some(&"env"), Some(variable)) => given.env.push(SecretEnv {
                    secret: name.to_owned(),
                    variable: (*variable).to_owned(),
                    value: String::new(),
                }),
                (Some(&"mount") | None, target) if words.keys().all(|key| is_known(key)) => {
                    let path = match target {
                        Some(path) if path.starts_with('/') => (*path).to_owned(),
                        Some(file) => format!("/run/secrets/{file}"),
                        None => format!("/run/secrets/{name}"),
                    };
                    given.files.insert(path, secret.content.clone());
                    let number = |key: &str| {
                        words
                            .get(key)
                            .and_then(|text| text.parse::<u32>().ok())
                            .unwrap_or(0)
                    };
                    let mode = words
                        .get("mode")
                        .and_then(|text| u32::from_str_radix(text, 8).ok())
                        .unwrap_or(0o444);
                    given.shown.push(json!({
                        "Name": name,
                        "ID": secret.id,
                        "UID": number("uid"),
                        "GID": number("gid"),
                        "Mode": mode,
                    }));
                }
                _ => return Err(not_implemented(format!("`--secret={option}`"))),
            }
        }
        Ok(given)
    }
}

fn is_known(key: &str) -> bool {
    matches!(key, "type" | "target" | "uid" | "gid" | "mode")
}

/// Reads the variables for a start; a secret that is gone keeps the container from starting.
pub(super) fn renew(state: &mut State, index: usize) -> Option<StartFailed> {
    let State {
        containers,
        secrets,
        ..
    } = state;
    for given in &mut containers[index].secret_env {
        let Some(secret) = secrets.get(&given.secret) else {
            return Some(StartFailed {
                run_code: 125,
                text: no_such_secret(&given.secret),
            });
        };
        given.value.clone_from(&secret.content);
    }
    None
}

impl Container {
    /// The secrets that are variables, as `inspect` has them.
    pub(super) fn secret_variables(&self, shows: bool) -> impl Iterator<Item = String> {
        self.secret_env.iter().map(move |given| {
            if shows {
                format!("{}={}", given.variable, given.value)
            } else {
                format!("{}=*******", given.secret)
            }
        })
    }

    /// The content of [`ENVIRON`].
    pub(super) fn environ(&self) -> String {
        let secrets = self.secret_env.iter();
        let secrets = secrets.map(|given| format!("{}={}", given.variable, given.value));
        let mut text = String::new();
        for variable in self.env.iter().cloned().chain(secrets) {
            text.push_str(&variable);
            text.push('\0');
        }
        text
    }
}
