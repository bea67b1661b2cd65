//! `rename`.

use super::args::Order;
use super::profile::Profile;
use super::reply::{Answer, Reply, not_implemented, refuse};
use super::state::is_name;
use super::{MockPodman, read};

/// `podman rename OLD NEW`.
pub(super) fn rename(mock: &MockPodman, args: &[&str]) -> Answer {
    let parsed = read("rename", args, &[], Order::Mixed)?;
    let [old, new] = &parsed.operands[..] else {
        return Err(not_implemented(format!(
            "`podman rename` with {} operands",
            parsed.operands.len()
        )));
    };
    mock.with(|state, _| {
        let index = state.index_or_refuse(old)?;
        if !is_name(new) {
            return Err(refuse(
                125,
                "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
            ));
        }
        let id = &state.containers[index].id;
        let mut others = state.containers.iter().filter(|other| other.id != *id);
        if others.any(|other| other.name == *new) {
            let why = Profile::of(state.version).text_of_a_new_name_in_use(new, id);
            return Err(refuse(125, format!("renaming container {id}: {why}")));
        }
        let container = &mut state.containers[index];
        container.name.clone_from(new);
        container.tell("rename");
        Ok(Reply::silent())
    })
}
