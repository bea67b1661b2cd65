//! What a container gets of secrets: variables, read at each start, and files, read when it is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::Container;
use super::lifecycle::StartFailed;
use super::reply::{Refused, not_implemented, refuse};
use super::secrets::no_such_secret;
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
                (Some(&"mount"), Some(path)) if path.starts_with('/') => {
                    given
                        .files
                        .insert((*path).to_owned(), secret.content.clone());
                }
                _ => return Err(not_implemented(format!("`--secret={option}`"))),
            }
        }
        Ok(given)
    }
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
