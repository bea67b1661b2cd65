//! The order in which containers start; they stop in the exact reverse.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
    let mut waits_for = vec![0_usize; by_name.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); by_name.len()];
    let mut dependencies: Vec<usize> = Vec::new();
    for (index, container) in by_name.iter().enumerate() {
        dependencies.clear();
        dependencies.extend(
            container
                .starts_after()
                .filter_map(|name| index_near(by_name, index, name)),
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

/// Where the container of that name is in `by_name`. It is looked for around `here` first: what containers depend on is
/// most often of their own package, and so has a similar name.
fn index_near(by_name: &[&ContainerManifest], here: usize, name: &str) -> Option<usize> {
    let mut width = 8;
    loop {
        let low = here.saturating_sub(width);
        let high = here.saturating_add(width).min(by_name.len());
        let begins = low == 0 || by_name[low].name.as_str() <= name;
        let ends = high == by_name.len() || by_name[high - 1].name.as_str() >= name;
        if begins && ends {
            let found =
                by_name[low..high].binary_search_by(|container| container.name.as_str().cmp(name));
            return found.ok().map(|index| low + index);
        }
        width *= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_from_everywhere() {
        let manifests: Vec<ContainerManifest> = (0..300)
            .map(|number| {
                let text = format!("name = \"c{number:03}\"\nimage = \"localhost/x:1\"\ntier = 0");
                toml::from_str(&text).expect("a manifest")
            })
            .collect();
        let by_name: Vec<&ContainerManifest> = manifests.iter().collect();
        for here in [0, 1, 7, 8, 150, 292, 299] {
            for wanted in 0..300 {
                let name = format!("c{wanted:03}");
                assert_eq!(index_near(&by_name, here, &name), Some(wanted), "{here}");
            }
            for missing in ["a", "c", "c1505", "d"] {
                assert_eq!(index_near(&by_name, here, missing), None, "{missing}");
            }
        }
    }
}
