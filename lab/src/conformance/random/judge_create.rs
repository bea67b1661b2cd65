//! `create` and `run`, as far as the model has to know them.

use std::collections::BTreeSet;

use super::argv::Command;
use super::judge::is_name;
use super::world::{App, Container, Expect, Policy, State, Unsafe, World};

impl World {
    pub(super) fn create(&mut self, command: &Command) -> Result<Expect, Unsafe> {
        let Some((image, app)) = command.operands.split_first() else {
            return Ok(Expect::Refused);
        };
        let name = command
            .last("name")
            .ok_or(Unsafe("a container without a name"))?;
        let old = self.containers.get(name);
        if old.is_some() && !command.has("replace") {
            return Ok(Expect::Refused);
        }
        if !self.has_image(image)? && command.last("pull") != Some("never") {
            return Err(Unsafe("a pull"));
        }
        if !self.is_valid(command, name, image)? {
            return if old.is_some() {
                Err(Unsafe("a replacement that fails"))
            } else {
                Ok(Expect::Refused)
            };
        }
        let container = container(command, app)?;
        if container.auto_remove && container.broken {
            return Err(Unsafe("a refused start of a container that removes itself"));
        }
        if command.all("volume").any(|volume| !volume.contains(':')) {
            if self.anonymous {
                return Err(Unsafe("two volumes whose names are made up"));
            }
            self.anonymous = true;
        }
        let runs = command.name == "run";
        let detached = command.has("detach");
        match container.app {
            App::Ends(_) if container.policy == Policy::Always => {
                return Err(Unsafe("an endless crash loop"));
            }
            App::Ends(_) if container.auto_remove && (!runs || detached) => {
                return Err(Unsafe("a name that is freed late"));
            }
            App::Ends(_) if runs && !detached && container.policy != Policy::None => {
                return Err(Unsafe("an attached container that is restarted"));
            }
            App::Serve | App::IgnoreTerm if runs && !detached => {
                return Err(Unsafe("it would run for ever"));
            }
            _ => {}
        }
        if old.is_some() {
            let grace = Command::default();
            self.end(name, &grace)?;
            self.containers.remove(name);
        }
        self.volumes.extend(container.volumes.iter().cloned());
        let goes = container.auto_remove && !detached;
        self.containers.insert(name.to_owned(), container);
        if !runs {
            return Ok(Expect::Accepted);
        }
        let started = self.start(name)?;
        let code = match self.containers.get(name).map(|it| it.app) {
            Some(App::Ends(code)) if !detached => code,
            _ => 0,
        };
        if goes {
            self.containers.remove(name);
        }
        Ok(match started {
            Expect::Refused => Expect::Refused,
            Expect::Accepted => Expect::when(code == 0),
        })
    }

    /// Whether podman makes this container.
    fn is_valid(&self, command: &Command, name: &str, image: &str) -> Result<bool, Unsafe> {
        let size = |text: &str| {
            text.strip_suffix(['m', 'k', 'g'])
                .is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let restart = |text: &str| {
            matches!(
                text,
                "no" | "always" | "unless-stopped" | "on-failure" | "on-failure:2"
            )
        };
        let volume = |text: &str| {
            let parts: Vec<&str> = text.split(':').collect();
            match parts[..] {
                [at] => at.starts_with('/'),
                [from, at] | [from, at, "ro"] => is_name(from) && at.starts_with('/'),
                _ => false,
            }
        };
        let network = |name: &str| name == "none" || self.networks.contains(name);
        let port = |text: &str| matches!(text.split(':').nth_back(1), Some("8081" | "8082"));
        Ok(is_name(name)
            && self.has_image(image)?
            && command.all("memory").all(size)
            && command.all("restart").all(restart)
            && command.all("volume").all(volume)
            && command.all("network").all(network)
            && command.all("publish").all(port)
            && command
                .all("stop-timeout")
                .all(|text| text.parse::<u32>().is_ok())
            && command.all("stop-signal").all(|signal| signal != "NOSIG")
            && command
                .all("secret")
                .all(|name| self.secrets.contains(name)))
    }
}

fn container(command: &Command, app: &[String]) -> Result<Container, Unsafe> {
    let app: Vec<&str> = app.iter().map(String::as_str).collect();
    let entrypoint = command
        .last("entrypoint")
        .is_some_and(|program| program != "/fixture");
    let app = match app[..] {
        ["serve", "8080"] => App::Serve,
        ["ignore-term"] => App::IgnoreTerm,
        ["exit", code] => App::Ends(code.parse().map_err(|_| Unsafe("not generated"))?),
        ["nosuchcommand"] | [] => App::Ends(64),
        _ => return Err(Unsafe("not generated")),
    };
    let signal = command.last("stop-signal").unwrap_or("TERM");
    let obeys = matches!(
        signal.strip_prefix("SIG").unwrap_or(signal),
        "TERM" | "INT" | "15"
    );
    let init = command.has("init");
    if init && !obeys {
        return Err(Unsafe("an init hands on every signal"));
    }
    if command.all("network").any(|name| name == "none") && command.has("publish") {
        return Err(Unsafe("a port of a container without a network"));
    }
    if command.all("publish").count() > 1 {
        return Err(Unsafe("5.8.6 shows ports in any order"));
    }
    let owned = |text: &str| text.to_owned();
    let mut networks: BTreeSet<String> = command.all("network").map(owned).collect();
    if networks.is_empty() {
        networks.insert("podman".into());
    }
    Ok(Container {
        state: State::Created,
        app,
        ready: false,
        log_certain: true,
        ports: command.all("publish").map(owned).collect(),
        volumes: command
            .all("volume")
            .filter_map(|volume| volume.split_once(':'))
            .map(|(name, _)| name.to_owned())
            .collect(),
        networks,
        auto_remove: command.has("rm"),
        policy: match command.last("restart") {
            None | Some("no") => Policy::None,
            Some("always" | "unless-stopped") => Policy::Always,
            Some("on-failure:2") => Policy::OnFailure,
            Some(_) if matches!(app, App::Ends(_)) => return Err(Unsafe("an endless crash loop")),
            Some(_) => Policy::OnFailure,
        },
        has_health: command.has("health-cmd"),
        broken: entrypoint
            || command
                .last("user")
                .is_some_and(|user| user == "nosuchuser"),
        init,
        user: command.has("user"),
        obeys,
        grace: command
            .last("stop-timeout")
            .map_or(Ok(10), str::parse)
            .map_err(|_| Unsafe("not generated"))?,
    })
}
