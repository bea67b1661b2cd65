//! Bounds that the host sets: inotify, processes, open files.

use super::engine::EngineFacts;
use super::remedy::Remedies;
use super::report::Finding;
use crate::host::{Capability, HardLimits, HostFacts, InotifyLimits, Limit, PidLimits};

/// Hard limit of open files that labs give to their containers; without `CAP_SYS_RESOURCE` it is also the least
/// that the outer engine must have.
pub const OPEN_FILES: u64 = 20_000;
/// The same for processes and threads.
pub const PROCESSES: u64 = 32_768;

/// Is there inotify for some more systemds? A lab's takes about ten instances and some hundred watches.
pub(super) fn inotify(limits: &InotifyLimits, remedies: &Remedies) -> Finding {
    let InotifyLimits { instances, watches } = *limits;
    let found = format!("{instances} instances, {watches} watches a user");
    let remedy = remedies.sysctl(&[
        ("fs.inotify.max_user_instances", instances.max(512)),
        ("fs.inotify.max_user_watches", watches.max(65_536)),
    ]);
    // 128 and 8192 are what kernels start with: enough for the few labs that run at a time.
    let of_instances = Finding::by_amount(instances, 32, 128, found.clone(), remedy.clone());
    of_instances.or_worse(Finding::by_amount(watches, 1024, 8192, found, remedy))
}

/// May some hundred processes more run?
pub(super) fn pids(limits: &PidLimits, remedies: &Remedies) -> Finding {
    let kernel = Finding::by_amount(
        limits.kernel,
        4096,
        16_384,
        format!("kernel.pid_max {}", limits.kernel),
        remedies.sysctl(&[("kernel.pid_max", 32_768)]),
    );
    let Some(file) = &limits.bounded_by else {
        return kernel;
    };
    let file = file.display();
    let own = Finding::by_amount(
        limits.own,
        Limit::At(512),
        Limit::At(2048),
        format!("kernel.pid_max {}, {} in {file}", limits.kernel, limits.own),
        format!("echo max | {}", remedies.as_root(&format!("tee {file}"))),
    );
    own.or_worse(kernel)
}

/// Are the hard limits those that labs give to their containers?
pub(super) fn limits(
    limits: &HardLimits,
    host: &HostFacts,
    engine: &EngineFacts,
    remedies: &Remedies,
) -> Finding {
    let found = format!(
        "{} open files, {} processes",
        limits.open_files, limits.processes
    );
    if limits.open_files >= Limit::At(OPEN_FILES) && limits.processes >= Limit::At(PROCESSES) {
        return Finding::good(found);
    }
    let has = |which: fn(&crate::host::Privileges) -> crate::host::Capabilities| matches!(&host.privileges, Ok(own) if which(own).has(Capability::SysResource));
    if has(|own| own.effective) {
        return Finding::good(format!("{found}; CAP_SYS_RESOURCE raises them"));
    }
    let remedy = if has(|own| own.bounding) {
        let lines = format!(
            "'* hard nofile {OPEN_FILES}' 'root hard nofile {OPEN_FILES}' \
             '* hard nproc {PROCESSES}' 'root hard nproc {PROCESSES}'"
        );
        let tee = remedies.as_root("tee /etc/security/limits.d/90-lab.conf");
        format!("printf '%s\\n' {lines} | {tee}   # then log in again")
    } else {
        format!(
            "start the surrounding container with `--ulimit nofile={OPEN_FILES}:{OPEN_FILES} \
             --ulimit nproc={PROCESSES}:{PROCESSES}`"
        )
    };
    let found = format!("{found}; labs want {OPEN_FILES} and {PROCESSES}");
    // An engine that runs already has limits of its own, as a rule higher than those of a login.
    if engine.endpoint.is_some() {
        Finding::warning(found, remedy)
    } else {
        Finding::unfit(found, remedy)
    }
}
