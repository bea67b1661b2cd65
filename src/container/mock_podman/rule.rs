//! [`FaultRule`]: what goes wrong with which commands.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::behaviour::duration;
use super::reply::{Answer, Refused, Reply, refuse};
use super::{MockPodman, State};

/// What a fault does to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultEffect {
    /// It does nothing, and fails.
    Fail {
        /// Its exit code.
        code: i32,
        /// podman's words, after `Error: `.
        text: String,
    },
    /// It does nothing and never ends.
    Hang,
    /// It takes so much longer.
    Slow(Duration),
    /// The client is killed before it has done anything.
    KillBefore,
    /// The client is killed so long after its beginning, wherever it is then.
    KillAt(Duration),
    /// The client is killed when it has done everything, and before it has said so.
    KillAfter,
    /// Its standard output is something else.
    Garbage,
    /// Of its standard output only so many bytes arrive.
    Truncate(usize),
    /// It writes a line to standard error before anything else, and works.
    Warn(String),
}

/// The text tells no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no fault: `fail CODE TEXT`, `disk full`, `name clash`, `hang`, `slow TIME`, `kill before`, `kill at TIME`, `kill after`, `garbage`, `truncate BYTES`, `warn TEXT`"
)]
pub struct NotAFault {
    /// The text.
    pub text: String,
}

impl FromStr for FaultEffect {
    type Err = NotAFault;

    /// Reads `fail 125 no luck`, `slow 300ms`, `kill at 1s` and so on.
    fn from_str(text: &str) -> Result<Self, NotAFault> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let fails = |code, text: &str| {
            Some(Self::Fail {
                code,
                text: text.to_owned(),
            })
        };
        let effect = match (word, rest) {
            ("fail", rest) => rest
                .split_once(' ')
                .and_then(|(code, text)| fails(code.parse().ok()?, text)),
            ("disk", "full") => fails(125, "write /layer: no space left on device"),
            ("name", "clash") => fails(
                125,
                "creating container storage: the container name is already in use by 0. You have to remove that container to be able to reuse that name: that name is already in use",
            ),
            ("hang", "") => Some(Self::Hang),
            ("slow", time) => duration(time).map(Self::Slow),
            ("kill", "before") => Some(Self::KillBefore),
            ("kill", "after") => Some(Self::KillAfter),
            ("kill", rest) => rest
                .strip_prefix("at ")
                .and_then(duration)
                .map(Self::KillAt),
            ("garbage", "") => Some(Self::Garbage),
            ("truncate", bytes) => bytes.parse().ok().map(Self::Truncate),
            ("warn", text) if !text.is_empty() => Some(Self::Warn(text.to_owned())),
            _ => None,
        };
        effect.ok_or_else(|| NotAFault {
            text: text.to_owned(),
        })
    }
}

/// Which commands a fault befalls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    command: Vec<String>,
    name: Option<String>,
    skipped: u32,
    times: Option<u32>,
    effect: FaultEffect,
}

impl FaultRule {
    /// Befalls every command that begins with these words: `start`, `volume create`. No words: every command.
    pub fn new(command: &str, effect: FaultEffect) -> Self {
        Self {
            command: command.split_whitespace().map(str::to_owned).collect(),
            name: None,
            skipped: 0,
            times: None,
            effect,
        }
    }

    /// Only those that name this container, volume, image …, as an operand or by `--name`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Only from the `number`th of them on; the first is 1.
    #[must_use]
    pub fn from_call(mut self, number: u32) -> Self {
        self.skipped = number.saturating_sub(1);
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Whether it befalls a command line in the spelling of the front; counts.
    fn befalls(&mut self, words: &[&str]) -> bool {
        let begins = |words: &[&str]| {
            words.len() >= self.command.len()
                && self
                    .command
                    .iter()
                    .zip(words)
                    .all(|(one, other)| one == other)
        };
        let is_command = match words {
            ["container", rest @ ..] => begins(words) || begins(rest),
            _ => begins(words),
        };
        let is_named = self.name.as_deref().is_none_or(|name| {
            let operands = words.iter().skip_while(|word| **word != "--");
            operands.skip(1).any(|word| *word == name)
                || words
                    .iter()
                    .any(|word| word.strip_prefix("--name=") == Some(name))
        });
        if !is_command || !is_named {
            return false;
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return false;
        }
        match &mut self.times {
            None => true,
            Some(0) => false,
            Some(times) => {
                *times -= 1;
                true
            }
        }
    }
}

impl State {
    fn effects(&mut self, words: &[&str]) -> Vec<FaultEffect> {
        let rules = self.faults.rules.iter_mut();
        let befall = rules.filter_map(|rule| rule.befalls(words).then(|| rule.effect.clone()));
        befall.collect()
    }
}

impl MockPodman {
    /// From now on this goes wrong.
    pub fn add_fault(&self, rule: FaultRule) {
        self.with(|state, _| state.faults.rules.push(rule));
    }

    /// No rule holds any more.
    pub fn clear_faults(&self) {
        self.with(|state, _| state.faults.rules.clear());
    }

    /// Lets what befalls the command happen to it.
    pub(super) async fn befallen(
        &self,
        words: &[&str],
        command: impl Future<Output = Answer>,
    ) -> Answer {
        let effects = if self
            .shared
            .store
            .look(|state, _| state.faults.rules.is_empty())
        {
            Vec::new()
        } else {
            self.with(|state, _| state.effects(words))
        };
        let mut end = None;
        for effect in &effects {
            match effect {
                FaultEffect::Fail { code, text } => return Err(refuse(*code, text)),
                FaultEffect::Hang => loop {
                    // Only a power loss ends it.
                    self.wait_for(None, |_| None::<()>).await?;
                },
                FaultEffect::Slow(time) => self.take_time(*time).await?,
                FaultEffect::KillBefore => return Err(Refused::Killed),
                FaultEffect::KillAt(time) => end = Some(*time),
                FaultEffect::KillAfter
                | FaultEffect::Garbage
                | FaultEffect::Truncate(_)
                | FaultEffect::Warn(_) => {}
            }
        }
        let answer = match end {
            None => command.await,
            Some(time) => tokio::select! {
                biased;
                answer = command => answer,
                _ = self.take_time(time) => return Err(Refused::Killed),
            },
        };
        let spoil = |mut reply: Reply| {
            for effect in &effects {
                spoil(&mut reply, effect);
            }
            reply
        };
        if effects.contains(&FaultEffect::KillAfter) {
            return Err(Refused::Killed);
        }
        match answer {
            Ok(reply) => Ok(spoil(reply)),
            Err(Refused::ByPodman(reply)) => Err(Refused::ByPodman(spoil(reply))),
            Err(other) => Err(other),
        }
    }
}

fn spoil(reply: &mut Reply, effect: &FaultEffect) {
    match effect {
        FaultEffect::Garbage => reply.stdout = "\u{fffd}{[\"garbage\n".to_owned(),
        FaultEffect::Truncate(bytes) => {
            let end = reply.stdout.floor_char_boundary(*bytes);
            reply.stdout.truncate(end);
        }
        FaultEffect::Warn(text) => reply.stderr.insert_str(0, &format!("{text}\n")),
        FaultEffect::Fail { .. }
        | FaultEffect::Hang
        | FaultEffect::Slow(_)
        | FaultEffect::KillBefore
        | FaultEffect::KillAt(_)
        | FaultEffect::KillAfter => {}
    }
}

#[cfg(test)]
mod tests;
