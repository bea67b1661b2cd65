//! `inspect` of containers.

use serde_json::Value;

use super::args::{Order, option};
use super::inspected::inspected;
use super::ps::cannot_tell;
use super::reply::{Answer, Refused, Reply, misses, not_implemented, refuse};
use super::state::State;
use super::template::{Kind, Subject, Template, TemplateError};
use super::{MockPodman, images, networks, read, render, volumes};

/// `podman inspect` and `podman container inspect`; `only_containers` is the latter.
pub(super) fn inspect(mock: &MockPodman, args: &[&str], only_containers: bool) -> Answer {
    let flags = [option("format", Some('f')), option("type", Some('t'))];
    let parsed = read("inspect", args, &flags, Order::Mixed)?;
    let wanted = if only_containers {
        Type::Container
    } else {
        let is_5_8 = mock.with(|state, _| (state.version.major, state.version.minor) >= (5, 8));
        Type::of(parsed.last("type"), is_5_8)?
    };
    let format = parsed.last("format").filter(|format| *format != "json");
    let template = format
        .map(|format| Template::parse(format).map_err(|error| refused(error, format, "")))
        .transpose()?;
    if parsed.operands.iter().any(String::is_empty) {
        return Err(refuse(125, "name or ID cannot be empty"));
    }
    mock.with(|state, _| {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for name in &parsed.operands {
            if let Some(container) = state.find(name).filter(|_| wanted.has(Type::Container)) {
                if state.faults.broken.contains(&container.name) {
                    return Err(cannot_tell(container));
                }
                found.push(inspected(state, container));
            } else if let Some(other) = wanted.other(state, name) {
                found.push(other);
            } else {
                missing.push(wanted.miss(state, name));
            }
        }
        let mut stdout = String::new();
        match (&template, format) {
            (Some(template), Some(format)) => {
                let prefix = if state.is_4() {
                    "printing inspect output: "
                } else {
                    ""
                };
                for document in found {
                    match template.render(&Inspected(document)) {
                        Ok(row) => stdout.push_str(&format!("{row}\n")),
                        Err(error) => {
                            missing.push(text_of(error, format, prefix)?);
                            stdout.clear();
                            break;
                        }
                    }
                }
            }
            _ => stdout = render::document(found).stdout,
        }
        Ok(missed(state, &missing, stdout))
    })
}

/// The answer of an `inspect` that did not find these.
pub(super) fn missed(state: &State, missing: &[String], stdout: String) -> Reply {
    let stderr = if state.is_4() {
        let first = missing
            .first()
            .map(|text| format!("inspecting object: {text}"));
        let others = missing.iter().skip(1).cloned();
        misses(
            &first.into_iter().chain(others).collect::<Vec<_>>(),
            "error inspecting object: ",
        )
    } else {
        misses(missing, "")
    };
    Reply {
        code: if stderr.is_empty() { 0 } else { 125 },
        stdout,
        stderr,
    }
}

/// Of what kind the things are that somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    All,
    Container,
    Image,
    Network,
    Volume,
}

impl Type {
    fn of(word: Option<&str>, is_5_8: bool) -> Result<Self, Refused> {
        Ok(match word {
            None | Some("all" | "") => Self::All,
            Some("container") => Self::Container,
            Some("image") => Self::Image,
            Some("network") => Self::Network,
            Some("volume") => Self::Volume,
            Some("pod") => return Err(not_implemented("`podman inspect --type pod`")),
            Some(other) => {
                let artifact = if is_5_8 { " \"artifact\"," } else { "" };
                return Err(refuse(
                    125,
                    format!(
                        "invalid type \"{other}\": must be \"image\", \"container\", \"pod\", \"network\", \"volume\",{artifact} or \"all\""
                    ),
                ));
            }
        })
    }

    fn has(self, other: Self) -> bool {
        self == Self::All || self == other
    }

    /// What is of that name and no container, in the order in which podman looks.
    fn other(self, state: &State, name: &str) -> Option<Value> {
        let image = || images::inspected(state, name);
        let volume = || volumes::inspected(state, name);
        let network = || networks::inspected(state, name);
        self.has(Self::Image)
            .then(image)
            .flatten()
            .or_else(|| self.has(Self::Volume).then(volume).flatten())
            .or_else(|| self.has(Self::Network).then(network).flatten())
    }

    /// podman's words where there is nothing of that name.
    fn miss(self, state: &State, name: &str) -> String {
        match self {
            Self::All => format!("no such object: \"{name}\""),
            Self::Container if (state.version.major, state.version.minor) >= (5, 8) => {
                format!("no such container \"{name}\"")
            }
            Self::Container => format!("no such container {name}"),
            Self::Image => images::not_known(name),
            Self::Network => {
                format!(
                    "network {name}: unable to find network with name or ID {name}: network not found"
                )
            }
            Self::Volume => format!("no such volume {name}"),
        }
    }
}

/// podman reads a format as the inside of a loop.
const LOOP: usize = "{{range .}}".len();

/// The answer to a format that gives nothing; `prefix` goes before podman's words.
fn refused(error: TemplateError, format: &str, prefix: &str) -> Refused {
    match text_of(error, format, prefix) {
        Ok(text) => refuse(125, text),
        Err(refused) => refused,
    }
}

/// podman's words for a format that gives nothing; `prefix` goes before those of the printing.
fn text_of(error: TemplateError, format: &str, prefix: &str) -> Result<String, Refused> {
    Ok(match error {
        TemplateError::Syntax(text) => format!("template: inspect:1: {text}"),
        TemplateError::NoField {
            field,
            path,
            offset,
        } => {
            let at = LOOP + offset;
            let below = format!(".{field}.");
            if let ("Health", Some((_, next))) = (field.as_str(), path.rsplit_once(&below)) {
                // It is there, and nothing is in it.
                return Ok(format!(
                    "{prefix}template: inspect:1:{at}: executing \"inspect\" at <{path}>: nil pointer evaluating *define.HealthCheckResults.{next}"
                ));
            }
            let owner = path
                .strip_suffix(&format!(".{field}"))
                .and_then(|owner| owner.rsplit('.').next())
                .unwrap_or_default();
            let Some(kind) = go_type(owner) else {
                return Err(not_implemented(format!(
                    "the format `{format}` of `podman inspect`: the type of `{owner}`"
                )));
            };
            format!(
                "{prefix}template: inspect:1:{at}: executing \"inspect\" at <{path}>: can't evaluate field {field} in type {kind}"
            )
        }
        TemplateError::Beyond(what) => {
            return Err(not_implemented(format!(
                "`{what}` in the format `{format}` of `podman inspect`"
            )));
        }
    })
}

/// What Go calls the type of a field; the empty name is the document itself.
fn go_type(field: &str) -> Option<&'static str> {
    Some(match field {
        "" => "interface {}",
        "State" => "*define.InspectContainerState",
        "Config" => "*define.InspectContainerConfig",
        "HostConfig" => "*define.InspectContainerHostConfig",
        "NetworkSettings" => "*define.InspectNetworkSettings",
        _ => return None,
    })
}

/// A container's document as formats see it.
struct Inspected(Value);

impl Subject for Inspected {
    fn document(&self) -> &Value {
        &self.0
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "Labels" | "Annotations" | "Ports" | "PortBindings" | "ExposedPorts" | "Networks"
            | "Tmpfs" => Kind::Map,
            "Mounts" | "Args" | "Cmd" | "Env" | "Binds" | "Aliases" => Kind::Slice,
            "Created" | "StartedAt" | "FinishedAt" | "CheckpointedAt" | "RestoredAt" => Kind::Time,
            "Status" | "Error" | "User" => Kind::Text,
            _ => Kind::Plain,
        }
    }

    fn absent(&self, field: &str) -> Option<Value> {
        Some(match field {
            "Init" | "StoppedByUser" => Value::from(false),
            "ConmonPid" => Value::from(0),
            "OCIConfigPath" | "CgroupPath" | "MergedDir" => Value::from(""),
            "ExposedPorts" | "Secrets" | "Healthcheck" => Value::Null,
            _ => return None,
        })
    }
}
