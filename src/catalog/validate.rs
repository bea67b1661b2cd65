//! What makes a manifest good, alone and beside all others.

mod alone;
mod secrets;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::manifest::{ContainerManifest, Manifest};
use crate::nearest::nearest;

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

impl Sourced {
    fn is_built_in(&self) -> bool {
        self.file.starts_with(BUILT_IN)
    }
}

/// How names of built-in files begin.
pub(crate) const BUILT_IN: &str = "built-in/";

/// Every problem of every manifest, sorted.
#[must_use]
pub fn validate(packages: &BTreeMap<String, Sourced>) -> Vec<Problem> {
    let mut check = Check {
        problems: BTreeSet::new(),
    };
    for source in packages.values() {
        check.alone(source);
    }
    check.together(&All::new(packages));
    check.problems.into_iter().collect()
}

/// Problems found so far.
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
}

/// A container and the manifest it is in.
#[derive(Clone, Copy)]
struct Placed<'a> {
    source: &'a Sourced,
    container: &'a ContainerManifest,
}

impl Placed<'_> {
    fn key(self, name: &str) -> String {
        container_key(self.container, name)
    }
}

/// All packages, and who provides a name.
struct All<'a> {
    packages: &'a BTreeMap<String, Sourced>,
    /// In the order in which clashes are told.
    containers: Vec<Placed<'a>>,
    /// More than one where packages exclude each other.
    by_name: BTreeMap<&'a str, Vec<Placed<'a>>>,
}

impl<'a> All<'a> {
    fn new(packages: &'a BTreeMap<String, Sourced>) -> Self {
        let mut sources: Vec<&Sourced> = packages.values().collect();
        sources.sort_by(|one, other| place(one).cmp(&place(other)));
        let containers: Vec<Placed<'a>> = sources
            .iter()
            .flat_map(|source| {
                let containers = source.manifest.containers.iter();
                containers.map(move |container| Placed { source, container })
            })
            .collect();
        let mut by_name: BTreeMap<&str, Vec<Placed<'_>>> = BTreeMap::new();
        for placed in &containers {
            let found = by_name.entry(&placed.container.name).or_default();
            found.push(*placed);
        }
        Self {
            packages,
            containers,
            by_name,
        }
    }

    fn providers(&self, name: &str) -> &[Placed<'a>] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Whether `one` comes after `other` in the order in which clashes are told.
fn is_later(one: &Sourced, other: &Sourced) -> bool {
    place(one) > place(other)
}

/// What that order goes by: built-in ones first, for of two that do not go together, the later is told, and that is to be
/// the one that the machine's owner can change.
fn place(of: &Sourced) -> (bool, &str) {
    (!of.is_built_in(), &of.manifest.id)
}

/// Whether both can be installed at the same time; a package and itself can.
fn go_together(one: &Manifest, other: &Manifest) -> bool {
    !one.excludes.contains(&other.id) && !other.excludes.contains(&one.id)
}

fn container_key(container: &ContainerManifest, name: &str) -> String {
    format!("containers.{}.{name}", container.name)
}

/// `; did you mean `x`?`
fn hint(name: &str, known: impl Iterator<Item = String>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
