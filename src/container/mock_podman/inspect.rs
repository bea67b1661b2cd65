//! `inspect` of containers.

use serde_json::Value;

use super::args::{Order, option};
use super::inspected::inspected;
use super::ps::cannot_tell;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::template::{Kind, Subject, Template, TemplateError};
use super::{MockPodman, read, render};

/// `podman inspect` and `podman container inspect`; `only_containers` is the latter.
pub(super) fn inspect(mock: &MockPodman, args: &[&str], only_containers: bool) -> Answer {
    let parsed = read(
        "inspect",
        args,
        &[option("format", Some('f'))],
        Order::Mixed,
    )?;
    let format = parsed.last("format").filter(|format| *format != "json");
    let template = format
        .map(|format| Template::parse(format).map_err(|error| refused(error, format, "")))
        .transpose()?;
    mock.with(|state, now| {
        let mut found = Vec::new();
        let mut stderr = String::new();
        let prefix = if state.is_4() {
            "inspecting object: "
        } else {
            ""
        };
        for name in &parsed.operands {
            if let Some(container) = state.find(name) {
                if state.faults.broken.contains(&container.name) {
                    return Err(cannot_tell(container));
                }
                found.push(inspected(state, container, now));
            } else {
                let is_5_8 = (state.version.major, state.version.minor) >= (5, 8);
                let text = match (only_containers, is_5_8) {
                    (true, true) => format!("no such container \"{name}\""),
                    (true, false) => format!("no such container {name}"),
                    (false, _) => format!("no such object: \"{name}\""),
                };
                stderr.push_str(&format!("Error: {prefix}{text}\n"));
            }
        }
        let stdout = match (&template, format) {
            (Some(template), Some(format)) => {
                let prefix = if state.is_4() {
                    "inspecting object: printing inspect output: "
                } else {
                    ""
                };
                let mut text = String::new();
                for document in found {
                    let row = template
                        .render(&Inspected(document))
                        .map_err(|error| refused(error, format, prefix))?;
                    text.push_str(&row);
                    text.push('\n');
                }
                text
            }
            _ => render::document(&found).stdout,
        };
        Ok(Reply {
            code: if stderr.is_empty() { 0 } else { 125 },
            stdout,
            stderr,
        })
    })
}

/// podman reads a format as the inside of a loop.
const LOOP: usize = "{{range .}}".len();

/// podman's words for a format that gives nothing; `prefix` goes before those of the printing.
pub(super) fn refused(error: TemplateError, format: &str, prefix: &str) -> Refused {
    match error {
        TemplateError::Syntax(text) => refuse(125, format!("template: inspect:1: {text}")),
        TemplateError::NoField {
            field,
            path,
            offset,
        } => {
            let owner = path
                .strip_suffix(&format!(".{field}"))
                .and_then(|owner| owner.rsplit('.').next())
                .unwrap_or_default();
            let Some(kind) = go_type(owner) else {
                return not_implemented(format!(
                    "the format `{format}` of `podman inspect`: the type of `{owner}`"
                ));
            };
            refuse(
                125,
                format!(
                    "{prefix}template: inspect:1:{}: executing \"inspect\" at <{path}>: can't evaluate field {field} in type {kind}",
                    LOOP + offset
                ),
            )
        }
        TemplateError::Beyond(what) => not_implemented(format!(
            "`{what}` in the format `{format}` of `podman inspect`"
        )),
    }
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
