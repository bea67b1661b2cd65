//! Room for images and labs: disk and memory.

use super::engine::EngineFacts;
use super::remedy::Remedies;
use super::report::Finding;
use crate::host::{DiskSpace, Fact, MemoryRoom};

const GIB: u64 = 1024 * 1024 * 1024;

/// Is there room for a base (about 0.3 GiB), the lab image, and a few labs?
pub(super) fn disk(disk: &DiskSpace, engine: &EngineFacts, remedies: &Remedies) -> Finding {
    let inodes = match disk.free_inodes {
        Some(inodes) => format!("{inodes} inodes"),
        None => "inodes without bound".to_owned(),
    };
    let found = format!(
        "{} and {inodes} free at {}",
        gib(disk.free_bytes),
        disk.path.display()
    );
    let prune = match engine.kind.as_deref() {
        Some("docker") => "docker image prune -f",
        Some(_) | None => "podman image prune -f",
    };
    let remedy = if engine.is_rootless(remedies) {
        prune.to_owned()
    } else {
        remedies.as_root(prune)
    };
    let bytes = Finding::by_amount(
        disk.free_bytes,
        2 * GIB,
        8 * GIB,
        found.clone(),
        remedy.clone(),
    );
    let inodes = disk.free_inodes.unwrap_or(u64::MAX);
    bytes.or_worse(Finding::by_amount(inodes, 50_000, 200_000, found, remedy))
}

/// Is there memory for a few labs? Swap counts: slow, but nothing is killed.
pub(super) fn memory(memory: &MemoryRoom, cpus: &Fact<usize>, remedies: &Remedies) -> Finding {
    let cpus = match cpus {
        Ok(1) => "1 CPU".to_owned(),
        Ok(cpus) => format!("{cpus} CPUs"),
        Err(_) => "unknown number of CPUs".to_owned(),
    };
    let found = format!(
        "{} available, {} swap free, {cpus}",
        gib(memory.available_bytes),
        gib(memory.swap_free_bytes)
    );
    // On btrfs a swap file must not be copied on write; elsewhere chattr fails, which does not matter.
    let swap = "sh -c 'touch /swapfile && chmod 600 /swapfile && { chattr +C /swapfile; \
                fallocate -l 4G /swapfile; } && mkswap /swapfile && swapon /swapfile'";
    Finding::by_amount(
        memory
            .available_bytes
            .saturating_add(memory.swap_free_bytes),
        GIB,
        3 * GIB,
        found,
        remedies.as_root(swap),
    )
}

/// Bytes in GiB with one decimal, rounded down: what is printed is there.
fn gib(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / u128::from(GIB);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
