//! The words for how a package or a container is, and the colour of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a package or a container is. The order is meaning: a package is as its worst container, and a later one is
/// worse.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum PackageState {
    /// Ran once, and is done.
    #[serde(rename = "done")]
    Done,
    /// As it should be.
    #[serde(rename = "running")]
    Running,
    /// The user stopped it, or it ended by itself with 0.
    #[serde(rename = "stopped")]
    Stopped,
    /// Made, and not started yet; or waits for another container.
    #[serde(rename = "waiting")]
    Waiting,
    /// On its way up.
    #[serde(rename = "starting")]
    Starting,
    /// On its way down.
    #[serde(rename = "stopping")]
    Stopping,
    /// Being stopped and started, by the user or by the health monitor.
    #[serde(rename = "restarting")]
    Restarting,
    /// Frozen by somebody.
    #[serde(rename = "paused")]
    Paused,
    /// Was up when power was lost.
    #[serde(rename = "interrupted")]
    Interrupted,
    /// Runs, and its health check fails.
    #[serde(rename = "unhealthy")]
    Unhealthy,
    /// Somebody sent SIGKILL.
    #[serde(rename = "killed")]
    Killed,
    /// The kernel killed it for want of memory.
    #[serde(rename = "killed (OOM)")]
    KilledOom,
    /// Ended by itself with another code than 0, did not start, or is gone.
    #[serde(rename = "crashed")]
    Crashed,
    /// archipelago gave up on it, or an operation is half done and could not be finished.
    #[serde(rename = "needs attention")]
    NeedsAttention,
    /// Being installed.
    #[serde(rename = "installing")]
    Installing,
    /// Being brought to another version.
    #[serde(rename = "updating")]
    Updating,
    /// Being uninstalled.
    #[serde(rename = "uninstalling")]
    Uninstalling,
}

/// What a state looks like. Never the only sign: the word is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// At rest, as somebody wanted it or as it is meant to be.
    Grey,
    /// Well.
    Green,
    /// Not well, and nobody's fault; it comes back by itself.
    Amber,
    /// Something is wrong with it.
    Red,
    /// Somebody is at work on it.
    Blue,
}

impl PackageState {
    /// The colour that goes with it.
    #[must_use]
    pub fn colour(self) -> Colour {
        match self {
            Self::Done | Self::Stopped | Self::Waiting => Colour::Grey,
            Self::Running => Colour::Green,
            Self::Paused | Self::Interrupted | Self::Unhealthy => Colour::Amber,
            Self::Killed | Self::KilledOom | Self::Crashed | Self::NeedsAttention => Colour::Red,
            Self::Starting
            | Self::Stopping
            | Self::Restarting
            | Self::Installing
            | Self::Updating
            | Self::Uninstalling => Colour::Blue,
        }
    }

    /// The state of that word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word);
        Self::deserialize(word).ok()
    }
}

impl Colour {
    /// Of how a container once ended: a state's word, or words that are no state.
    pub(super) fn of_exit(word: &str) -> Self {
        // podman restarted it by itself: it ended, and why is not known any more.
        PackageState::from_word(word).map_or(Self::Amber, PackageState::colour)
    }
}
