//! `version`, `info`.

use serde_json::{Map, Value, json};

use super::args::{Order, Parsed, option};
use super::images::lines;
use super::profile::{Document, Profile};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::template::{Kind, Subject};
use super::{MockPodman, read, render};
use crate::container::status::ContainerState;

/// `podman version`.
pub(super) fn version(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = parsed("version", args)?;
    let mut document = mock
        .shared
        .store
        .look(|state, _| stamped(state, Document::Version, "Client"));
    match parsed.last("format") {
        None => Ok(Reply::stdout(client(&document["Client"]))),
        Some("json") => Ok(Reply::line(document.to_string())),
        Some(format) => {
            // A podman that is its own server; and `.Version` is the client's.
            document["Server"] = document["Client"].clone();
            if let Value::Object(fields) = document["Client"].clone() {
                for (field, value) in fields {
                    document[field] = value;
                }
            }
            let subject = std::iter::once(document);
            Ok(Reply::stdout(lines("version", format, subject)?))
        }
    }
}

/// Neither command takes an operand.
fn parsed(command: &str, args: &[&str]) -> Result<Parsed, Refused> {
    let parsed = read(command, args, &[option("format", Some('f'))], Order::Mixed)?;
    if parsed.operands.is_empty() {
        Ok(parsed)
    } else {
        Err(refuse(
            125,
            format!("`podman {command}` takes no arguments"),
        ))
    }
}

/// The document with the version that this podman says it is.
fn stamped(state: &State, which: Document, key: &str) -> Value {
    let mut document = Profile::of(state.version).document(which);
    let version = state.version.to_string();
    document[key]["Version"] = json!(version);
    document[key]["APIVersion"] = json!(version);
    document
}

/// What `podman version` prints for people; what is empty has no line.
fn client(client: &Value) -> String {
    const LINES: [(&str, &str); 7] = [
        ("Version:", "Version"),
        ("API Version:", "APIVersion"),
        ("Go Version:", "GoVersion"),
        ("Git Commit:", "GitCommit"),
        ("Built:", "BuiltTime"),
        ("Build Origin:", "BuildOrigin"),
        ("OS/Arch:", "OsArch"),
    ];
    let text = |key| client[key].as_str().unwrap_or_default();
    let mut rows = vec![("Client:", "Podman Engine")];
    rows.extend(
        LINES
            .iter()
            .map(|(name, key)| (*name, text(key)))
            .filter(|(_, value)| !value.is_empty()),
    );
    let width = rows
        .iter()
        .map(|(name, _)| name.len() + 2)
        .max()
        .unwrap_or(0);
    let lines = rows.iter();
    lines
        .map(|(name, value)| format!("{name:width$}{value}\n"))
        .collect()
}

/// `podman info`.
pub(super) fn info(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = parsed("info", args)?;
    let document = mock.shared.store.look(|state, _| filled(state));
    match parsed.last("format") {
        Some("json") => Ok(render::document(document)),
        Some(format) => {
            let subject = std::iter::once(Info(as_fields(&document)));
            Ok(Reply::stdout(lines("info", format, subject)?))
        }
        None => Err(not_implemented("`podman info` without a format")),
    }
}

fn filled(state: &State) -> Value {
    let mut document = stamped(state, Document::Info, "version");
    let count = |wanted: &[ContainerState]| {
        let containers = state.containers.iter();
        containers
            .filter(|container| wanted.contains(&container.state))
            .count()
    };
    let store = &mut document["store"];
    store["containerStore"] = json!({
        "number": state.containers.len(),
        "paused": count(&[ContainerState::Paused]),
        "running": count(&[ContainerState::Running]),
        "stopped": state.containers.len()
            - count(&[ContainerState::Paused, ContainerState::Running]),
    });
    store["imageStore"]["number"] = json!(state.images.iter().count());
    document
}

/// Fields of podman's program whose names are not those of its JSON with a capital.
const FIELDS: &[(&str, &str)] = &[
    ("cgroupVersion", "CgroupsVersion"),
    ("cpus", "CPUs"),
    ("cpuUtilization", "CPUUtilization"),
    ("idMappings", "IDMappings"),
    ("gidmap", "GIDMap"),
    ("uidmap", "UIDMap"),
    ("ociRuntime", "OCIRuntime"),
    ("os", "OS"),
    ("slirp4netns", "Slirp4NetNS"),
    ("dns", "DNS"),
    ("apparmorEnabled", "AppArmorEnabled"),
    ("capabilities", "DefaultCapabilities"),
    ("seccompEnabled", "SECCOMPEnabled"),
    ("seccompProfilePath", "SECCOMPProfilePath"),
    ("selinuxEnabled", "SELinuxEnabled"),
];

/// The document with the names that a template uses.
fn as_fields(document: &Value) -> Value {
    match document {
        Value::Object(all) => {
            let fields = all.iter().map(|(key, value)| {
                let known = FIELDS.iter().find(|(json, _)| json == key);
                let field = known.map_or_else(
                    || {
                        let mut letters = key.chars();
                        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                        first.into_iter().chain(letters).collect()
                    },
                    |(_, field)| (*field).to_owned(),
                );
                (field, as_fields(value))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

struct Info(Value);

impl Subject for Info {
    fn document(&self) -> &Value {
        &self.0
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "GraphOptions" | "GraphStatus" | "Registries" => Kind::Map,
            "GIDMap" | "UIDMap" | "CgroupControllers" | "Volume" | "Network" | "Log"
            | "Authorization" => Kind::Slice,
            _ => Kind::Plain,
        }
    }
}
