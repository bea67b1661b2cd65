//! What makes manifests good beside each other.

use std::collections::BTreeMap;

use super::{All, Check, Placed, go_together, hint, is_later};
use crate::catalog::manifest::Protocol;

impl Check {
    pub(super) fn together(&mut self, all: &All<'_>) {
        self.excludes(all);
        self.names(all);
        self.ports(all);
        self.volumes(all);
        self.dependencies(all);
        self.cycles(all);
        self.secrets_together(all);
    }

    fn excludes(&mut self, all: &All<'_>) {
        for source in all.packages.values() {
            for id in &source.manifest.excludes {
                match all.packages.get(id) {
                    None => {
                        let hint = hint(id, all.packages.keys().cloned());
                        self.add(
                            source,
                            "excludes",
                            format!("no package `{id}` in the catalog{hint}"),
                        );
                    }
                    Some(other) if !other.manifest.excludes.contains(&source.manifest.id) => {
                        self.add(
                            other,
                            "excludes",
                            format!("{} excludes this package; name it here too", source.file),
                        );
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// Names by which containers reach each other: a container's own, and its aliases.
    fn names(&mut self, all: &All<'_>) {
        let mut taken: BTreeMap<&str, Vec<Placed<'_>>> = BTreeMap::new();
        for placed in &all.containers {
            let container = placed.container;
            let own = ("name", container.name.as_str());
            let aliases = container.aliases.iter().map(|alias| ("aliases", &**alias));
            for (key, name) in std::iter::once(own).chain(aliases) {
                let others = taken.entry(name).or_default();
                for other in others.iter() {
                    if go_together(&placed.source.manifest, &other.source.manifest) {
                        let what = format!("`{name}` is also a name in {}", other.source.file);
                        self.add(placed.source, placed.key(key), what);
                    }
                }
                others.push(*placed);
            }
        }
    }

    /// A port is taken whatever the address: one on all addresses holds it on loopback too.
    fn ports(&mut self, all: &All<'_>) {
        let mut taken: BTreeMap<(u16, Protocol), Vec<Placed<'_>>> = BTreeMap::new();
        for placed in &all.containers {
            for port in &placed.container.ports {
                let others = taken.entry((port.host, port.protocol)).or_default();
                for other in others.iter() {
                    if go_together(&placed.source.manifest, &other.source.manifest) {
                        self.add(
                            placed.source,
                            placed.key("ports"),
                            format!(
                                "host port {}/{} is taken by `{}` of {}",
                                port.host,
                                port.protocol.word(),
                                other.container.name,
                                other.source.file
                            ),
                        );
                    }
                }
                others.push(*placed);
            }
        }
    }

    /// A volume is one package's. Others may read it if they need a container that has it: then it is there.
    fn volumes(&mut self, all: &All<'_>) {
        let mut writers: BTreeMap<&str, Vec<Placed<'_>>> = BTreeMap::new();
        for placed in &all.containers {
            for volume in &placed.container.volumes {
                if !volume.read_only {
                    writers.entry(&volume.name).or_default().push(*placed);
                }
            }
        }
        for placed in &all.containers {
            for volume in &placed.container.volumes {
                let owners = writers.get(volume.name.as_str()).into_iter().flatten();
                for owner in owners {
                    let (this, other) = (&placed.source.manifest, &owner.source.manifest);
                    let may_read =
                        volume.read_only && placed.container.needs_name(&owner.container.name);
                    // Of two that write, the later one is told.
                    let told = volume.read_only || is_later(placed.source, owner.source);
                    if this.id != other.id && go_together(this, other) && told && !may_read {
                        self.add(
                            placed.source,
                            placed.key("volumes"),
                            format!(
                                "`{}` is a volume of {}; take another name, or depend on `{}` and mount it `read_only`",
                                volume.name, owner.source.file, owner.container.name
                            ),
                        );
                    }
                }
            }
        }
    }

    fn dependencies(&mut self, all: &All<'_>) {
        for placed in &all.containers {
            let container = placed.container;
            let each = container.depends_on.iter().map(|name| ("depends_on", name));
            let any = container.depends_on_any.iter().flatten();
            let any = any.map(|name| ("depends_on_any", name));
            let optional = container.depends_on_optional.iter();
            let optional = optional.map(|name| ("depends_on_optional", name));
            for (key, name) in each.chain(any).chain(optional) {
                let providers = all.providers(name);
                if providers.is_empty() {
                    let hint = hint(name, all.by_name.keys().map(|name| (*name).to_owned()));
                    self.add(
                        placed.source,
                        placed.key(key),
                        format!("no container `{name}` in the catalog{hint}"),
                    );
                }
                for other in providers {
                    if other.container.tier > container.tier {
                        let what = format!(
                            "`{name}` is of tier {}, above this one's {}",
                            other.container.tier, container.tier
                        );
                        self.add(placed.source, placed.key(key), what);
                    }
                    if !go_together(&placed.source.manifest, &other.source.manifest) {
                        let what = format!(
                            "`{name}` is in {}, which cannot be installed beside this package",
                            other.source.file
                        );
                        self.add(placed.source, placed.key(key), what);
                    }
                }
            }
        }
    }

    /// Takes away, again and again, the names whose dependencies are all taken away: what stays is in a cycle, or
    /// behind one.
    fn cycles(&mut self, all: &All<'_>) {
        let mut left: BTreeMap<&str, Vec<&str>> = all
            .by_name
            .iter()
            .map(|(name, providers)| {
                let after = providers
                    .iter()
                    .flat_map(|placed| placed.container.starts_after());
                let known = after.filter(|name| all.by_name.contains_key(name));
                (*name, known.collect())
            })
            .collect();
        loop {
            let free: Vec<&str> = left
                .iter()
                .filter(|(_, after)| !after.iter().any(|name| left.contains_key(name)))
                .map(|(name, _)| *name)
                .collect();
            if free.is_empty() {
                break;
            }
            for name in free {
                left.remove(name);
            }
        }
        for placed in &all.containers {
            if !left.contains_key(placed.container.name.as_str()) {
                continue;
            }
            for dependency in placed.container.starts_after() {
                if left.contains_key(dependency) {
                    self.add(
                        placed.source,
                        placed.key("depends_on"),
                        format!("`{dependency}` and this one are in a cycle, or behind one"),
                    );
                }
            }
        }
    }
}
