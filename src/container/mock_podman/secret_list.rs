//! `secret ls`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::{Flag, Order, option, switch};
use super::images::lines;
use super::reply::{Answer, Reply, not_implemented, refuse};
use super::state::Secret;
use super::table::table;
use super::template::Subject;
use super::{MockPodman, human, read};

const FLAGS: &[Flag] = &[
    option("format", None),
    option("filter", Some('f')),
    switch("quiet", Some('q')),
    switch("noheading", Some('n')),
];

const HEAD: [&str; 5] = ["ID", "NAME", "DRIVER", "CREATED", "UPDATED"];

/// `podman secret ls`. It has no format `json`: podman prints that word for each secret.
pub(super) fn ls(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("secret ls", args, FLAGS, Order::Mixed)?;
    let (mut names, mut ids) = (Vec::new(), Vec::new());
    for filter in parsed.all("filter") {
        match filter.split_once('=') {
            Some(("name", name))
                if !name.contains(|letter: char| r"\^$*+?()[]{}|".contains(letter)) =>
            {
                names.push(name);
            }
            Some(("id", id)) => ids.push(id),
            Some(("name", _)) => {
                return Err(not_implemented(format!(
                    "`podman secret ls --filter {filter}`"
                )));
            }
            _ => {
                let key = filter.split('=').next().unwrap_or(filter);
                return Err(refuse(125, format!("invalid filter \"{key}\"")));
            }
        }
    }
    mock.with(|state, now| {
        let rows: Vec<Row> = state
            .secrets
            .iter()
            .filter(|(name, _)| names.is_empty() || names.iter().any(|part| name.contains(part)))
            .filter(|(_, secret)| {
                ids.is_empty() || ids.iter().any(|begin| secret.id.starts_with(begin))
            })
            .map(|(name, secret)| Row::of(name, secret, now))
            .collect();
        if parsed.has("quiet") {
            let ids = rows.iter().map(|row| format!("{}\n", row.cell("ID")));
            return Ok(Reply::stdout(ids.collect()));
        }
        if let Some(format) = parsed.last("format") {
            return Ok(Reply::stdout(lines("secret ls", format, rows.into_iter())?));
        }
        let head = (!parsed.has("noheading")).then(|| HEAD.map(str::to_owned).to_vec());
        let rows = rows.iter().map(|row| {
            ["ID", "Name", "Driver", "CreatedAt", "UpdatedAt"]
                .map(|key| row.cell(key).to_owned())
                .to_vec()
        });
        let cells: Vec<Vec<String>> = head.into_iter().chain(rows).collect();
        Ok(Reply::stdout(table(&cells)))
    })
}

struct Row(Value);

impl Row {
    fn of(name: &str, secret: &Secret, now: DateTime<Utc>) -> Self {
        let ago = format!("{} ago", human::duration(now - secret.created_at));
        Self(json!({
            "ID": secret.id,
            "Name": name,
            "Driver": "file",
            "CreatedAt": ago,
            "UpdatedAt": ago,
        }))
    }

    fn cell(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }
}

impl Subject for Row {
    fn document(&self) -> &Value {
        &self.0
    }
}
