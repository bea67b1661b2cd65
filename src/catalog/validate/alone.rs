//! What makes a manifest good by itself.

use std::collections::BTreeSet;

use super::{Check, Sourced, container_key, hint};
use crate::catalog::manifest::{ContainerManifest, HookManifest};
use crate::catalog::words::{
    bad_name, check_image, check_restart, is_memory, is_name, is_path, is_signal, is_variable,
};

/// The longest time that a manifest may ask for, in seconds.
const A_DAY: u64 = 86400;

impl Check {
    pub(super) fn alone(&mut self, source: &Sourced) {
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
        if manifest.excludes.contains(&manifest.id) {
            self.add(source, "excludes", "a package cannot exclude itself");
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
        self.secret_lists(source);
        for hook in &manifest.hooks.post_install {
            self.hook(source, hook);
        }
    }

    fn container(&mut self, source: &Sourced, container: &ContainerManifest) {
        let key = |name: &str| container_key(container, name);
        if !is_name(&container.name) {
            self.add(source, key("name"), bad_name(&container.name));
        }
        if let Some(Err(what)) = container.image.as_deref().map(check_image) {
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
        for (name, amount) in [
            ("memory", &container.memory),
            ("shm_size", &container.shm_size),
        ] {
            if let Some(amount) = amount
                && !is_memory(amount)
            {
                self.add(
                    source,
                    key(name),
                    format!("`{amount}` is no amount such as `512m`"),
                );
            }
        }
        if let Some(signal) = &container.stop_signal
            && !is_signal(signal)
        {
            self.add(
                source,
                key("stop_signal"),
                format!("{signal:?} is no signal such as `SIGINT`"),
            );
        }
        if container.stop_grace_secs.is_some_and(|secs| secs > A_DAY) {
            self.add(
                source,
                key("stop_grace_secs"),
                format!("must be at most {A_DAY}, a day"),
            );
        }
        if container.depends_on_any.iter().any(|any| any.len() < 2) {
            self.add(
                source,
                key("depends_on_any"),
                "each list must hold at least two names; a single one goes into `depends_on`",
            );
        }
        for alias in &container.aliases {
            if !is_name(alias) {
                self.add(source, key("aliases"), bad_name(alias));
            }
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
        }
        self.paths(source, container);
        for name in container.env.keys() {
            if !is_variable(name) {
                self.add(
                    source,
                    key("env"),
                    format!("`{name}` is no name of a variable"),
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
        self.container_secrets(source, container);
    }

    /// Where volumes and files appear in the container.
    fn paths(&mut self, source: &Sourced, container: &ContainerManifest) {
        let volumes = container
            .volumes
            .iter()
            .map(|volume| ("volumes", &volume.path));
        let files = container
            .secrets
            .iter()
            .filter_map(|secret| Some(("secrets", secret.file.as_ref()?)));
        let mut seen = BTreeSet::new();
        for (name, path) in volumes.chain(files) {
            let key = container_key(container, name);
            if !is_path(path) {
                self.add(
                    source,
                    &key,
                    format!("`{path}` is no absolute path without `:` and `,`"),
                );
            }
            if !seen.insert(path) {
                self.add(source, &key, format!("`{path}` is mounted twice"));
            }
        }
    }

    fn hook(&mut self, source: &Sourced, hook: &HookManifest) {
        let key = |name: &str| format!("hooks.post_install.{name}");
        let names = || source.manifest.containers.iter().map(|c| c.name.clone());
        if !names().any(|name| name == hook.container) {
            let hint = hint(&hook.container, names());
            self.add(
                source,
                key("container"),
                format!("no container `{}` in this package{hint}", hook.container),
            );
        }
        if hook.command.is_empty() {
            self.add(source, key("command"), "must not be empty");
        }
        if hook.attempts == 0 || hook.timeout_secs == 0 || hook.timeout_secs > A_DAY {
            self.add(
                source,
                key("timeout_secs"),
                format!("`attempts` must be at least 1, `timeout_secs` between 1 and {A_DAY}"),
            );
        }
    }
}
