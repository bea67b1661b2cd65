//! What goes on inside of containers, and all that is no container.

use super::moves::{Moves, NETWORKS, SECRETS, TAGS, VOLUMES, image};
use super::world::{FIXTURE, State};

impl Moves<'_, '_> {
    pub(super) fn exec(&mut self) -> Vec<String> {
        let name = self.in_state(|state| state == State::Up);
        let app = self.pick(&[
            "/fixture check",
            "/fixture check",
            "/fixture poke unhealthy",
            "/fixture poke healthy",
            "/fixture poke exit 9",
            "/fixture poke exit 0",
            "/fixture write /data/x 'some text'",
            "/fixture write /x text",
            "/fixture cat /data/x",
            "/fixture cat /x",
            "/fixture cat /run/secrets/key",
            "/fixture exit 3",
            "/fixture exit 0",
            "/fixture nosuchcommand",
            "/no/such",
            "nosuch",
        ]);
        let waited = app.contains("poke");
        let line = match self.dice.below(12) {
            0 => format!("podman container exec {name} {app}"),
            1 => format!("podman exec -e A=1 {name} {app}"),
            // What nobody waits for is over when the next one has been waited for.
            2 => {
                let detached = format!("podman exec -d {name} /fixture check");
                let mut lines = self.readied(&name, detached);
                lines.push(format!("podman exec {name} /fixture check"));
                return lines;
            }
            _ => format!("podman exec {name} {app}"),
        };
        if waited {
            self.readied(&name, line)
        } else {
            vec![line]
        }
    }

    pub(super) fn healthcheck(&mut self) -> Vec<String> {
        let checked: Vec<&str> = self
            .world
            .containers
            .iter()
            .filter(|(_, it)| it.has_health)
            .map(|(name, _)| name.as_str())
            .collect();
        let name = if checked.is_empty() || self.dice.chance(20) {
            self.any().to_owned()
        } else {
            self.dice.pick(&checked).to_owned()
        };
        let mut lines = self.readied(&name, format!("podman healthcheck run {name}"));
        if self.dice.chance(50) {
            lines.push(format!(
                "podman inspect --format '{{{{.State.Health.Status}}}}' {name}"
            ));
        }
        lines
    }

    pub(super) fn volume(&mut self) -> Vec<String> {
        let (name, other) = (self.pick(VOLUMES), self.pick(VOLUMES));
        vec![format!(
            "podman {}",
            match self.dice.below(20) {
                0..=4 => format!("volume create {name}"),
                5 => format!("volume create --label app=x {name}"),
                6 => "volume create 'no name'".into(),
                7..=9 => format!("volume rm {name}"),
                10 => format!("volume rm {name} nosuch"),
                11 => format!("volume rm -f -t 0 {name}"),
                12 => format!("volume exists {name}"),
                13 => format!("volume inspect {name} {other}"),
                14 => format!("volume inspect {name}"),
                15 =>
                    format!("volume inspect --format '{{{{.Name}}}} {{{{json .Labels}}}}' {name}"),
                16 => "volume ls --format json".into(),
                17 => "volume ls -q".into(),
                18 => "volume prune -f".into(),
                _ => format!("volume rm {name} {other}"),
            }
        )]
    }

    pub(super) fn network(&mut self) -> Vec<String> {
        let (name, other) = (self.pick(NETWORKS), self.pick(NETWORKS));
        vec![format!(
            "podman {}",
            match self.dice.below(20) {
                0..=4 => format!("network create {name}"),
                5 => format!("network create --label app=x {name}"),
                6 => "network create 'no name'".into(),
                7 => format!("network create --subnet abc {name}"),
                8 | 9 => format!("network rm {name}"),
                10 => format!("network rm {name} nosuch"),
                11 => format!("network rm -f -t 0 {name}"),
                12 => format!("network exists {name}"),
                13 => format!("network inspect {name} {other}"),
                14 => format!("network inspect {name}"),
                15 => "network ls --format '{{.Name}} {{.Driver}}'".into(),
                16 => "network ls -q".into(),
                17 => format!(
                    "network connect {name} {}",
                    self.in_state(|state| state == State::Up)
                ),
                18 => format!(
                    "network disconnect {name} {}",
                    self.in_state(|state| state == State::Up)
                ),
                _ => "network rm podman".into(),
            }
        )]
    }

    pub(super) fn secret(&mut self) -> Vec<String> {
        let name = self.pick(SECRETS);
        let written = self.world.files.contains("text");
        let line = match self.dice.below(16) {
            0..=4 if !written => {
                return vec![
                    "file text hidden".into(),
                    format!("podman secret create {name} $DIR/text"),
                ];
            }
            0..=4 => format!("podman secret create {name} $DIR/text"),
            5 => format!("podman secret create {name} $DIR/nosuch"),
            6 if written => "podman secret create 'no name' $DIR/text".into(),
            7 | 8 => format!("podman secret rm {name}"),
            9 => format!("podman secret rm {name} nosuch"),
            10 => format!("podman secret inspect {name}"),
            11 => format!("podman secret inspect {name} nosuch"),
            12 => format!("podman secret inspect --format '{{{{.Spec.Name}}}}' {name}"),
            13 => "podman secret ls --format '{{.Name}} {{.Driver}}'".into(),
            14 => "podman secret rm -a".into(),
            _ => "podman secret ls --noheading --format '{{.Name}}'".into(),
        };
        vec![line]
    }

    pub(super) fn image(&mut self) -> Vec<String> {
        let (tag, from) = (self.pick(TAGS), image(&mut self.dice));
        let line = match self.dice.below(18) {
            0..=4 => format!("tag {from} {tag}"),
            5 => format!("tag {from} {tag} localhost/third:1"),
            6 => "tag $FIXTURE Bad:Ref".into(),
            7 => format!("tag localhost/nosuch:1 {tag}"),
            8 | 9 => format!("rmi {tag}"),
            10 => format!("rmi -f {tag}"),
            11 => format!("image rm {tag} localhost/nosuch:1"),
            12 => {
                return vec![
                    format!("podman rmi {FIXTURE}"),
                    format!("podman tag {tag} {FIXTURE}"),
                ];
            }
            13 => format!("image exists {from}"),
            14 => format!("image inspect --format '{{{{.RepoTags}}}}' {from} localhost/nosuch:1"),
            15 => "images --format '{{.Repository}}:{{.Tag}}'".into(),
            16 => format!("image inspect {from}"),
            _ => "images --format json".into(),
        };
        vec![format!("podman {line}")]
    }
}
