//! An entry of `podman container inspect`: what real podman printed of a container that was only made, and in it what is
//! this container's own.

use serde_json::{Map, Value, json};

use super::container::{Container, Mount, Restart};
use super::options::{STOP_SIGNAL, signal_name};
use super::profile::{Document, Profile};
use super::render::time;
use super::state::State;
use crate::container::status::ContainerState;

/// The document of a container.
pub(super) fn inspected(state: &State, container: &Container) -> Value {
    let profile = Profile::of(state.version);
    let mut document = profile.document(Document::Container);
    let doc = Doc {
        state,
        container,
        profile,
        // Between the end and podman's cleanup everything is still there.
        is_mounted: matches!(
            container.state,
            ContainerState::Running
                | ContainerState::Paused
                | ContainerState::Stopping
                | ContainerState::Stopped
        ),
    };
    rename(&mut document, container);
    doc.top(&mut document);
    document["State"] = doc.state_part(document["State"].take());
    doc.network_settings(&mut document["NetworkSettings"]);
    doc.config(&mut document["Config"]);
    doc.host_config(&mut document["HostConfig"]);
    doc.annotations(&mut document);
    document
}

/// Puts the container's id where the recorded one's is.
fn rename(document: &mut Value, container: &Container) {
    let recorded = document["Id"].as_str().unwrap_or_default().to_owned();
    replace(document, &recorded, &container.id);
}

fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text.contains(from) => *text = text.replace(from, to),
        Value::String(text) if *text == from[..12] => to[..12].clone_into(text),
        Value::Array(all) => all.iter_mut().for_each(|value| replace(value, from, to)),
        Value::Object(all) => all.values_mut().for_each(|value| replace(value, from, to)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What the parts are made from.
struct Doc<'a> {
    state: &'a State,
    container: &'a Container,
    profile: &'static Profile,
    is_mounted: bool,
}

impl Doc<'_> {
    fn short_id(&self) -> &str {
        &self.container.id[..12]
    }

    fn userdata(&self, root: &str, file: &str) -> Value {
        let id = &self.container.id;
        json!(format!(
            "{root}/containers/storage/overlay-containers/{id}/userdata/{file}"
        ))
    }

    fn top(&self, document: &mut Value) {
        let container = self.container;
        document["Created"] = json!(time(Some(container.created_at)));
        let line = self.line(document);
        let (path, args) = match &line[..] {
            [] => (String::new(), Vec::new()),
            // podman repeats a program without arguments.
            [path] => (path.clone(), vec![path.clone()]),
            [path, args @ ..] => (path.clone(), args.to_vec()),
        };
        document["Path"] = json!(path);
        document["Args"] = json!(args);
        document["Image"] = json!(container.image_id);
        let image = self.state.images.by_id(&container.image_id);
        if let Some(digest) = image.and_then(|image| image.digests.first()) {
            document["ImageDigest"] = json!(digest);
        }
        document["ImageName"] = json!(container.image);
        document["Name"] = json!(container.name);
        document["ExecIDs"] = json!(container.sessions);
        document["RestartCount"] = json!(container.restart_count);
        let mounts: Vec<Value> = container.mounts.iter().map(mount).collect();
        document["Mounts"] = json!(mounts);
        if container.has_run_files {
            for (key, file) in [
                ("ResolvConfPath", "resolv.conf"),
                ("HostnamePath", "hostname"),
                ("HostsPath", "hosts"),
            ] {
                // Without a network there is nobody to ask for names.
                if file != "resolv.conf" || container.network != "none" {
                    document[key] = self.userdata("/run", file);
                }
            }
        }
        if container.has_spec {
            document["OCIConfigPath"] = self.userdata("/var/lib", "config.json");
        }
        if self.is_mounted {
            let work = document["GraphDriver"]["Data"]["WorkDir"]
                .as_str()
                .unwrap_or_default();
            let merged = work
                .strip_suffix("work")
                .map(|layer| format!("{layer}merged"));
            document["GraphDriver"]["Data"]["MergedDir"] = json!(merged);
        }
        let user = container.options.user.split(':').next().unwrap_or_default();
        if !matches!(user, "" | "0" | "root") {
            document["EffectiveCaps"] = Value::Null;
        }
    }

    /// The words that run in the container.
    fn line(&self, document: &Value) -> Vec<String> {
        let container = self.container;
        let mut line: Vec<String> = Vec::new();
        if container.init {
            line.extend(["/run/podman-init".to_owned(), "--".to_owned()]);
        }
        match &container.entrypoint {
            Some(entrypoint) => line.push(entrypoint.clone()),
            None => line.extend(document["Path"].as_str().map(str::to_owned)),
        }
        line.extend(container.command.iter().cloned());
        line
    }

    fn state_part(&self, mut state: Value) -> Value {
        let container = self.container;
        state["Status"] = json!(container.state.as_str());
        state["Running"] = json!(container.state == ContainerState::Running);
        state["Paused"] = json!(container.state == ContainerState::Paused);
        state["Pid"] = json!(container.pid);
        state["ExitCode"] = json!(container.exit_code);
        state["StartedAt"] = json!(time(container.started_at));
        state["FinishedAt"] = json!(time(container.finished_at));
        if self.profile.says_why_it_ended() {
            state["OOMKilled"] = json!(container.oom_killed);
            state["Error"] = json!(container.error);
            if container.is_stopped_on_purpose {
                state["StoppedByUser"] = json!(true);
            }
        }
        if container.pid != 0 {
            state["ConmonPid"] = json!(container.pid - 2);
            state["CgroupPath"] = json!(format!("/libpod_parent/libpod-{}", container.id));
        }
        if let Some(health) =
            container.health_document(self.profile.ends_what_health_checks_wrote())
        {
            state["Health"] = health;
        }
        state
    }

    fn network_settings(&self, settings: &mut Value) {
        let container = self.container;
        let mut entry = settings["Networks"]["podman"].take();
        let name = container.network.as_str();
        settings["Ports"] = self.ports();
        let has_namespace = match name {
            "host" => false,
            "none" => self.profile.shows_networks_that_are_none(),
            _ => true,
        };
        if self.is_mounted && has_namespace {
            settings["SandboxKey"] = json!(format!(
                "/run/netns/netns-{}-{}-{}-{}-{}",
                &container.id[..8],
                &container.id[8..12],
                &container.id[12..16],
                &container.id[16..20],
                &container.id[20..32]
            ));
        }
        if matches!(name, "host" | "none") {
            if let (Some(entry), true) = (
                entry.as_object_mut(),
                self.profile.shows_networks_that_are_none(),
            ) {
                entry.remove("Aliases");
                entry.insert("NetworkID".into(), json!(name));
                settings["Networks"] = json!({ name: entry });
            } else if let Some(settings) = settings.as_object_mut() {
                settings.remove("Networks");
            }
            return;
        }
        let mut networks = Map::new();
        for name in container.networks() {
            let mut entry = entry.clone();
            let mut aliases = if name == container.network {
                container.options.aliases.clone()
            } else {
                Vec::new()
            };
            aliases.push(self.short_id().to_owned());
            entry["Aliases"] = json!(aliases);
            let id = self.state.networks.get(name).map(|network| &network.id);
            entry["NetworkID"] = match id {
                Some(id) if self.profile.names_networks_by_id() => json!(id),
                Some(_) | None => json!(name),
            };
            if self.is_mounted {
                let place = self.state.place(container, name);
                for (key, value) in [
                    ("Gateway", json!(place.subnet.gateway())),
                    ("IPAddress", json!(place.address)),
                    ("IPPrefixLen", json!(place.subnet.length)),
                    ("MacAddress", json!(place.mac)),
                ] {
                    // Only of the default network.
                    if name == "podman" {
                        settings[key] = value.clone();
                    }
                    entry[key] = value;
                }
            }
            networks.insert(name.to_owned(), entry);
        }
        settings["Networks"] = Value::Object(networks);
    }

    /// Published ports: `{"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}]}`.
    fn ports(&self) -> Value {
        let mut ports = Map::new();
        for port in &self.container.ports {
            let host_ip = match port.host_ip.as_str() {
                "" => self.profile.any_address(),
                ip => ip,
            };
            let bindings = ports
                .entry(format!("{}/{}", port.container, port.protocol))
                .or_insert_with(|| json!([]));
            if let Some(bindings) = bindings.as_array_mut() {
                bindings.push(json!({ "HostIp": host_ip, "HostPort": port.host.to_string() }));
            }
        }
        Value::Object(ports)
    }

    fn config(&self, config: &mut Value) {
        let container = self.container;
        let options = &container.options;
        config["Hostname"] = if container.network == "host" {
            self.profile.document(Document::Info)["host"]["hostname"].take()
        } else {
            json!(self.short_id())
        };
        config["User"] = json!(options.user);
        config["Env"] = self.env(&config["Env"]);
        config["Cmd"] = if container.command.is_empty() {
            Value::Null
        } else {
            json!(container.command)
        };
        config["Image"] = json!(container.image);
        if let Some(workdir) = &options.workdir {
            config["WorkingDir"] = json!(workdir);
        }
        if let Some(entrypoint) = &container.entrypoint {
            config["Entrypoint"] = if config["Entrypoint"].is_array() {
                json!([entrypoint])
            } else {
                json!(entrypoint)
            };
        }
        if !container.labels.is_empty() {
            config["Labels"] = json!(container.labels);
        }
        let signal = options.stop_signal.unwrap_or(STOP_SIGNAL);
        config["StopSignal"] = if config["StopSignal"].is_number() {
            json!(signal)
        } else {
            json!(signal_name(signal))
        };
        config["StopTimeout"] = json!(container.stop_timeout);
        if options.create_command.is_empty() {
            config["CreateCommand"] = Value::Null;
        } else {
            config["CreateCommand"] = json!(options.create_command);
        }
        if let Some(health) = &options.health {
            config["Healthcheck"] = health.clone();
        }
        if let Some(action) = &options.health_on_failure {
            config["HealthcheckOnFailureAction"] = json!(action);
        }
        if !options.secrets.is_empty() {
            config["Secrets"] = json!(options.secrets);
        }
        if self.profile.shows_exposed_ports() && !container.ports.is_empty() {
            let ports = container
                .ports
                .iter()
                .map(|port| (format!("{}/{}", port.container, port.protocol), json!({})));
            config["ExposedPorts"] = Value::Object(ports.collect());
        }
    }

    /// The variables: the image's and podman's, then the container's, then what the start adds.
    fn env(&self, recorded: &Value) -> Value {
        let container = self.container;
        let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
        let given: Vec<String> = container
            .env
            .iter()
            .map(|variable| name(variable))
            .collect();
        let recorded = recorded.as_array().into_iter().flatten();
        let mut env: Vec<String> = recorded
            .filter_map(Value::as_str)
            .filter(|variable| !given.contains(&name(variable)))
            .map(str::to_owned)
            .collect();
        env.extend(container.env.iter().cloned());
        if container.has_spec {
            let has_user = !container.options.user.is_empty();
            let finds_home = has_user && container.has_begun_again;
            let sets_home = finds_home || self.profile.sets_home();
            if sets_home && !given.contains(&"HOME".to_owned()) {
                env.push(format!("HOME={}", if has_user { "/" } else { "" }));
            }
            if !given.contains(&"HOSTNAME".to_owned()) {
                env.push(format!("HOSTNAME={}", self.short_id()));
            }
            let shows = self.profile.shows_secrets();
            env.extend(container.secret_variables(shows));
        }
        json!(env)
    }

    fn host_config(&self, host: &mut Value) {
        let container = self.container;
        let options = &container.options;
        host["Binds"] = container
            .mounts
            .iter()
            .map(|mount| json!(bind(mount, self.profile.says_that_mounts_are_writable())))
            .collect();
        host["ContainerIDFile"] = json!(options.cid_file);
        host["PortBindings"] = self.ports();
        host["AutoRemove"] = json!(container.auto_remove);
        let (name, count) = match &container.restart {
            Restart::No => {
                let name = if options.names_policy {
                    json!("no")
                } else {
                    host["RestartPolicy"]["Name"].take()
                };
                (name, 0)
            }
            Restart::OnFailure(limit) => (json!("on-failure"), limit.unwrap_or(0)),
            Restart::Always => (json!("always"), 0),
            Restart::UnlessStopped => (json!("unless-stopped"), 0),
        };
        host["RestartPolicy"] = json!({ "Name": name, "MaximumRetryCount": count });
        if matches!(container.network.as_str(), "host" | "none") {
            host["NetworkMode"] = json!(container.network);
        }
        if let Some(size) = options.shm_size {
            host["ShmSize"] = json!(size);
        }
        if let Some(memory) = container.memory.filter(|memory| *memory > 0) {
            host["Memory"] = json!(memory);
            host["MemorySwap"] = json!(memory.saturating_mul(2));
            host["MemorySwappiness"] = json!(-1);
        }
        if container.init {
            host["Init"] = json!(true);
        }
    }

    fn annotations(&self, document: &mut Value) {
        let container = self.container;
        let mut notes = match document["Config"]["Annotations"].take() {
            Value::Object(notes) => notes,
            _ => Map::new(),
        };
        let mut note = |key: &str, value: String| notes.insert(key.to_owned(), json!(value));
        for (is_on, key) in [
            (container.auto_remove, "autoremove"),
            (container.init, "init"),
        ] {
            if is_on {
                note(&format!("io.podman.annotations.{key}"), "TRUE".into());
            }
        }
        if !container.options.cid_file.is_empty() {
            let file = container.options.cid_file.clone();
            note("io.podman.annotations.cid-file", file);
        }
        if container.has_spec {
            let signal = container.options.stop_signal.unwrap_or(STOP_SIGNAL);
            note("io.container.manager", "libpod".into());
            note("org.opencontainers.image.stopSignal", signal.to_string());
            if self.profile.notes_properties_for_systemd() {
                note("org.systemd.property.KillSignal", signal.to_string());
                let time = format!(
                    "uint64 {}",
                    container.stop_timeout.saturating_mul(1_000_000)
                );
                note("org.systemd.property.TimeoutStopUSec", time);
            } else {
                let made = time(Some(container.created_at));
                note("io.kubernetes.cri-o.Created", made);
            }
        }
        let notes = if notes.is_empty() {
            Value::Null
        } else {
            Value::Object(notes)
        };
        if document["HostConfig"].get("Annotations").is_some() {
            document["HostConfig"]["Annotations"] = notes.clone();
        }
        document["Config"]["Annotations"] = notes;
    }
}

fn mount(mount: &Mount) -> Value {
    let mut shown = json!({
        "Type": "bind",
        "Source": mount.volume,
        "Destination": mount.path,
        "Driver": "",
        "Mode": "",
        "Options": ["rbind"],
        "RW": !mount.is_read_only,
        "Propagation": "rprivate",
    });
    if !mount.is_bind() {
        shown["Type"] = json!("volume");
        shown["Name"] = json!(mount.volume);
        shown["Source"] = json!(format!(
            "/var/lib/containers/storage/volumes/{}/_data",
            mount.volume
        ));
        shown["Driver"] = json!("local");
        shown["Options"] = json!(["nosuid", "nodev", "rbind"]);
    }
    shown
}

fn bind(mount: &Mount, says_writable: bool) -> String {
    let access = match (mount.is_read_only, says_writable) {
        (true, _) => "ro,",
        (false, true) => "rw,",
        (false, false) => "",
    };
    let more = if mount.is_bind() { "" } else { "nosuid,nodev," };
    format!(
        "{}:{}:{access}rprivate,{more}rbind",
        mount.volume, mount.path
    )
}
