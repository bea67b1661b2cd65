//! One container: its state, and how it goes from one to the next as time passes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::app::{App, Ending, Line};
use super::given::SecretEnv;
use super::health::{HealthCheck, HealthTrack, HealthWord};
use super::options::Options;
use super::profile::Profile;
use crate::container::status::ContainerState;

/// A mounted volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mount {
    pub(super) volume: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) is_read_only: bool,
}

impl Mount {
    /// Whether it is a path of the machine and no volume.
    pub(super) fn is_bind(&self) -> bool {
        self.volume.starts_with('/')
    }
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Port {
    pub(super) host_ip: String,
    pub(super) host: u16,
    pub(super) container: u16,
    pub(super) protocol: String,
}

/// podman's own restart policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Restart {
    No,
    /// The number of restarts, without end for `None`.
    OnFailure(Option<u32>),
    Always,
    UnlessStopped,
}

impl Restart {
    /// As `ps --filter restart-policy=` has it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure(_) => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }
}

/// An entry of podman's event log that is yet to be written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct News {
    pub(super) status: Cow<'static, str>,
    /// Of `died`.
    pub(super) exit_code: Option<i32>,
    /// Of `health_status`.
    pub(super) health: Option<HealthWord>,
}

/// What happens by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Event {
    /// The main process ends.
    End(Ending),
    /// podman's cleanup has run: the container is exited, or starts again.
    Tidy,
    /// Health checks begin to fail.
    Illness,
    /// A health check runs.
    Health,
}

/// How long podman's cleanup takes: so long an ended container is `stopped`.
const TIDY: Duration = Duration::from_millis(150);

/// One container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) image_id: String,
    /// Whether its image holds the fixture app.
    pub(super) holds_fixture: bool,
    pub(super) entrypoint: Option<String>,
    pub(super) command: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) env: Vec<String>,
    pub(super) ports: Vec<Port>,
    pub(super) mounts: Vec<Mount>,
    pub(super) network: String,
    /// Networks that it was connected to later.
    pub(super) joined: Vec<String>,
    /// What its program was told to answer to whether all is well.
    pub(super) told_well: Option<bool>,
    /// Ids of `exec` sessions that podman still knows.
    pub(super) sessions: Vec<String>,
    pub(super) restart: Restart,
    /// Seconds.
    pub(super) stop_timeout: u64,
    pub(super) init: bool,
    pub(super) auto_remove: bool,
    /// Bytes.
    pub(super) memory: Option<u64>,
    pub(super) check: Option<HealthCheck>,
    pub(super) app: App,
    #[serde(default)]
    pub(super) options: Options,
    /// podman has made the file for the runtime: it was started, or nearly.
    #[serde(default)]
    pub(super) has_spec: bool,
    /// It was started more than once.
    pub(super) has_begun_again: bool,
    /// Its `resolv.conf` and such are there; they lie in `/run`.
    #[serde(default)]
    pub(super) has_run_files: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) state: ContainerState,
    pub(super) pid: u32,
    pub(super) exit_code: i32,
    pub(super) oom_killed: bool,
    pub(super) error: String,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    pub(super) restart_count: u32,
    /// The exit code that podman's database has; it is lost with `/run`.
    #[serde(default)]
    pub(super) known_code: Option<i32>,
    /// Since when its time stands still.
    #[serde(default)]
    pub(super) paused_at: Option<DateTime<Utc>>,
    /// podman's own restarts are off: somebody stopped or killed it.
    pub(super) is_stopped_on_purpose: bool,
    /// Its process and its monitor are both gone, and podman has not noticed.
    pub(super) is_ghost: bool,
    /// Its monitor is gone: nobody will see its end.
    pub(super) has_lost_monitor: bool,
    /// Forced removals that podman will still refuse.
    pub(super) refuses_removal: u32,
    pub(super) health: Option<HealthTrack>,
    /// What it wrote, and when.
    pub(super) logs: Vec<(DateTime<Utc>, Line)>,
    /// Secrets that are variables: read anew at each start.
    pub(super) secret_env: Vec<SecretEnv>,
    /// Secrets that are files, by path: read when the container was made.
    pub(super) secret_files: BTreeMap<String, String>,
    /// Files outside of volumes.
    pub(super) files: BTreeMap<String, String>,
    pub(super) events: Vec<(DateTime<Utc>, Event)>,
    /// What podman's event log has not been told yet.
    pub(super) news: Vec<News>,
}

/// podman's stop timeout in seconds where none is given.
pub(super) const DEFAULT_STOP_TIMEOUT: u64 = 10;

impl Container {
    /// A container that was never started, with nothing that somebody asked for; its image is missing.
    pub(super) fn bare(id: String, name: String, created_at: DateTime<Utc>) -> Self {
        Self {
            id,
            name,
            created_at,
            image: String::new(),
            image_id: String::new(),
            holds_fixture: false,
            app: App::Server,
            entrypoint: None,
            command: Vec::new(),
            labels: BTreeMap::new(),
            env: Vec::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            network: "podman".to_owned(),
            joined: Vec::new(),
            told_well: None,
            sessions: Vec::new(),
            restart: Restart::No,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            init: false,
            auto_remove: false,
            memory: None,
            check: None,
            options: Options::default(),
            has_spec: false,
            has_begun_again: false,
            has_run_files: false,
            state: ContainerState::Created,
            pid: 0,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
            restart_count: 0,
            known_code: None,
            paused_at: None,
            is_stopped_on_purpose: false,
            is_ghost: false,
            has_lost_monitor: false,
            refuses_removal: 0,
            health: None,
            logs: Vec::new(),
            secret_env: Vec::new(),
            secret_files: BTreeMap::new(),
            files: BTreeMap::new(),
            events: Vec::new(),
            news: Vec::new(),
        }
    }

    /// Whether podman's table of exit codes, which no boot outlives, has nothing of it.
    pub(super) fn lost_its_code(&self) -> bool {
        self.state == ContainerState::Exited
            && self.started_at.is_some()
            && self.known_code.is_none()
    }

    /// Whether its program answers that all is well.
    pub(super) fn is_well(&self) -> bool {
        self.told_well.unwrap_or_else(|| self.app.is_healthy())
    }

    /// The names of the networks that it is in; `host` and `none` are none.
    pub(super) fn networks(&self) -> impl Iterator<Item = &str> {
        let first = (!matches!(self.network.as_str(), "host" | "none")).then_some(&self.network);
        first.into_iter().chain(&self.joined).map(String::as_str)
    }

    /// The main process starts.
    pub(super) fn begin(&mut self, now: DateTime<Utc>, pid: u32) {
        self.sessions.clear();
        self.has_begun_again |= self.started_at.is_some();
        self.state = ContainerState::Running;
        self.pid = pid;
        self.exit_code = 0;
        self.oom_killed = false;
        self.told_well = None;
        self.error.clear();
        // The end of an earlier run stays as it is.
        self.started_at = Some(now);
        self.has_spec = true;
        self.has_run_files = true;
        self.is_stopped_on_purpose = false;
        self.has_lost_monitor = false;
        let words = self.app.first_words();
        self.logs.extend(words.into_iter().map(|line| (now, line)));
        self.events.clear();
        self.tell("init");
        self.tell("start");
        self.begin_checks(now);
        self.arm(now);
    }

    /// What the program does by itself is due from now on.
    pub(super) fn arm(&mut self, now: DateTime<Utc>) {
        if let Some(after) = self.app.unhealthy_after() {
            self.events.push((now + after, Event::Illness));
        }
        if let Some(ending) = self.app.own_end(self.memory) {
            self.will_end(now, ending);
        }
    }

    /// The main process will come to this end, unless another comes first.
    pub(super) fn will_end(&mut self, now: DateTime<Utc>, ending: Ending) {
        self.events.push((now + ending.after, Event::End(ending)));
    }

    /// The main process has ended: the container is `stopped`, soon to be tidied up.
    pub(super) fn end(&mut self, now: DateTime<Utc>, code: i32, oom: bool) {
        self.state = ContainerState::Stopped;
        self.pid = 0;
        self.exit_code = code;
        self.known_code = Some(code);
        self.paused_at = None;
        self.oom_killed = oom;
        self.finished_at = Some(now);
        self.news.push(News {
            status: "died".into(),
            exit_code: Some(code),
            health: None,
        });
        self.events.clear();
        self.events.push((now + TIDY, Event::Tidy));
    }

    /// The main process is gone as its monitor is, and podman does not know.
    pub(super) fn become_ghost(&mut self) {
        self.is_ghost = true;
        self.events.clear();
    }

    /// A signal that it may survive reaches the main process.
    pub(super) fn signal(&mut self, now: DateTime<Utc>, number: u8) {
        let reaction = self.app.on_signal(number, self.init);
        let words = reaction.words.into_iter();
        self.logs.extend(words.map(|line| (now, line)));
        if let Some(ending) = reaction.ending {
            self.will_end(now, ending);
        }
    }

    /// From now on its time stands still.
    pub(super) fn pause(&mut self, now: DateTime<Utc>) {
        self.state = ContainerState::Paused;
        self.paused_at = Some(now);
        self.tell("pause");
    }

    /// Its time goes on.
    pub(super) fn unpause(&mut self, now: DateTime<Utc>) {
        self.state = ContainerState::Running;
        let stood = self
            .paused_at
            .take()
            .map_or(TimeDelta::zero(), |at| now - at);
        for (at, event) in &mut self.events {
            // The timer of the checks is not the container's.
            if matches!(event, Event::Health) {
                *at = (*at).max(now);
            } else {
                *at += stood;
            }
        }
        self.tell("unpause");
    }

    /// Kills the main process, and tidies up at once: what `kill` and `stop` do before they return.
    pub(super) fn kill(&mut self, now: DateTime<Utc>) {
        self.is_stopped_on_purpose = true;
        self.end(now, 137, false);
        self.exit();
    }

    /// The cleanup that leads to no restart.
    pub(super) fn exit(&mut self) {
        self.state = ContainerState::Exited;
        self.events.clear();
        if !self.auto_remove {
            self.tell("cleanup");
        }
    }

    /// For podman's event log.
    pub(super) fn tell(&mut self, status: &'static str) {
        self.news.push(News {
            status: status.into(),
            exit_code: None,
            health: None,
        });
    }

    /// When something happens next.
    pub(super) fn next_event(&self) -> Option<DateTime<Utc>> {
        if self.state == ContainerState::Paused {
            return None;
        }
        self.events.iter().map(|(at, _)| *at).min()
    }

    /// Lets the event that is due at `at` happen. True: the container is to be removed (`--rm`).
    pub(super) fn take_event(&mut self, at: DateTime<Utc>, pid: u32, is_4: bool) -> bool {
        let Some(index) = self.events.iter().position(|(due, _)| *due == at) else {
            return false;
        };
        match self.events.remove(index).1 {
            Event::End(_) if self.has_lost_monitor => {
                self.become_ghost();
                false
            }
            Event::End(ending) => {
                let words = ending.last_words.into_iter();
                self.logs.extend(words.map(|line| (at, line)));
                self.end(at, ending.code, ending.oom);
                false
            }
            Event::Illness => {
                self.set_health(false);
                false
            }
            Event::Health => {
                self.check_by_timer(at, is_4);
                self.auto_remove && self.state == ContainerState::Exited
            }
            Event::Tidy if self.restarts() => {
                let count = self.restart_count + 1;
                self.tell("restart");
                self.begin(at, pid);
                self.restart_count = count;
                false
            }
            Event::Tidy => {
                self.exit();
                self.auto_remove
            }
        }
    }

    fn restarts(&self) -> bool {
        self.restarts_for_health()
            || !self.is_stopped_on_purpose
                && match self.restart {
                    Restart::No => false,
                    Restart::OnFailure(limit) => {
                        self.exit_code != 0 && limit.is_none_or(|limit| self.restart_count < limit)
                    }
                    Restart::Always | Restart::UnlessStopped => true,
                }
    }

    /// What power loss makes of it. `is_4`: as podman 4.3 has it.
    pub(super) fn lose_power(&mut self, is_4: bool, profile: &Profile) {
        if profile.forgets_at_boot_who_stopped_it() {
            self.is_stopped_on_purpose = false;
        }
        self.events.clear();
        self.is_ghost = false;
        self.has_lost_monitor = false;
        self.known_code = None;
        self.paused_at = None;
        self.restart_count = 0;
        self.has_run_files = false;
        if self.health.is_some() {
            self.health = Some(HealthTrack::forgotten());
        }
        match self.state {
            ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Stopping
            | ContainerState::Initialized => {
                self.pid = 0;
                self.exit_code = 0;
                self.oom_killed = false;
                // The end of an earlier run stays where there was one.
                self.state = if is_4 {
                    ContainerState::Created
                } else {
                    ContainerState::Exited
                };
            }
            ContainerState::Stopped => self.state = ContainerState::Exited,
            ContainerState::Created
            | ContainerState::Exited
            | ContainerState::Removing
            | ContainerState::Unknown(_) => {}
        }
    }
}
