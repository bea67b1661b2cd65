//! What may come next: a move is one step, or a few that belong together. The world says whether it is safe.

use super::dice::Dice;
use super::world::{App, FIXTURE, State, World};

/// The names that sequences work with; few, so that they clash. None is made of hexadecimal digits alone: it would be the
/// beginning of some container's id now and then.
pub(super) const CONTAINERS: &[&str] = &["web", "lnd", "tor"];
pub(super) const VOLUMES: &[&str] = &["data", "logs"];
pub(super) const NETWORKS: &[&str] = &["one", "two"];
pub(super) const SECRETS: &[&str] = &["key", "token"];
pub(super) const TAGS: &[&str] = &["localhost/other:1", "localhost/other:2"];

/// Draws moves.
pub(super) struct Moves<'a, 'r> {
    pub(super) dice: Dice<'r>,
    pub(super) world: &'a World,
}

type Draw = fn(&mut Moves<'_, '_>) -> Vec<String>;

/// Families of commands, and how often each is drawn.
const FAMILIES: &[(usize, Draw)] = &[
    (24, |moves| vec![moves.create()]),
    (8, |moves| moves.start()),
    (9, |moves| moves.stop()),
    (4, |moves| moves.restart()),
    (7, |moves| moves.kill()),
    (7, |moves| moves.pause()),
    (9, |moves| moves.rm()),
    (1, |moves| {
        vec![format!(
            "podman rename {} {}",
            moves.any(),
            moves.pick(&["web", "lnd", "tor", "old", "'no name'"])
        )]
    }),
    (12, |moves| moves.ps()),
    (9, |moves| moves.inspect()),
    (4, |moves| {
        vec![format!("podman container exists {}", moves.any())]
    }),
    (4, |moves| moves.logs()),
    (4, |moves| moves.wait()),
    (9, |moves| moves.exec()),
    (3, |moves| moves.healthcheck()),
    (8, |moves| moves.volume()),
    (8, |moves| moves.network()),
    (6, |moves| moves.secret()),
    (6, |moves| moves.image()),
    (2, |moves| moves.general()),
    (2, |moves| moves.kill_process()),
];

impl Moves<'_, '_> {
    /// Any move, safe or not.
    pub(super) fn draw(&mut self) -> Vec<String> {
        let family = self.dice.weighted(FAMILIES);
        family.map_or_else(Vec::new, |family| family(self))
    }

    pub(super) fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        self.dice.pick(of)
    }

    /// A container's name; now and then one that is never there.
    pub(super) fn any(&mut self) -> &'static str {
        if self.dice.chance(8) {
            "nosuch"
        } else {
            self.pick(CONTAINERS)
        }
    }

    /// A container in one of these states, if there is one; sometimes just any.
    pub(super) fn in_state(&mut self, fits: fn(State) -> bool) -> String {
        let fitting: Vec<&str> = self
            .world
            .containers
            .iter()
            .filter(|(_, it)| fits(it.state))
            .map(|(name, _)| name.as_str())
            .collect();
        if fitting.is_empty() || self.dice.chance(22) {
            self.any().to_owned()
        } else {
            self.dice.pick(&fitting).to_owned()
        }
    }

    /// A command on one container, or on several.
    pub(super) fn names(&mut self, fits: fn(State) -> bool) -> String {
        let mut names = self.in_state(fits);
        if self.dice.chance(15) {
            names = format!("{names} {}", self.any());
        }
        names
    }

    /// Waits until the app listens, where it is one that does and nobody has waited yet.
    pub(super) fn readied(&mut self, name: &str, then: String) -> Vec<String> {
        let waits = self
            .world
            .containers
            .get(name)
            .filter(|it| it.state == State::Up && it.app == App::Serve && !it.ready);
        match waits {
            Some(it) if it.init => vec![
                format!("podman exec {name} /fixture check --port 8080"),
                then,
            ],
            Some(_) => vec![format!("podman exec {name} /fixture check"), then],
            None => vec![then],
        }
    }

    /// `-t N`, in one of its forms.
    pub(super) fn time(&mut self, seconds: usize) -> String {
        match self.dice.below(5) {
            0 => format!("-t{seconds}"),
            1 => format!("--time {seconds}"),
            2 => format!("--time={seconds}"),
            _ => format!("-t {seconds}"),
        }
    }

    fn start(&mut self) -> Vec<String> {
        let names = self.names(|state| matches!(state, State::Created | State::Exited));
        vec![format!(
            "podman {} {names}",
            self.pick(&["start", "start", "start", "container start", "start --"])
        )]
    }

    fn stop(&mut self) -> Vec<String> {
        let name = self.in_state(|state| state == State::Up);
        let (zero, one) = (self.time(0), self.time(1));
        let options = match self.dice.below(12) {
            0 => String::new(),
            1 => format!("-i {zero}"),
            2 => format!("--ignore {one}"),
            3 => "-t abc".into(),
            4 => "--nosuchflag".into(),
            5..=8 => one,
            _ => zero,
        };
        let line = match self.dice.below(8) {
            0 => format!("podman stop {name} {options}"),
            1 => format!("podman stop {options} {name} {}", self.any()),
            2 => format!("podman stop {options} -- {name}"),
            _ => format!("podman stop {options} {name}"),
        };
        self.readied(&name, line)
    }

    fn restart(&mut self) -> Vec<String> {
        let names = self.names(|state| state != State::Paused);
        let seconds = self.dice.below(2);
        let time = self.time(seconds);
        let first = names.split(' ').next().unwrap_or_default().to_owned();
        self.readied(&first, format!("podman restart {time} {names}"))
    }

    fn kill(&mut self) -> Vec<String> {
        let names = self.names(|state| state == State::Up);
        let signal = self.pick(&[
            "",
            "",
            "-s KILL ",
            "--signal=SIGKILL ",
            "-s 9 ",
            "-s TERM ",
            "-s TERM ",
            "--signal SIGINT ",
            "-s 15 ",
            "-s HUP ",
            "-s USR1 ",
            "-s NOSIG ",
        ]);
        let first = names.split(' ').next().unwrap_or_default().to_owned();
        self.readied(&first, format!("podman kill {signal}{names}"))
    }

    fn pause(&mut self) -> Vec<String> {
        let paused = self
            .world
            .containers
            .values()
            .any(|it| it.state == State::Paused);
        let line = if paused && self.dice.chance(65) {
            format!(
                "podman unpause {}",
                self.names(|state| state == State::Paused)
            )
        } else {
            let command = self.pick(&["pause", "pause", "pause", "container pause", "unpause"]);
            format!(
                "podman {command} {}",
                self.names(|state| state == State::Up)
            )
        };
        vec![line]
    }

    fn rm(&mut self) -> Vec<String> {
        let names = self.names(|_| true);
        let zero = self.time(0);
        let line = match self.dice.below(12) {
            0..=3 => format!("podman rm {names}"),
            4 => format!("podman rm -i {names}"),
            5 => format!("podman rm -v {names}"),
            6 => format!("podman rm -fv {zero} {names}"),
            7 => format!("podman rm --force {names}"),
            8 => format!("podman container rm -f {zero} -- {names}"),
            9 => format!("podman rm {names} -ft0"),
            10 if self.dice.chance(30) => format!("podman rm -a -f {zero}"),
            _ => format!("podman rm -f {zero} {names}"),
        };
        let first = names.split(' ').next().unwrap_or_default().to_owned();
        self.readied(&first, line)
    }

    fn ps(&mut self) -> Vec<String> {
        const FORMATS: &[&str] = &[
            "--format json",
            "--format json",
            "--format '{{.Names}} {{.State}}'",
            "--format '{{.Names}} {{.Status}}'",
            "--format '{{.ID}} {{.Image}}'",
            "--format '{{.Names}}: {{.Ports}}'",
            "--format '{{.Names}} {{.Labels}}'",
            "--format={{.Names}}",
            "--format '{{.Names}} {{.Networks}}'",
            "--format '{{.Names}} {{.Mounts}}'",
            "--format '{{.Names}} {{.ExitCode}} {{.Exited}}'",
            "--format '{{.Names}} {{.Command}}'",
            "-q",
            "--no-trunc -q",
            "--quiet --no-trunc",
            "--format '{{json .Names}}'",
            "--format 'table {{.Names}} {{.Image}}'",
            "--noheading --format 'table {{.Names}}'",
            "--format '{{.NoSuch}}'",
            "",
        ];
        const FILTERS: &[&str] = &[
            "name=o",
            "name=^lnd$",
            "name=^[wl]",
            "status=running",
            "status=exited",
            "status=created",
            "status=paused",
            "label=app",
            "label=app=x",
            "label=tier=1",
            "volume=data",
            "network=one",
            "network=podman",
            "exited=3",
            "exited=0",
            "exited=137",
            "status=nosuch",
            "nosuch=1",
            "restart-policy=always",
            "health=starting",
            "ancestor=$FIXTURE",
            "ancestor=localhost/other:1",
        ];
        let all = self.pick(&["-a", "-a", "-a", "--all", "", "--all=false"]);
        let mut line = format!(
            "podman {} {all}",
            self.pick(&[
                "ps",
                "ps",
                "ps",
                "ps",
                "container ls",
                "--log-level error ps"
            ])
        );
        for _ in 0..[0, 0, 0, 1, 1, 2][self.dice.below(6)] {
            let flag = self.pick(&["--filter", "-f"]);
            line = format!("{line} {flag} {}", self.pick(FILTERS));
        }
        let format = self.pick(FORMATS);
        vec![
            format!("{line} {format}")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        ]
    }

    fn inspect(&mut self) -> Vec<String> {
        const FORMATS: &[&str] = &[
            "",
            "",
            "--format '{{.State.Status}} {{.State.ExitCode}}' ",
            "--format '{{.Name}} {{.State.Running}} {{.State.Paused}}' ",
            "-f '{{.RestartCount}} {{.HostConfig.RestartPolicy.Name}}' ",
            "--format '{{json .Config.Labels}}' ",
            "--format '{{.Config.StopTimeout}} {{.Config.StopSignal}}' ",
            "--format '{{.ImageName}}' ",
            "--format '{{len .Mounts}} {{.HostConfig.AutoRemove}}' ",
            "--format '{{json .Config.Cmd}}' ",
            "--format '{{.HostConfig.Memory}} {{.HostConfig.NetworkMode}}' ",
            "--format '{{json .HostConfig.PortBindings}}' ",
            "--format '{{.State.OOMKilled}} {{.State.Pid}}' ",
            "--format '{{.NoSuch}}' ",
        ];
        let command = self.pick(&[
            "inspect",
            "inspect",
            "container inspect",
            "container inspect",
        ]);
        let format = self.pick(FORMATS);
        vec![format!("podman {command} {format}{}", self.names(|_| true))]
    }

    fn logs(&mut self) -> Vec<String> {
        let name = self.in_state(|_| true);
        let tail = self.pick(&["", "", "--tail 1 ", "--tail=0 ", "--tail 100 "]);
        self.readied(&name, format!("podman logs {tail}{name}"))
    }

    fn wait(&mut self) -> Vec<String> {
        let names = self.names(|state| state == State::Exited);
        vec![format!(
            "podman {} {names}",
            self.pick(&[
                "wait",
                "wait",
                "wait",
                "container wait",
                "wait --condition=running"
            ])
        )]
    }

    fn kill_process(&mut self) -> Vec<String> {
        vec![format!(
            "kill-process {}",
            self.in_state(|state| state == State::Up)
        )]
    }

    fn general(&mut self) -> Vec<String> {
        vec![format!("podman {}", self.pick(&[
            "version --format '{{.Client.Version}}'", "info --format '{{.Store.ContainerStore.Number}} {{.Store.ContainerStore.Running}}'",
            "info --format '{{.Version.Version}}'", "--version", "nosuchcmd", "ps --nosuchflag", "start", "rm",
            "container exists", "volume nosuch", "info -f '{{.Host.NetworkBackend}}'", "--log-level=error ps -aq",
        ]))]
    }
}

/// A reference of the fixture image that is there, most of the time.
pub(super) fn image(dice: &mut Dice<'_>) -> &'static str {
    if dice.chance(85) {
        FIXTURE
    } else {
        dice.pick(TAGS)
    }
}
