//! `images`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::{Flag, Order, option, switch};
use super::image_store::{Image, split_tag};
use super::images::lines;
use super::profile::{Document, Profile};
use super::reference;
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::table::table;
use super::template::{Kind, Subject};
use super::{MockPodman, human, read, render};

const FLAGS: &[Flag] = &[
    option("format", None),
    option("filter", Some('f')),
    switch("quiet", Some('q')),
    switch("no-trunc", None),
    switch("noheading", Some('n')),
    switch("all", Some('a')),
];

const HEAD: [&str; 5] = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];

/// `podman images`: a row for each name.
pub(super) fn ls(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("images", args, FLAGS, Order::Mixed)?;
    let format = parsed.last("format");
    let is_whole = parsed.has("no-trunc");
    mock.with(|state, now| {
        let mut filters = Vec::new();
        for text in parsed.all("filter") {
            filters.push(Filter::read(state, text)?);
        }
        match &parsed.operands[..] {
            [] => {}
            [pattern] => filters.push(Filter::Reference(pattern.clone())),
            more => return Err(not_implemented(format!("`podman images {more:?}`"))),
        }
        let rows: Vec<Row> = state
            .images
            .iter()
            .filter(|image| filters.iter().all(|filter| filter.passes(image)))
            .flat_map(|image| Row::of(state, image, now))
            .collect();
        if format == Some("json") {
            let documents: Vec<Value> = rows.into_iter().map(|row| row.document).collect();
            return Ok(render::document(documents));
        }
        if parsed.has("quiet") {
            let mut seen = BTreeSet::new();
            let ids = rows.iter().filter(|row| seen.insert(row.id()));
            return Ok(Reply::stdout(
                ids.map(|row| format!("{}\n", row.shown_id(is_whole)))
                    .collect(),
            ));
        }
        if let Some(format) = format {
            return Ok(Reply::stdout(lines("images", format, rows.into_iter())?));
        }
        let head = (!parsed.has("noheading")).then(|| HEAD.map(str::to_owned).to_vec());
        let rows = rows.iter().map(|row| {
            vec![
                row.repository.clone(),
                row.tag.clone(),
                row.shown_id(is_whole),
                row.created.clone(),
                row.size.clone(),
            ]
        });
        let cells: Vec<Vec<String>> = head.into_iter().chain(rows).collect();
        Ok(Reply::stdout(table(&cells)))
    })
}

/// A name of an image.
struct Row {
    document: Value,
    repository: String,
    tag: String,
    created: String,
    size: String,
}

impl Row {
    /// One for each name, or one where it has none.
    fn of(state: &State, image: &Image, now: DateTime<Utc>) -> Vec<Self> {
        let mut document = Profile::of(state.version).document(Document::Images);
        let users = state
            .containers
            .iter()
            .filter(|container| container.image_id == image.id);
        document["Id"] = json!(image.id);
        document["Names"] = if image.names.is_empty() {
            Value::Null
        } else {
            json!(image.names)
        };
        document["RepoDigests"] = json!(image.repo_digests());
        document["Digest"] = json!(image.digests.first());
        document["History"] = json!(image.history);
        document["Containers"] = json!(users.count());
        let seconds = document["Created"].as_i64().unwrap_or_default();
        let created = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let row = |(repository, tag): (&str, &str)| Self {
            document: document.clone(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            created: format!("{} ago", human::duration(now - created)),
            size: human::size(document["Size"].as_u64().unwrap_or_default()),
        };
        if image.names.is_empty() {
            return vec![row(("<none>", "<none>"))];
        }
        let names = image.names.iter();
        names.map(|name| row(split_tag(name))).collect()
    }

    fn id(&self) -> &str {
        self.document["Id"].as_str().unwrap_or_default()
    }

    fn shown_id(&self, is_whole: bool) -> String {
        if is_whole {
            format!("sha256:{}", self.id())
        } else {
            self.id().chars().take(12).collect()
        }
    }
}

impl Subject for Row {
    fn document(&self) -> &Value {
        &self.document
    }

    fn method(&self, name: &str, _: &[Value]) -> Option<Value> {
        Some(json!(match name {
            "Repository" => &self.repository,
            "Tag" => &self.tag,
            "Created" | "CreatedSince" => &self.created,
            "Size" => &self.size,
            "ID" => return Some(json!(self.shown_id(false))),
            _ => return None,
        }))
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "Labels" => Kind::Map,
            "ParentId" => Kind::Text,
            "Names" | "RepoTags" | "RepoDigests" | "History" => Kind::Slice,
            _ => Kind::Plain,
        }
    }
}

/// `--filter`.
enum Filter {
    Dangling(bool),
    Reference(String),
    /// No image of the mock has labels.
    Label,
}

impl Filter {
    fn read(state: &State, text: &str) -> Result<Self, Refused> {
        let unknown = || not_implemented(format!("`podman images --filter {text}`"));
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        Ok(match (key, value) {
            ("dangling", "true") => Self::Dangling(true),
            ("dangling", "false") => Self::Dangling(false),
            ("reference", pattern) if !pattern.contains(['*', '?', '[']) => {
                Self::Reference(pattern.to_owned())
            }
            ("label", _) => Self::Label,
            (
                "after" | "before" | "containers" | "dangling" | "digest" | "id" | "intermediate"
                | "manifest" | "readonly" | "reference" | "since" | "until",
                _,
            ) => return Err(unknown()),
            _ if key.ends_with('!') => return Err(unknown()),
            _ if state.is_4() => {
                return Err(refuse(125, format!("unsupported image filter \"{key}\"")));
            }
            _ => {
                return Err(refuse(
                    125,
                    format!(
                        "invalid image filter \"{key}\": must be in the format \"filter=value or filter!=value\""
                    ),
                ));
            }
        })
    }

    fn passes(&self, image: &Image) -> bool {
        match self {
            Self::Dangling(is_dangling) => image.names.is_empty() == *is_dangling,
            Self::Label => false,
            Self::Reference(pattern) => image.names.iter().any(|name| is_called(name, pattern)),
        }
    }
}

/// Whether the pattern is the name, with or without its registry, its path and its tag.
fn is_called(name: &str, pattern: &str) -> bool {
    let (repository, _) = split_tag(name);
    let mut parts = vec![name, repository];
    for whole in [name, repository] {
        let read = reference::Reference::read(whole).ok();
        let path = read
            .and_then(|read| read.domain)
            .map_or(whole, |domain| &whole[domain.len() + 1..]);
        parts.push(path);
        parts.push(path.rsplit('/').next().unwrap_or(path));
    }
    parts.contains(&pattern)
}
