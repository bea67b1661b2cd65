//! `create` and `run` with many options.

use super::moves::{CONTAINERS, Moves, NETWORKS, SECRETS, VOLUMES, image};

/// Options that podman refuses, or whose start it refuses.
const REFUSED: &[&str] = &[
    "--memory 12zz",
    "--publish 99999:80",
    "--restart bogus",
    "--volume data:/data:zz9",
    "--volume data:relative",
    "--stop-signal NOSIG",
    "--secret nosuch",
    "--network nosuch",
    "--nosuchflag",
    "--entrypoint /no/such",
    "--entrypoint nosuch",
    "--user nosuchuser",
    "--volume /no/such/dir:/x",
    "--stop-timeout x",
];

impl Moves<'_, '_> {
    pub(super) fn create(&mut self) -> String {
        let free: Vec<&str> = CONTAINERS
            .iter()
            .copied()
            .filter(|name| !self.world.containers.contains_key(*name))
            .collect();
        let name = match self.dice.below(100) {
            0 => "'no name'",
            1 => "-x",
            2..=74 if !free.is_empty() => self.dice.pick(&free),
            _ => self.pick(CONTAINERS),
        };
        // Of the name that is used most, few are made that end by themselves, so that there is something to work on.
        let app = self.pick(&[
            "serve 8080",
            "serve 8080",
            "serve 8080",
            "serve 8080",
            "serve 8080",
            "serve 8080",
            "ignore-term",
            "exit 0",
            "exit 3",
            "exit 1",
            "nosuchcommand",
        ]);
        let ends = !(app.starts_with("serve") || app.starts_with("ignore"));
        let foreground = ends && self.dice.chance(30);
        let mut words: Vec<String> = vec!["podman".into()];
        words.push(
            match (foreground, self.dice.below(10)) {
                (true, 0..=4) => "run --rm",
                (true, _) => "run",
                (false, 0..=2) => "create",
                (false, 3) => "run --detach",
                (false, _) => "run -d",
            }
            .into(),
        );
        let mut options = self.options(ends);
        options.push(if self.dice.chance(20) {
            format!("--name={name}")
        } else {
            format!("--name {name}")
        });
        if self.dice.chance(8) {
            options.push("--replace".into());
        }
        if self.dice.chance(10) {
            options.push(self.pick(REFUSED).into());
        }
        // The order of options means nothing.
        while !options.is_empty() {
            let at = self.dice.below(options.len());
            words.push(options.swap_remove(at));
        }
        let image = match self.dice.below(30) {
            0 => "localhost/nosuch:1",
            _ => image(&mut self.dice),
        };
        if image != super::world::FIXTURE || self.dice.chance(5) {
            words.push(self.pick(&["--pull=never", "--pull never"]).into());
        }
        words.push(image.into());
        words.push(app.into());
        words.join(" ")
    }

    fn options(&mut self, ends: bool) -> Vec<String> {
        let mut options: Vec<String> = Vec::new();
        let volume = self.pick(VOLUMES);
        let network = self.pick(NETWORKS);
        let secret = self.pick(SECRETS);
        let port = self.pick(&["8081", "8082"]);
        let restart = if ends {
            self.pick(&["no", "on-failure:2"])
        } else {
            self.pick(&[
                "no",
                "on-failure:2",
                "always",
                "unless-stopped",
                "on-failure",
            ])
        };
        let network_is_there = self.world.networks.contains(network);
        let secret_is_there = self.world.secrets.contains(secret);
        let mut with = |percent: usize, option: String| {
            if self.dice.chance(percent) {
                options.push(option);
            }
        };
        with(20, "--label app=x".into());
        with(10, "-l tier=1".into());
        with(5, "--label=empty".into());
        with(10, "--env A=1".into());
        with(5, "-e 'B=two words'".into());
        with(18, format!("--publish 127.0.0.1:{port}:8080"));
        with(3, "-p 8082:8080/udp".into());
        with(15, format!("--volume {volume}:/data"));
        with(5, format!("-v {volume}:/more:ro"));
        with(7, "--volume /anonymous".into());
        with(
            if network_is_there { 45 } else { 3 },
            format!("--network {network}"),
        );
        with(3, "--network none".into());
        with(
            if secret_is_there { 35 } else { 2 },
            format!("--secret {secret}"),
        );
        with(15, format!("--restart {restart}"));
        with(8, "--memory 64m".into());
        with(15, "--stop-timeout 1".into());
        with(4, "--stop-timeout=7".into());
        with(6, "--stop-signal INT".into());
        with(2, "--stop-signal SIGKILL".into());
        with(6, "--init".into());
        with(4, "--user 1000".into());
        with(3, "--entrypoint /fixture".into());
        let check = self.pick(&[
            "[\"/fixture\", \"check\"]",
            "[\"/fixture\", \"check\"]",
            // Through a shell, which the image does not have.
            "/fixture check",
        ]);
        if self.dice.chance(15) {
            options.push(format!(
                "--health-cmd '{check}' --health-interval disable --health-retries 2"
            ));
        }
        options
    }
}
