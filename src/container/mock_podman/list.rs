//! `stats`; `ps` and `inspect` have files of their own.

use serde_json::json;

use super::args::{Order, option, switch};
pub(super) use super::inspect::inspect;
pub(super) use super::ps::ps;
use super::reply::{Answer, Reply, not_implemented};
use super::{MockPodman, read};
use crate::container::status::ContainerState;

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
