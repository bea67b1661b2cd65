//! The order in which containers start; they stop in the exact reverse.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::manifest::ContainerManifest;

/// Names in start order: dependencies first, and among those that may start, the lower tier, then the name.
///
/// Dependencies on containers that are not in the list do not count. Members of a cycle, which validation refuses,
/// come last, by tier: an order is always given, with every container exactly once.
pub fn start_order<'a>(
    containers: impl IntoIterator<Item = &'a ContainerManifest>,
) -> Vec<&'a str> {
    let by_name: BTreeMap<&str, &ContainerManifest> = containers
        .into_iter()
        .map(|container| (container.name.as_str(), container))
        .collect();
    let mut waits_for: BTreeMap<&str, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, container) in &by_name {
        let mut dependencies: Vec<&str> = container
            .starts_after()
            .filter(|dependency| by_name.contains_key(dependency))
            .collect();
        dependencies.sort_unstable();
        dependencies.dedup();
        waits_for.insert(name, dependencies.len());
        for dependency in dependencies {
            dependents.entry(dependency).or_default().push(name);
        }
    }
    let mut ready: BinaryHeap<Reverse<(u8, &str)>> = waits_for
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(name, _)| Reverse((by_name[name].tier, *name)))
        .collect();
    let mut order = Vec::with_capacity(by_name.len());
    while let Some(Reverse((_, name))) = ready.pop() {
        order.push(name);
        waits_for.remove(name);
        for dependent in dependents.get(name).into_iter().flatten() {
            if let Some(count) = waits_for.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse((by_name[dependent].tier, dependent)));
                }
            }
        }
    }
    let mut cycle: Vec<&str> = waits_for.into_keys().collect();
    cycle.sort_by_key(|name| (by_name[name].tier, *name));
    order.extend(cycle);
    order
}
