//! `ps`, `inspect`, `stats`.

use serde_json::json;

use super::args::{Flag, Order, Parsed, option, switch};
use super::container::Container;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};

use super::{MockPodman, read, render};
use crate::container::status::{ContainerState, has_label};

/// What a running container uses in the mock, in bytes; its limit where that is less.
const USED_BYTES: u64 = 10 << 20;
/// The memory of the machine that the mock plays.
const MACHINE_BYTES: u64 = 8 << 30;

/// `podman stats --no-stream` of what runs, a line of JSON for each. Every one uses a hundredth of a processor.
pub(super) fn stats(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [
        switch("no-stream", None),
        switch("no-reset", None),
        option("format", None),
    ];
    let parsed = read("stats", args, &flags, Order::Mixed)?;
    let is_known = parsed.has("no-stream")
        && parsed.operands.is_empty()
        && parsed.last("format") == Some("{{json .ContainerStats}}");
    if !is_known {
        return Err(not_implemented(format!(
            "`podman stats {}`",
            args.join(" ")
        )));
    }
    mock.with(|state, now| {
        let running = state
            .containers
            .iter()
            .filter(|container| container.state == ContainerState::Running);
        let lines = running.map(|container| {
            let up = now - container.started_at.unwrap_or(now);
            let stats = json!({
                "ContainerID": container.id,
                "Name": container.name,
                "CPUNano": up.num_nanoseconds().unwrap_or(i64::MAX) / 100,
                "MemUsage": container.memory.map_or(USED_BYTES, |limit| limit.min(USED_BYTES)),
                "MemLimit": container.memory.unwrap_or(MACHINE_BYTES),
                "PIDs": 1,
            });
            format!("{stats}\n")
        });
        Ok(Reply::stdout(lines.collect()))
    })
}

const PS_FLAGS: &[Flag] = &[
    switch("all", Some('a')),
    switch("quiet", Some('q')),
    switch("no-trunc", None),
    option("format", None),
    option("filter", Some('f')),
];

/// `podman ps`: JSON, `{{.Names}}`, or ids.
pub(super) fn ps(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("ps", args, PS_FLAGS, Order::Mixed)?;
    if !parsed.operands.is_empty() {
        return Err(not_implemented(format!(
            "`podman ps {:?}`",
            parsed.operands
        )));
    }
    let filters = Filters::of(&parsed)?;
    // A status filter looks at all of them.
    let all = parsed.has("all") || !filters.states.is_empty();
    mock.with(|state, now| {
        let broken = |container: &&Container| state.faults.broken.contains(&container.name);
        if let Some(container) = state
            .containers
            .iter()
            .find(broken)
            .filter(|_| state.is_4())
        {
            return Err(cannot_tell(container));
        }
        let mut shown: Vec<&Container> = state
            .containers
            .iter()
            .filter(|container| {
                (all || container.state == ContainerState::Running) && filters.pass(container)
            })
            .collect();
        // podman lists them as its database has them, by id.
        shown.sort_by(|one, other| one.id.cmp(&other.id));
        if parsed.has("quiet") {
            let ids = shown.iter().map(|container| {
                let length = if parsed.has("no-trunc") { 64 } else { 12 };
                format!("{}\n", &container.id[..length])
            });
            return Ok(Reply::stdout(ids.collect()));
        }
        match parsed.last("format") {
            Some("json") => {
                let rows: Vec<_> = shown
                    .iter()
                    .map(|container| render::ps_row(container, state.is_4(), now))
                    .collect();
                Ok(render::document(&rows))
            }
            Some("{{.Names}}") => Ok(Reply::stdout(
                shown
                    .iter()
                    .map(|container| format!("{}\n", container.name))
                    .collect(),
            )),
            other => Err(not_implemented(format!(
                "`podman ps` with the format {other:?}"
            ))),
        }
    })
}

/// What podman 4.3 says of a container whose network namespace is no longer one.
fn cannot_tell(container: &Container) -> Refused {
    refuse(
        125,
        format!(
            "joining network namespace of container {}: error retrieving network namespace at /run/netns/netns-1: unknown FS magic on \"/run/netns/netns-1\": 1021994",
            container.id
        ),
    )
}

/// `--filter`: several names are alternatives, several labels must all be there.
struct Filters {
    names: Vec<String>,
    labels: Vec<String>,
    states: Vec<String>,
}

impl Filters {
    fn of(parsed: &Parsed) -> Result<Self, Refused> {
        let mut filters = Self {
            names: Vec::new(),
            labels: Vec::new(),
            states: Vec::new(),
        };
        for filter in parsed.all("filter") {
            match filter.split_once('=') {
                Some(("name", name)) => filters.names.push(name_filter(name)?),
                Some(("label", label)) => filters.labels.push(label.to_owned()),
                Some(("status", state)) => match state {
                    "created" | "running" | "paused" | "exited" | "initialized" => {
                        filters.states.push(state.to_owned());
                    }
                    "stopping" => {
                        return Err(refuse(
                            125,
                            "unknown container state: stopping: invalid argument",
                        ));
                    }
                    other => {
                        return Err(not_implemented(format!(
                            "`podman ps --filter status={other}`"
                        )));
                    }
                },
                _ => return Err(not_implemented(format!("`podman ps --filter {filter}`"))),
            }
        }
        Ok(filters)
    }

    fn pass(&self, container: &Container) -> bool {
        let name_matches = |pattern: &String| {
            let (start, pattern) = match pattern.strip_prefix('^') {
                Some(rest) => (true, rest),
                None => (false, pattern.as_str()),
            };
            let (end, text) = match pattern.strip_suffix('$') {
                Some(rest) => (true, rest),
                None => (false, pattern),
            };
            let name = container.name.as_str();
            match (start, end) {
                (true, true) => name == text,
                (true, false) => name.starts_with(text),
                (false, true) => name.ends_with(text),
                (false, false) => name.contains(text),
            }
        };
        (self.names.is_empty() || self.names.iter().any(name_matches))
            && self
                .labels
                .iter()
                .all(|label| has_label(&container.labels, label))
            && (self.states.is_empty()
                || self
                    .states
                    .iter()
                    .any(|state| state == container.state.as_str()))
    }
}

/// Of podman's regular expressions: plain text, with `^` before or `$` behind it.
fn name_filter(pattern: &str) -> Result<String, Refused> {
    let text = pattern.strip_prefix('^').unwrap_or(pattern);
    let text = text.strip_suffix('$').unwrap_or(text);
    // A dot is any character; that of a name is one of them, and near enough.
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_plain {
        Ok(pattern.to_owned())
    } else {
        Err(not_implemented(format!(
            "`podman ps --filter name={pattern}`"
        )))
    }
}

/// `podman inspect` and `podman container inspect`; `only_containers` is the latter.
pub(super) fn inspect(mock: &MockPodman, args: &[&str], only_containers: bool) -> Answer {
    let parsed = read(
        "inspect",
        args,
        &[option("format", Some('f'))],
        Order::Mixed,
    )?;
    if let Some(format) = parsed.last("format").filter(|format| *format != "json") {
        return Err(not_implemented(format!(
            "`podman inspect` with the format `{format}`"
        )));
    }
    mock.with(|state, now| {
        let mut found = Vec::new();
        let mut stderr = String::new();
        for name in &parsed.operands {
            if let Some(container) = state.find(name) {
                if state.faults.broken.contains(&container.name) {
                    return Err(cannot_tell(container));
                }
                found.push(render::inspected(container, state.is_4(), now));
            } else {
                let is_5_8 = (state.version.major, state.version.minor) >= (5, 8);
                let prefix = if state.is_4() {
                    "inspecting object: "
                } else {
                    ""
                };
                let text = match (only_containers, is_5_8) {
                    (true, true) => format!("no such container \"{name}\""),
                    (true, false) => format!("no such container {name}"),
                    (false, _) => format!("no such object: \"{name}\""),
                };
                stderr.push_str(&format!("Error: {prefix}{text}\n"));
            }
        }
        let reply = render::document(&found);
        Ok(Reply {
            code: if stderr.is_empty() { 0 } else { 125 },
            stdout: reply.stdout,
            stderr,
        })
    })
}
