//! [`Behaviour`]: how the program of a container of another image than the fixture behaves, by a script.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::FIXTURE_IMAGE;
use super::app::App;
use super::container::Event;
use super::reference::full as full_reference;
use super::{MockPodman, State};

/// What a program does, counted from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// It ends with this exit code after this time.
    pub exits: Option<(i32, Duration)>,
    /// The kernel kills it for lack of memory after this time.
    pub oom_after: Option<Duration>,
    /// SIGTERM does nothing to it.
    pub ignores_term: bool,
    /// So long it goes on after SIGTERM.
    pub stops_in: Option<Duration>,
    /// Its health checks fail after this time.
    pub unhealthy_after: Option<Duration>,
}

/// The text tells no behaviour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no behaviour: `exit CODE after TIME`, `oom after TIME`, `ignore term`, `stop in TIME`, `unhealthy after TIME`; several are separated by commas"
)]
pub struct NotABehaviour {
    /// The part that is none.
    pub text: String,
}

impl FromStr for Behaviour {
    type Err = NotABehaviour;

    /// Reads `exit 1 after 30s, ignore term`.
    fn from_str(text: &str) -> Result<Self, NotABehaviour> {
        let mut behaviour = Self::default();
        for part in text.split(',') {
            let bad = || NotABehaviour {
                text: part.trim().to_owned(),
            };
            let words: Vec<&str> = part.split_whitespace().collect();
            let time = |text: &str| duration(text).ok_or_else(bad);
            match words[..] {
                ["exit", code, "after", after] => {
                    let code: u8 = code.parse().map_err(|_| bad())?;
                    behaviour.exits = Some((code.into(), time(after)?));
                }
                ["oom", "after", after] => behaviour.oom_after = Some(time(after)?),
                ["ignore", "term"] => behaviour.ignores_term = true,
                ["stop", "in", after] => behaviour.stops_in = Some(time(after)?),
                ["unhealthy", "after", after] => behaviour.unhealthy_after = Some(time(after)?),
                _ => return Err(bad()),
            }
        }
        Ok(behaviour)
    }
}

/// `300ms`, `1.5s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(digits.parse::<f64>().ok()? * unit).ok()
}

impl State {
    /// The program that a container runs: as its name says, or its image, or what is known of them.
    pub(super) fn app_of(
        &self,
        name: &str,
        image: &str,
        holds_fixture: bool,
        (entrypoint, command): (Option<&str>, &[String]),
    ) -> App {
        let scripted = self
            .behaviours
            .get(name)
            .or_else(|| self.behaviours.get(image));
        match scripted {
            Some(behaviour) => App::Scripted(*behaviour),
            None if holds_fixture => App::of(FIXTURE_IMAGE, entrypoint, command),
            None => App::of(image, entrypoint, command),
        }
    }
}

impl MockPodman {
    /// From now on programs behave so in the container of that name, or in all of that image. One that runs behaves so from
    /// now on; the times count from here.
    pub fn behave(&self, name_or_image: &str, behaviour: Behaviour) {
        self.with(|state, now| {
            let image = full_reference(name_or_image);
            for key in [name_or_image, &image] {
                state.behaviours.insert(key.to_owned(), behaviour);
            }
            let concerned = state.containers.iter_mut().filter(|container| {
                container.name == name_or_image
                    || container.image == image
                    || container.image == name_or_image
            });
            for container in concerned {
                container.app = App::Scripted(behaviour);
                if container.pid != 0 {
                    container
                        .events
                        .retain(|(_, event)| !matches!(event, Event::End(_) | Event::Illness));
                    container.arm(now);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
