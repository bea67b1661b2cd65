//! What tests do to a [`MockPodman`] from outside: images that are there, and everything that goes wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use super::registry::RegistryAnswer;
use super::state::State;
use super::thing::Thing;
use super::{MockPodman, images, reference};
use crate::container::status::ContainerState;

/// How a pull fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullFault {
    /// The registry refuses connections: podman tries for 3 s.
    Unreachable,
    /// The registry wants a login.
    Unauthorized,
    /// There is no such tag or repository.
    ManifestUnknown,
    /// 429: podman tries for two minutes.
    RateLimited,
    /// No space left on the device.
    DiskFull,
    /// The registry accepts the connection and never answers.
    Hangs,
    /// 403.
    Denied,
    /// 5xx: the number. podman 5.8 tries a 503 for 3 s.
    ServerError(u16),
    /// The connection ends in the middle of an answer.
    CutOff,
}

impl MockPodman {
    /// Puts an image into local storage. A missing tag is `latest`.
    pub fn add_image(&self, reference: &str) {
        self.with(|state, _| images::add(state, reference));
    }

    /// Takes an image out of local storage; containers made from it stay.
    pub fn remove_image(&self, reference: &str) {
        self.with(|state, _| state.images.remove(&reference::full(reference)));
    }

    /// The next `times` pulls of `reference` find the registry down.
    pub fn fail_pull(&self, reference: &str, times: u32) {
        self.fail_pull_with(reference, times, PullFault::Unreachable);
    }

    /// The next `times` pulls of `reference` fail in this way.
    pub fn fail_pull_with(&self, reference: &str, times: u32, fault: PullFault) {
        let reference = reference::full(reference);
        self.with(|state, _| state.faults.pull.insert(reference, (fault, times)));
    }

    /// Pulls of `reference` succeed, and the image is not there afterwards.
    pub fn lose_pulled_image(&self, reference: &str) {
        let reference = reference::full(reference);
        self.with(|state, _| state.faults.pull_loses.insert(reference));
    }

    /// How long a successful pull takes from now on.
    pub fn pull_delay_ms(&self, millis: u64) {
        self.with(|state, _| state.faults.pull_delay = Duration::from_millis(millis));
    }

    /// The next `times` starts of the container of that name fail; it need not exist yet.
    pub fn fail_start(&self, name: &str, times: u32) {
        self.with(|state, _| state.faults.start.insert(name.to_owned(), times));
    }

    /// The next `times` looks at the log of the container of that name find one empty line, as podman 4.3 does on a busy
    /// machine for a container that has just ended.
    pub fn delay_log(&self, name: &str, times: u32) {
        self.with(|state, _| state.faults.log.insert(name.to_owned(), times));
    }

    /// The next `times` programs that are run in the container of that name by `podman exec` end with `code` and write
    /// `text` to standard error. 126 and 127 are what podman makes of a program that cannot be run.
    pub fn fail_exec(&self, name: &str, times: u32, code: i32, text: &str) {
        self.with(|state, _| {
            let fault = (times, code, text.to_owned());
            state.faults.exec.insert(name.to_owned(), fault)
        });
    }

    /// podman's event streams end: whoever follows one has to begin again.
    pub fn end_event_streams(&self) {
        self.with(|state, _| state.streams += 1);
    }

    /// Whether podman refuses to follow events from now on.
    pub fn refuse_events(&self, refuses: bool) {
        self.with(|state, _| state.faults.no_events = refuses);
    }

    /// Writes a line into the event streams as it is.
    pub fn write_to_event_streams(&self, line: &str) {
        self.with(|state, _| state.log_line(line));
    }

    /// podman can neither list nor inspect the container of that name from now on. On podman 4.3 it can then list none at
    /// all.
    pub fn break_container(&self, name: &str) {
        self.with(|state, _| state.faults.broken.insert(name.to_owned()));
    }

    /// A process outside of podman listens on this host port from now on.
    pub fn take_port(&self, port: u16) {
        self.with(|state, _| state.faults.ports.insert(port));
    }

    /// Somebody kills the container's main process from outside: exit code 137, podman's restart policy applies.
    /// False when there is no such container, or it does not run.
    pub fn kill_process(&self, name: &str) -> bool {
        self.with(|state, now| match state.find_mut(name) {
            Some(container) if container.pid != 0 && !container.is_ghost => {
                if container.has_lost_monitor {
                    container.become_ghost();
                } else {
                    container.end(now, 137, false);
                }
                true
            }
            Some(_) | None => false,
        })
    }

    /// The container's main process and podman's monitor of it are both killed: podman goes on to say that it
    /// runs. False when there is no such container, or it does not run.
    pub fn kill_process_and_monitor(&self, name: &str) -> bool {
        self.kill_monitor(name) && self.kill_process(name)
    }

    /// podman's monitor of the container is killed, and the main process goes on: podman will not see its end, and cannot
    /// stop it properly. False when there is no such container, or it does not run.
    pub fn kill_monitor(&self, name: &str) -> bool {
        self.with(|state, _| {
            let refuses_removal = Profile::of(state.version).refusals_of_a_lost_one();
            match state.find_mut(name) {
                Some(container) if container.state == ContainerState::Running => {
                    container.has_lost_monitor = true;
                    container.refuses_removal = refuses_removal;
                    true
                }
                Some(_) | None => false,
            }
        })
    }

    /// From now on the registry `host`, with its port, answers so to every pull of which nothing else was said.
    pub fn set_registry(&self, host: &str, answer: RegistryAnswer) {
        self.with(|state, _| state.faults.registries.insert(host.to_owned(), answer));
    }

    /// The registry of that reference has this image, which is the fixture under another name; of what else it is asked for
    /// and was not given so it says that it has none.
    pub fn publish(&self, reference: &str) {
        let reference = reference::full(reference);
        self.with(|state, _| {
            let digest = format!("sha256:{}", state.new_id());
            state.faults.published.entry(reference).or_insert(digest);
        });
    }

    /// From now on the container's health checks pass, or do not: for containers of images other than the fixture.
    pub fn set_healthy(&self, name: &str, is_healthy: bool) -> bool {
        self.with(|state, _| match state.find_mut(name) {
            Some(container) => {
                container.set_health(is_healthy);
                true
            }
            None => false,
        })
    }

    /// The machine goes down without warning and comes up again, at the same time of day. No container runs
    /// afterwards, as where no service starts those of the policy `always`; commands that were under way end with an error.
    pub fn power_loss(&self) {
        self.with(|state, _| {
            state.boot += 1;
            state.log.clear();
            let is_4 = state.is_4();
            let profile = Profile::of(state.version);
            for container in &mut state.containers {
                container.lose_power(is_4, profile);
            }
            if !is_4 {
                // podman 5 removes `--rm` containers at its first command after the boot.
                while let Some(index) = state.containers.iter().position(|c| c.auto_remove) {
                    state.drop_container(index, true);
                }
            }
            state.log_thing(&Thing::new("system", "refresh"));
        });
    }

    /// As [`power_loss`](Self::power_loss) of a machine where `/run` is no tmpfs: podman does not notice that there was a boot.
    /// podman 5 goes on to say that containers run, are paused or stop; podman 4.3 can tell of none that was running or paused,
    /// and list nothing, until they are removed.
    pub fn power_loss_keeping_run(&self) {
        self.with(|state, _| {
            state.boot += 1;
            let profile = Profile::of(state.version);
            let is_blind = profile.cannot_join_lost_networks();
            let State {
                containers, faults, ..
            } = state;
            for container in containers.iter_mut().filter(|container| container.pid != 0) {
                container.become_ghost();
                container.has_lost_monitor = true;
                container.refuses_removal = profile.refusals_of_a_lost_one();
                if is_blind {
                    faults.broken.insert(container.name.clone());
                }
            }
        });
    }
}
