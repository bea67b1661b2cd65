//! Is this host fit for labs, and if not, which command mends it?
//!
//! The doctor decides and touches nothing: facts in ([`HostFacts`], [`EngineFacts`]), checks out. What labs cope with
//! by themselves is good and says so; a warning means that labs run, but not all of them or not as well.
//!
//! ```no_run
//! use archipelago_lab::doctor::{EngineFacts, Report, checks};
//! use archipelago_lab::host::{Files, HostFacts};
//!
//! let engine = EngineFacts::default();
//! let host = HostFacts::read(&Files::host(), "/var/lib/containers".as_ref());
//! let report = Report::new(checks(&host, &engine));
//! print!("{report}");
//! ```

mod bounds;
mod engine;
mod kernel;
mod network;
mod remedy;
mod report;
mod room;

pub use bounds::{OPEN_FILES, PROCESSES};
pub use engine::{EngineFacts, Tried};
pub use network::INNER_SUBNETS;
pub use report::{Check, Report, Verdict};

use crate::host::HostFacts;
use remedy::Remedies;
use report::judge;

/// All checks of a host and its engine, always the same ones in the same order.
pub fn checks(host: &HostFacts, engine: &EngineFacts) -> Vec<Check> {
    let mend = &Remedies::of(host);
    let rootless = engine.is_rootless(mend);
    let findings = [
        ("engine", engine::engine(engine, mend)),
        ("privileges", engine::privileges(host, engine, mend)),
        (
            "cgroup version",
            kernel::cgroup_version(&host.cgroups, mend),
        ),
        (
            "memory controller",
            kernel::memory_controller(&host.cgroups, mend),
        ),
        ("overlay", kernel::overlay(host, engine, mend)),
        (
            "subnets",
            judge(&host.routes, |it| network::subnets(it, mend)),
        ),
        (
            "inotify",
            judge(&host.inotify, |it| bounds::inotify(it, mend)),
        ),
        ("pids", judge(&host.pids, |it| bounds::pids(it, mend))),
        (
            "limits",
            judge(&host.limits, |it| bounds::limits(it, host, engine, mend)),
        ),
        ("disk", judge(&host.disk, |it| room::disk(it, engine, mend))),
        (
            "memory",
            judge(&host.memory, |it| room::memory(it, &host.cpus, mend)),
        ),
        ("network modules", network::modules(host, rootless, mend)),
        ("base maker", engine::base_maker(engine, mend)),
    ];
    findings
        .into_iter()
        .map(|(name, finding)| Check::new(name, finding))
        .collect()
}

#[cfg(test)]
mod tests;
