//! The order in which containers start; they stop in the exact reverse.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::manifest::ContainerManifest;

/// Names in start order: dependencies first, and among those that may start, the lower tier, then the name.
///
/// Dependencies on containers that are not in the list do not count. Members of a cycle, which validation refuses,
/// come last, by tier: an order is always given, with every container exactly once.
pub fn start_order<'a>(
    containers: impl IntoIterator<Item = &'a ContainerManifest>,
) -> Vec<&'a str> {
    let mut by_name: Vec<&ContainerManifest> = containers.into_iter().collect();
    by_name.sort_by(|one, other| one.name.cmp(&other.name));
    by_name.dedup_by(|one, other| one.name == other.name);
    let order = order_of_sorted(&by_name);
    order
        .into_iter()
        .map(|index| by_name[index].name.as_str())
        .collect()
}

/// The start order of containers that are sorted by name, each name once, as indices into them.
///
/// It is asked for at every look: names are looked up once, all else is numbers.
pub(crate) fn order_of_sorted(by_name: &[&ContainerManifest]) -> Vec<usize> {
    let index_of: HashMap<&str, usize> = by_name
        .iter()
        .enumerate()
        .map(|(index, container)| (container.name.as_str(), index))
        .collect();
    let mut waits_for = vec![0_usize; by_name.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); by_name.len()];
    let mut dependencies: Vec<usize> = Vec::new();
    for (index, container) in by_name.iter().enumerate() {
        dependencies.clear();
        dependencies.extend(
            container
                .starts_after()
                .filter_map(|name| index_of.get(name)),
        );
        dependencies.sort_unstable();
        dependencies.dedup();
        waits_for[index] = dependencies.len();
        for dependency in &dependencies {
            dependents[*dependency].push(index);
        }
    }
    // Indices are in the order of the names.
    let key = |index: usize| Reverse((by_name[index].tier, index));
    let mut ready: BinaryHeap<Reverse<(u8, usize)>> = (0..by_name.len())
        .filter(|index| waits_for[*index] == 0)
        .map(key)
        .collect();
    let mut order = Vec::with_capacity(by_name.len());
    while let Some(Reverse((_, index))) = ready.pop() {
        order.push(index);
        for dependent in &dependents[index] {
            waits_for[*dependent] -= 1;
            if waits_for[*dependent] == 0 {
                ready.push(key(*dependent));
            }
        }
    }
    let mut cycle: Vec<usize> = (0..by_name.len())
        .filter(|index| waits_for[*index] > 0)
        .collect();
    cycle.sort_by_key(|index| (by_name[*index].tier, *index));
    order.extend(cycle);
    order
}
