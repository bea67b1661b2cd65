//! Secrets: which there are, who makes them, where they go.

use std::collections::BTreeSet;

use super::{All, Check, Sourced, container_key, go_together, hint, is_later};
use crate::catalog::manifest::{ContainerManifest, Manifest, SecretManifest};
use crate::catalog::template::Template;
use crate::catalog::words::{TOKEN_SECRET, bad_name, is_name, is_variable};

/// podman 4 takes no longer name of a secret.
const LONGEST_NAME: usize = 64;

impl Check {
    /// The package's own lists.
    pub(super) fn secret_lists(&mut self, source: &Sourced) {
        let manifest = &source.manifest;
        for (key, names) in [
            ("secrets", &manifest.secrets),
            ("shared_secrets", &manifest.shared_secrets),
        ] {
            for name in names {
                self.secret_name(source, key, name);
            }
        }
        for name in &manifest.shared_secrets {
            if manifest.secrets.contains(name) {
                self.add(
                    source,
                    "shared_secrets",
                    format!("`{name}` is in `secrets` as well"),
                );
            }
        }
    }

    fn secret_name(&mut self, source: &Sourced, key: &str, name: &str) {
        if !is_name(name) {
            self.add(source, key, bad_name(name));
        }
        if name == TOKEN_SECRET {
            self.add(source, key, format!("`{name}` is the daemon's own"));
        }
    }

    pub(super) fn container_secrets(&mut self, source: &Sourced, container: &ContainerManifest) {
        let key = container_key(container, "secrets");
        let mut names = BTreeSet::new();
        let mut variables = BTreeSet::new();
        for secret in &container.secrets {
            let name = &secret.name;
            self.secret_name(source, &key, name);
            if container.name.len() + 1 + name.len() > LONGEST_NAME {
                self.add(
                    source,
                    &key,
                    format!("`{name}` and the container's name must be less than {LONGEST_NAME} characters long together"),
                );
            }
            if !names.insert(name) {
                self.add(source, &key, format!("`{name}` is there twice"));
            }
            if let Some(env) = &secret.env {
                if !is_variable(env) {
                    self.add(source, &key, format!("`{env}` is no name of a variable"));
                }
                if container.env.contains_key(env) {
                    self.add(source, &key, format!("`{env}` is in `env` as well"));
                }
                if !variables.insert(env) {
                    self.add(source, &key, format!("the variable `{env}` is there twice"));
                }
            }
            self.delivery(source, &key, secret);
            if let Some(text) = &secret.template {
                self.template(source, &key, name, text);
            }
        }
        let texts = container.env.values().chain(&container.command);
        for text in texts {
            if Template::parse(text).is_ok_and(|template| template.secrets().next().is_some()) {
                self.add(
                    source,
                    container_key(container, "env"),
                    "references to secrets are replaced in templates only: use `secrets` with a `template`",
                );
            }
        }
    }

    fn delivery(&mut self, source: &Sourced, key: &str, secret: &SecretManifest) {
        let name = &secret.name;
        if secret.env.is_none() && secret.file.is_none() {
            self.add(
                source,
                key,
                format!("`{name}` has neither `env` nor `file`"),
            );
        }
        let of_file = secret.mode.is_some() || secret.uid.is_some() || secret.gid.is_some();
        if secret.file.is_none() && of_file {
            self.add(
                source,
                key,
                format!("`{name}`: `mode`, `uid` and `gid` are for a `file`"),
            );
        }
        if secret.mode.is_some_and(|mode| mode > 0o777) {
            self.add(
                source,
                key,
                format!("`{name}`: `mode` must be at most 0o777"),
            );
        }
    }

    fn template(&mut self, source: &Sourced, key: &str, name: &str, text: &str) {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(what) => {
                self.add(source, key, format!("`{name}`: {what}"));
                return;
            }
        };
        let declared = declared(&source.manifest);
        for reference in template.secrets() {
            if !declared.contains(reference) {
                let hint = hint(reference, declared.iter().map(|name| (*name).to_owned()));
                self.add(
                    source,
                    key,
                    format!("`{name}` refers to `{reference}`, which is neither in `secrets` nor in `shared_secrets` of the package{hint}"),
                );
            }
        }
    }

    /// Each secret has one maker; who shares it needs the maker.
    pub(super) fn secrets_together(&mut self, all: &All<'_>) {
        for source in all.packages.values() {
            for name in &source.manifest.shared_secrets {
                if !is_made_by_a_need(all, &source.manifest, name) {
                    self.add(
                        source,
                        "shared_secrets",
                        format!("no package whose containers this one depends on has the secret `{name}`"),
                    );
                }
            }
            for name in source.manifest.own_secrets() {
                let earlier = all
                    .packages
                    .values()
                    .filter(|other| is_later(source, other));
                for other in earlier {
                    if go_together(&source.manifest, &other.manifest)
                        && other.manifest.own_secrets().contains(name)
                    {
                        self.add(
                            source,
                            "secrets",
                            format!("`{name}` is a secret of {} as well; say `shared_secrets` where it is not made, or take another name", other.file),
                        );
                    }
                }
            }
        }
    }
}

fn declared(manifest: &Manifest) -> BTreeSet<&str> {
    let mut declared = manifest.own_secrets();
    declared.extend(manifest.shared_secrets.iter().map(String::as_str));
    declared
}

/// Whether something that the package needs comes with the secret, whichever package provides it.
fn is_made_by_a_need(all: &All<'_>, manifest: &Manifest, secret: &str) -> bool {
    let makes = |name: &String| {
        let providers = all.providers(name);
        let mut makers = providers.iter().map(|placed| &placed.source.manifest);
        !providers.is_empty()
            && makers.all(|maker| maker.id != manifest.id && maker.own_secrets().contains(secret))
    };
    manifest
        .containers
        .iter()
        .flat_map(ContainerManifest::needs)
        .any(|need| need.iter().all(makes))
}
