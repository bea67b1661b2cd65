//! `ps`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::{Flag, Order, Parsed, option, switch};
use super::container::Container;
use super::filters::Filters;
use super::profile::Profile;
use super::render::{ago, go_time, status_text, status_without_health};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::table::table;
use super::template::{Kind, Subject, Template, TemplateError};
use super::{MockPodman, read, render};
use crate::container::status::ContainerState;

const FLAGS: &[Flag] = &[
    switch("all", Some('a')),
    switch("quiet", Some('q')),
    switch("no-trunc", None),
    switch("noheading", None),
    switch("size", Some('s')),
    switch("latest", Some('l')),
    option("last", Some('n')),
    option("sort", None),
    option("format", None),
    option("filter", Some('f')),
];

/// The columns of the table, and of what each is made.
const COLUMNS: [(&str, &str); 7] = [
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "CreatedHuman"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
    ("NAMES", "Names"),
];

/// `podman ps`, which has other names below `container`; errors of formats name it.
pub(super) fn ps(mock: &MockPodman, called: &'static str, args: &[&str]) -> Answer {
    let parsed = read("ps", args, FLAGS, Order::Mixed)?;
    if !parsed.operands.is_empty() {
        return Err(not_implemented(format!(
            "`podman ps {:?}`",
            parsed.operands
        )));
    }
    let filters = Filters::of(&parsed)?;
    let last = match parsed.last("last") {
        None if parsed.has("latest") => Some(1),
        None => None,
        Some(number) => match number.parse::<usize>() {
            Ok(0) => None,
            Ok(number) => Some(number),
            Err(_) => return Err(not_implemented(format!("`podman ps --last {number}`"))),
        },
    };
    let all = parsed.has("all") || last.is_some() || filters.has_states();
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
        shown.sort_by_key(|container| container.created_at);
        if let Some(last) = last {
            shown.drain(..shown.len().saturating_sub(last));
        }
        sort(&mut shown, parsed.last("sort"), now)?;
        print(state, called, &parsed, &shown, now)
    })
}

fn sort(shown: &mut [&Container], key: Option<&str>, now: DateTime<Utc>) -> Result<(), Refused> {
    match key {
        // They are already.
        None | Some("created") => {}
        Some("id") => shown.sort_by(|one, other| one.id.cmp(&other.id)),
        Some("names") => shown.sort_by(|one, other| one.name.cmp(&other.name)),
        Some("image") => shown.sort_by(|one, other| one.image.cmp(&other.image)),
        Some("command") => shown.sort_by(|one, other| one.command.cmp(&other.command)),
        Some("runningfor") => shown.sort_by_key(|container| container.started_at),
        Some("status") => shown.sort_by_key(|container| status_text(container, false, now)),
        Some(other) => return Err(not_implemented(format!("`podman ps --sort {other}`"))),
    }
    Ok(())
}

fn print<'a>(
    state: &State,
    called: &str,
    parsed: &Parsed,
    shown: &[&'a Container],
    now: DateTime<Utc>,
) -> Answer {
    let no_trunc = parsed.has("no-trunc");
    if parsed.has("quiet") {
        let ids = shown.iter().map(|container| {
            let length = if no_trunc { 64 } else { 12 };
            format!("{}\n", &container.id[..length])
        });
        return Ok(Reply::stdout(ids.collect()));
    }
    let profile = Profile::of(state.version);
    let with_size = parsed.has("size");
    let reporter = |container: &&'a Container| Reporter {
        row: {
            let mut row = render::ps_row(state, container, with_size, now);
            // Only `--format json` fills them in.
            row["Created"] = json!(render::time(Some(container.created_at)));
            row["CreatedAt"] = json!("");
            row["Status"] = json!("");
            row
        },
        container,
        profile,
        no_trunc,
        now,
    };
    let format = parsed.last("format");
    let is_json = |format: &str| {
        let format = format.trim();
        format == "json"
            || profile.takes_json_of_a_row_for_json()
                && format.starts_with("{{")
                && format[2..]
                    .trim_end_matches("}}")
                    .trim()
                    .trim_end_matches('.')
                    .trim()
                    == "json"
    };
    let cells = match format {
        Some(format) if is_json(format) => {
            let rows: Vec<_> = shown
                .iter()
                .map(|container| render::ps_row(state, container, with_size, now))
                .collect();
            return Ok(render::document(rows));
        }
        // The one that is asked for most.
        Some("{{.Names}}") => {
            let names = shown
                .iter()
                .map(|container| format!("{}\n", container.name));
            return Ok(Reply::stdout(names.collect()));
        }
        None | Some("table") => {
            let mut columns = COLUMNS
                .map(|(head, of)| (head.to_owned(), format!("{{{{.{of}}}}}")))
                .to_vec();
            if with_size {
                columns.push(("SIZE".into(), "{{.Size}}".into()));
            }
            columns
        }
        Some(format) => match format.strip_prefix("table ") {
            Some(columns) => columns
                .trim()
                .replace("}} {{", "}}\t{{")
                .replace("\\t", "\t")
                .split('\t')
                .map(|cell| (heading(cell), cell.to_owned()))
                .collect(),
            None => {
                let template =
                    Template::parse(format).map_err(|error| refused(error, called, format))?;
                let mut text = String::new();
                for container in shown {
                    let row = template
                        .render(&reporter(container))
                        .map_err(|error| refused(error, called, format))?;
                    text.push_str(&row);
                    text.push('\n');
                }
                return Ok(Reply::stdout(text));
            }
        },
    };
    let mut rows = Vec::new();
    if !parsed.has("noheading") {
        rows.push(cells.iter().map(|(head, _)| head.clone()).collect());
    }
    let templates = cells
        .iter()
        .map(|(_, cell)| Template::parse(cell).map_err(|error| refused(error, called, cell)))
        .collect::<Result<Vec<_>, _>>()?;
    for container in shown {
        let reporter = reporter(container);
        let row = templates
            .iter()
            .zip(&cells)
            .map(|(template, (_, cell))| {
                template
                    .render(&reporter)
                    .map_err(|error| refused(error, called, cell))
            })
            .collect::<Result<Vec<_>, _>>()?;
        rows.push(row);
    }
    Ok(Reply::stdout(table(&rows)))
}

/// The heading of a column that the user made: that of podman's, else the field's name in capitals.
fn heading(cell: &str) -> String {
    let field = cell
        .trim()
        .trim_start_matches("{{")
        .trim_end_matches("}}")
        .trim()
        .trim_start_matches('.');
    COLUMNS
        .iter()
        .find(|(_, of)| *of == field)
        .map_or_else(|| field.to_uppercase(), |(head, _)| (*head).to_owned())
}

/// podman reads a format as the inside of a loop.
const LOOP: usize = "{{range .}}".len();

fn refused(error: TemplateError, called: &str, format: &str) -> Refused {
    match error {
        TemplateError::Syntax(text) => refuse(125, format!("template: {called}:1: {text}")),
        TemplateError::NoField {
            field,
            path,
            offset,
        } => refuse(
            125,
            format!(
                "template: {called}:1:{}: executing \"{called}\" at <{path}>: can't evaluate field {field} in type containers.psReporter",
                LOOP + offset
            ),
        ),
        TemplateError::Beyond(what) => {
            not_implemented(format!("`{what}` in the format `{format}` of `podman ps`"))
        }
    }
}

/// What podman 4.3 says of a container whose network namespace is no longer one.
pub(super) fn cannot_tell(container: &Container) -> Refused {
    refuse(
        125,
        format!(
            "joining network namespace of container {}: error retrieving network namespace at /run/netns/netns-1: unknown FS magic on \"/run/netns/netns-1\": 1021994",
            container.id
        ),
    )
}

/// A row as formats see it: some fields are made for people.
struct Reporter<'a> {
    row: Value,
    container: &'a Container,
    profile: &'static Profile,
    no_trunc: bool,
    now: DateTime<Utc>,
}

impl Reporter<'_> {
    fn status(&self) -> String {
        let is_ago = self.profile.says_up_ago();
        status_text(self.container, is_ago, self.now)
    }

    fn ports(&self) -> String {
        let ports = self.container.ports.iter().map(|port| {
            let ip = match port.host_ip.as_str() {
                "" => "0.0.0.0",
                ip => ip,
            };
            format!("{ip}:{}->{}/{}", port.host, port.container, port.protocol)
        });
        ports.collect::<Vec<_>>().join(", ")
    }

    /// A command of at most so many letters in a table.
    fn command(&self) -> String {
        const LONGEST: usize = 17;
        let command = self.container.command.join(" ");
        if self.no_trunc || command.chars().count() <= LONGEST {
            return command;
        }
        let start: String = command.chars().take(LONGEST).collect();
        format!("{start}...")
    }
}

impl Subject for Reporter<'_> {
    fn document(&self) -> &Value {
        &self.row
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Value> {
        let container = self.container;
        Some(match (name, arguments) {
            ("ID", []) if self.no_trunc => json!(container.id),
            ("ID", []) => json!(&container.id[..12]),
            ("Names", []) => json!(container.name),
            ("Command", []) => json!(self.command()),
            ("State", []) if !self.profile.shows_the_status_as_state() => {
                json!(container.state.as_str())
            }
            ("State", []) => json!(status_without_health(
                self.container,
                self.profile.says_up_ago(),
                self.now
            )),
            ("Status", []) => json!(self.status()),
            ("Ports", []) => json!(self.ports()),
            ("Networks", []) => json!(container.networks().collect::<Vec<_>>().join(",")),
            ("Label", [Value::String(key)]) if self.profile.has_labels_one_by_one() => {
                json!(container.labels.get(key).cloned().unwrap_or_default())
            }
            ("CreatedHuman" | "RunningFor", []) => {
                json!(ago(self.now - container.created_at))
            }
            ("CreatedAt", []) => json!(go_time(container.created_at)),
            ("Size", []) => json!("0B (virtual 1.84MB)"),
            _ => return None,
        })
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "Labels" => Kind::Map,
            "Mounts" => Kind::Slice,
            _ => Kind::Plain,
        }
    }
}
