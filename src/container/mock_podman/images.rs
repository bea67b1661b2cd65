//! `image exists`, `image inspect`, `tag`.

use serde_json::{Value, json};

use super::app::is_fixture;
use super::args::{Flag, Order, option};
use super::image_store::{Image, Place};
use super::inspect::missed;
use super::profile::{Document, Profile};
use super::pull_texts::bad_reference;
use super::reference::{self, Reference};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::State;
use super::template::{Kind, Subject, Template, TemplateError};
use super::thing::Thing;
use super::{FIXTURE_IMAGE, MockPodman, one_operand, read, render};

/// Puts an image into local storage; returns its id.
pub(super) fn add(state: &mut State, reference: &str) -> String {
    let name = reference::full(reference);
    if let Some(id) = state.images.get(&name) {
        return id.clone();
    }
    let (id, digest) = if name == FIXTURE_IMAGE {
        let document = Profile::of(state.version).document(Document::Image);
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        (text("Id"), text("Digest"))
    } else {
        (state.new_id(), format!("sha256:{}", state.new_id()))
    };
    state.images.add(&id, digest);
    state.images.name(&id, &name, Place::First);
    id
}

/// Whether an image holds the fixture app: it is called so, or was before it got a name of this machine. What registries give
/// under other names are servers, with the same id.
pub(super) fn holds_fixture(state: &State, id: &str, name: &str) -> bool {
    let was_named = |image: &Image| image.history.iter().any(|name| is_fixture(name));
    is_fixture(name)
        || name.starts_with("localhost/") && state.images.by_id(id).is_some_and(was_named)
}

/// `podman tag IMAGE NAME…`.
pub(super) fn tag(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("tag", args, &[], Order::Mixed)?;
    let [image, names @ ..] = &parsed.operands[..] else {
        return Err(not_implemented("`podman tag` without operands"));
    };
    mock.with(|state, _| {
        let Some(found) = state.images.find(image) else {
            return Err(refuse(125, format!("{image}: image not known")));
        };
        // podman 4.3 puts a new name behind the others, podman 5 before them.
        let place = if state.is_4() {
            Place::Last
        } else {
            Place::First
        };
        for given in names {
            let read = Reference::read(given).map_err(|what| {
                let normalizing = format!("normalizing name \"{given}\": ");
                refuse(125, format!("{normalizing}{normalizing}{what}"))
            })?;
            let name = match read.domain {
                Some(_) => reference::full(given),
                None => format!("localhost/{}", reference::full(given)),
            };
            state.images.name(&found.id, &name, place);
            state.log_thing(&Thing::new("image", "tag").id(Some(&found.id)).name(given));
        }
        Ok(Reply::silent())
    })
}

/// `podman image exists`.
pub(super) fn exists(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("image exists", args, &[], Order::Mixed)?;
    let given = one_operand("image exists", &parsed)?;
    mock.with(|state, _| {
        let found = state.images.find(&given);
        match Reference::read(&given) {
            Err(what) if found.is_none() => {
                Err(refuse(125, bad_reference(&given, what, state.version)))
            }
            _ => Ok(Reply::yes_or_no(found.is_some())),
        }
    })
}

const INSPECT: [Flag; 2] = [option("format", Some('f')), option("type", Some('t'))];

/// Whether `podman inspect` is asked for images: by its type, or as nothing else is called so.
pub(super) fn are_meant(mock: &MockPodman, args: &[&str]) -> bool {
    let Ok(parsed) = read("inspect", args, &INSPECT, Order::Mixed) else {
        return false;
    };
    let names = &parsed.operands;
    match parsed.last("type") {
        Some("image") => true,
        None | Some("all") => mock.shared.store.look(|state, _| {
            let is_image =
                |name: &String| state.find(name).is_none() && state.images.find(name).is_some();
            !names.is_empty() && names.iter().all(is_image)
        }),
        Some(_) => false,
    }
}

/// `podman image inspect`.
pub(super) fn inspect(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("image inspect", args, &INSPECT, Order::Mixed)?;
    let format = parsed.last("format").filter(|format| *format != "json");
    mock.with(|state, _| {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for name in &parsed.operands {
            match inspected(state, name) {
                Some(document) => found.push(document),
                None => missing.push(not_known(name)),
            }
        }
        let stdout = match format {
            Some(format) => lines("image inspect", format, found.into_iter().map(Inspected))?,
            None => render::document(found).stdout,
        };
        Ok(missed(state, &missing, stdout))
    })
}

/// podman's words for an image that `inspect` does not find.
pub(super) fn not_known(name: &str) -> String {
    format!("{name}: image not known")
}

/// The entry of `podman image inspect` for what somebody typed.
pub(super) fn inspected(state: &State, given: &str) -> Option<Value> {
    let found = state.images.find(given)?;
    let image: &Image = state.images.by_id(&found.id)?;
    let mut document = Profile::of(state.version).document(Document::Image);
    if document["Id"] != json!(image.id) {
        // Images other than the fixture run what they are given.
        document["Config"] = json!({});
    }
    document["Id"] = json!(image.id);
    document["Digest"] = json!(image.digests.first());
    document["RepoTags"] = json!(image.names);
    document["RepoDigests"] = json!(image.repo_digests());
    document["NamesHistory"] = json!(image.history);
    Some(document)
}

/// An entry of `podman image inspect`, for a template.
pub(super) struct Inspected(pub(super) Value);

impl Subject for Inspected {
    fn document(&self) -> &Value {
        &self.0
    }

    fn method(&self, name: &str, _: &[Value]) -> Option<Value> {
        // Its name in podman's program.
        (name == "ID").then(|| self.0["Id"].clone())
    }

    fn kind(&self, field: &str) -> Kind {
        match field {
            "Labels" | "Annotations" => Kind::Map,
            "RepoTags" | "RepoDigests" | "Entrypoint" | "Cmd" | "Env" | "NamesHistory" => {
                Kind::Slice
            }
            _ => Kind::Plain,
        }
    }
}

/// A line for each of `subjects`, as `format` says.
pub(super) fn lines<S: Subject>(
    command: &str,
    format: &str,
    subjects: impl Iterator<Item = S>,
) -> Result<String, Refused> {
    let beyond = |error: TemplateError| {
        not_implemented(format!(
            "`podman {command}` with the format `{format}`: {error:?}"
        ))
    };
    if format.starts_with("table") {
        return Err(not_implemented(format!(
            "`podman {command}` with the format `{format}`"
        )));
    }
    let template = Template::parse(format).map_err(beyond)?;
    let mut text = String::new();
    for subject in subjects {
        text.push_str(&template.render(&subject).map_err(beyond)?);
        text.push('\n');
    }
    Ok(text)
}
