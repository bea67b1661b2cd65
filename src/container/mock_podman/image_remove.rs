//! `rmi`, `image prune`.

use super::args::{Flag, Order, switch};
use super::reference::Reference;
use super::reply::{Answer, Refused, Reply, not_implemented};
use super::state::State;
use super::thing::Thing;
use super::{MockPodman, pull_texts, read};

const FLAGS: &[Flag] = &[
    switch("force", Some('f')),
    switch("ignore", Some('i')),
    switch("all", Some('a')),
];

/// `podman rmi`: names go; an image goes with its last name, unless a container was made from it.
pub(super) fn rmi(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("rmi", args, FLAGS, Order::Mixed)?;
    if parsed.has("all") {
        return Err(not_implemented("`podman rmi --all`"));
    }
    let is_forced = parsed.has("force");
    mock.with(|state, _| {
        let mut reply = Reply::silent();
        let mut errors = Vec::new();
        for given in &parsed.operands {
            match remove(state, given, is_forced)? {
                Removed::Gone(lines) => reply.stdout.push_str(&lines),
                Removed::NotKnown if is_forced || parsed.has("ignore") => {}
                Removed::NotKnown => {
                    reply.code = reply.code.max(1);
                    errors.push(format!("{given}: image not known"));
                }
                Removed::Refused(text) => {
                    reply.code = 125;
                    errors.push(text);
                }
            }
        }
        reply.stderr = match &errors[..] {
            [] => String::new(),
            [one] => format!("Error: {one}\n"),
            several => {
                let lines = several.iter().map(|text| format!("\t* {text}\n"));
                format!(
                    "Error: {} errors occurred:\n{}",
                    several.len(),
                    lines.collect::<String>()
                )
            }
        };
        Ok(reply)
    })
}

enum Removed {
    Gone(String),
    NotKnown,
    Refused(String),
}

fn remove(state: &mut State, given: &str, is_forced: bool) -> Result<Removed, Refused> {
    let Some(found) = state.images.find(given) else {
        return Ok(match Reference::read(given) {
            Ok(_) => Removed::NotKnown,
            Err(what) => Removed::Refused(pull_texts::bad_reference(given, what, state.version)),
        });
    };
    let names = state
        .images
        .by_id(&found.id)
        .map(|image| image.names.clone())
        .unwrap_or_default();
    let gone = match found.name {
        Some(name) => vec![name],
        None if names.len() > 1 && !is_forced => {
            return Ok(Removed::Refused(format!(
                "unable to delete image \"{}\" by ID with more than one tag ([{}]): please force removal",
                found.id,
                names.join(" ")
            )));
        }
        None => names.clone(),
    };
    let is_last = gone.len() >= names.len();
    let mut users = state.containers.iter();
    let is_used = users.any(|container| container.image_id == found.id);
    if is_last && is_used && is_forced {
        return Err(not_implemented(format!(
            "`podman rmi --force {given}`, which removes containers as well"
        )));
    }
    let mut lines = String::new();
    for name in gone {
        state.images.untag(&name);
        for status in ["remove", "untag"] {
            state.log_thing(&Thing::new("image", status).id(Some(&found.id)).name(&name));
        }
        lines.push_str(&format!("Untagged: {name}\n"));
    }
    if is_last && !is_used {
        state.images.delete(&found.id);
        lines.push_str(&format!("Deleted: {}\n", found.id));
    }
    Ok(Removed::Gone(lines))
}

/// `podman image prune`: images without a name go, with `--all` also those that no container was made from.
pub(super) fn prune(mock: &MockPodman, args: &[&str]) -> Answer {
    let flags = [switch("force", Some('f')), switch("all", Some('a'))];
    let parsed = read("image prune", args, &flags, Order::Mixed)?;
    if !parsed.has("force") {
        return Err(not_implemented("`podman image prune` without `--force`"));
    }
    mock.with(|state, _| {
        let is_used = |id: &str| {
            let mut containers = state.containers.iter();
            containers.any(|container| container.image_id == id)
        };
        let gone: Vec<String> = state
            .images
            .iter()
            .filter(|image| parsed.has("all") || image.names.is_empty())
            .filter(|image| !is_used(&image.id))
            .map(|image| image.id.clone())
            .collect();
        for id in &gone {
            state.images.delete(id);
        }
        Ok(Reply::stdout(
            gone.iter().map(|id| format!("{id}\n")).collect(),
        ))
    })
}
