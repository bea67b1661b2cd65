//! What makes a manifest good, alone and beside all others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::manifest::{ContainerManifest, Manifest, Protocol};
use super::order::start_order;
use super::words::{bad_name, check_image, check_restart, is_memory, is_name, is_variable};

/// One thing wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// The package it keeps from being installed; the file's name where the file could not be read as a manifest.
    pub package: String,
    /// The manifest's file.
    pub file: String,
    /// The key, as `containers.echo.image`.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.file, self.key, self.what)
    }
}

/// A manifest and the file it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The manifest.
    pub manifest: Manifest,
    /// Its file; built-in ones as `built-in/ID.toml`.
    pub file: String,
}

/// Every problem of every manifest, sorted.
#[must_use]
pub fn validate(packages: &BTreeMap<String, Sourced>) -> Vec<Problem> {
    let mut check = Check {
        problems: BTreeSet::new(),
    };
    for source in packages.values() {
        check.alone(source);
    }
    check.together(packages);
    check.problems.into_iter().collect()
}

struct Check {
    problems: BTreeSet<Problem>,
}

impl Check {
    fn add(&mut self, source: &Sourced, key: impl Into<String>, what: impl Into<String>) {
        self.problems.insert(Problem {
            package: source.manifest.id.clone(),
            file: source.file.clone(),
            key: key.into(),
            what: what.into(),
        });
    }

    fn alone(&mut self, source: &Sourced) {
        let manifest = &source.manifest;
        if !is_name(&manifest.id) {
            self.add(source, "id", bad_name(&manifest.id));
        }
        let stem = source
            .file
            .rsplit('/')
            .next()
            .and_then(|file| file.strip_suffix(".toml"));
        if stem.is_some_and(|stem| stem != manifest.id) {
            self.add(
                source,
                "id",
                format!("`{}` differs from the file's name", manifest.id),
            );
        }
        if manifest.containers.is_empty() {
            self.add(
                source,
                "containers",
                "a package needs at least one container",
            );
        }
        for container in &manifest.containers {
            self.container(source, container);
        }
    }

    fn container(&mut self, source: &Sourced, container: &ContainerManifest) {
        let key = |name: &str| format!("containers.{}.{name}", container.name);
        if !is_name(&container.name) {
            self.add(source, key("name"), bad_name(&container.name));
        }
        if let Err(what) = check_image(&container.image) {
            self.add(source, key("image"), what);
        }
        if container.tier > 3 {
            self.add(
                source,
                key("tier"),
                "must be 0 (databases), 1 (core), 2 (services) or 3 (user interfaces)",
            );
        }
        if let Err(what) = check_restart(&container.restart) {
            self.add(source, key("restart"), what);
        }
        if let Some(memory) = &container.memory
            && !is_memory(memory)
        {
            self.add(
                source,
                key("memory"),
                format!("`{memory}` is no amount such as `512m`"),
            );
        }
        if container.stop_grace_secs.is_some_and(|secs| secs > 86400) {
            self.add(
                source,
                key("stop_grace_secs"),
                "must be at most 86400, a day",
            );
        }
        for port in &container.ports {
            if port.host == 0 || port.container == 0 {
                self.add(source, key("ports"), "a port must not be 0");
            }
        }
        for volume in &container.volumes {
            if !is_name(&volume.name) {
                self.add(source, key("volumes"), bad_name(&volume.name));
            }
            if !volume.path.starts_with('/') || volume.path.contains([':', ',', '\0']) {
                self.add(
                    source,
                    key("volumes"),
                    format!("`{}` is no absolute path without `:` and `,`", volume.path),
                );
            }
        }
        for name in container
            .env
            .keys()
            .chain(container.secrets.iter().map(|secret| &secret.env))
        {
            if !is_variable(name) {
                self.add(
                    source,
                    key("env"),
                    format!("`{name}` is no name of a variable"),
                );
            }
        }
        for secret in &container.secrets {
            if !is_name(&secret.name) {
                self.add(source, key("secrets"), bad_name(&secret.name));
            }
            if secret.name == crate::api::TOKEN_FILE {
                self.add(
                    source,
                    key("secrets"),
                    format!("`{}` is the daemon's own", secret.name),
                );
            }
            if container.env.contains_key(&secret.env) {
                self.add(
                    source,
                    key("secrets"),
                    format!("`{}` is in `env` as well", secret.env),
                );
            }
        }
        if let Some(health) = &container.health {
            if health.command.is_empty() {
                self.add(source, key("health.command"), "must not be empty");
            }
            if health.interval_secs == 0 || health.timeout_secs == 0 || health.retries == 0 {
                self.add(
                    source,
                    key("health"),
                    "`interval_secs`, `timeout_secs` and `retries` must be at least 1",
                );
            }
        }
    }

    fn together(&mut self, packages: &BTreeMap<String, Sourced>) {
        let all: Vec<(&Sourced, &ContainerManifest)> = packages
            .values()
            .flat_map(|source| {
                source
                    .manifest
                    .containers
                    .iter()
                    .map(move |container| (source, container))
            })
            .collect();
        let mut by_name: BTreeMap<&str, (&Sourced, &ContainerManifest)> = BTreeMap::new();
        let mut ports: BTreeMap<(u16, Protocol), (&Sourced, &str)> = BTreeMap::new();
        for &(source, container) in &all {
            if let Some((other, _)) = by_name.insert(&container.name, (source, container)) {
                let what = format!("the name is also in {}", other.file);
                self.add(source, format!("containers.{}.name", container.name), what);
            }
            for port in &container.ports {
                let slot = (port.host, port.protocol);
                if let Some((other, name)) = ports.insert(slot, (source, &container.name)) {
                    let key = format!("containers.{}.ports", container.name);
                    self.add(
                        source,
                        key,
                        format!(
                            "host port {}/{} is taken by `{name}` of {}",
                            port.host,
                            port.protocol.word(),
                            other.file
                        ),
                    );
                }
            }
        }
        for &(source, container) in &all {
            let key = format!("containers.{}.depends_on", container.name);
            for dependency in &container.depends_on {
                match by_name.get(dependency.as_str()) {
                    None => {
                        let near = crate::config::nearest(
                            dependency,
                            by_name.keys().map(|name| (*name).to_owned()),
                        );
                        let hint = near
                            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                        self.add(
                            source,
                            &key,
                            format!("no container `{dependency}` in the catalog{hint}"),
                        );
                    }
                    Some((_, other)) if other.tier > container.tier => {
                        let what = format!(
                            "`{dependency}` is of tier {}, above this one's {}",
                            other.tier, container.tier
                        );
                        self.add(source, &key, what);
                    }
                    Some(_) => {}
                }
            }
        }
        self.cycles(&all);
    }

    /// A container in a cycle is one that follows itself: found as those that an order leaves before a dependency.
    fn cycles(&mut self, all: &[(&Sourced, &ContainerManifest)]) {
        let order = start_order(all.iter().map(|(_, container)| *container));
        let place: BTreeMap<&str, usize> = order
            .iter()
            .enumerate()
            .map(|(place, name)| (*name, place))
            .collect();
        for (source, container) in all {
            for dependency in &container.depends_on {
                if place
                    .get(dependency.as_str())
                    .is_some_and(|at| *at >= place[container.name.as_str()])
                {
                    let key = format!("containers.{}.depends_on", container.name);
                    self.add(
                        source,
                        key,
                        format!("`{dependency}` and this one are in a cycle, or behind one"),
                    );
                }
            }
        }
    }
}
