//! How a podman command fails, and what podman's prose means.

use std::time::Duration;

use super::Removed;
use super::version::NotAVersion;
use crate::container::runtime::ExecuteError;

/// A podman command failed.
#[derive(Debug, thiserror::Error)]
pub enum PodmanError {
    /// podman was not run to its end.
    #[error("podman could not be run; install it, or put it on the PATH of this process")]
    DidNotRun {
        /// Why.
        #[source]
        source: ExecuteError,
    },
    /// podman was ended because it took too long. What it was doing may be half done.
    #[error("`{command}` did not end within {limit:?} and was ended")]
    TimedOut {
        /// The command line, values of environment variables left out.
        command: String,
        /// The time limit.
        limit: Duration,
    },
    /// podman said no.
    #[error("`{command}` failed with exit code {code}: {stderr_tail}")]
    Refused {
        /// The command line, values of environment variables left out.
        command: String,
        /// podman's exit code.
        code: i32,
        /// What the prose means.
        kind: Refusal,
        /// podman's error message, without `Error: ` and without log lines.
        stderr_tail: String,
    },
    /// podman succeeded and printed something that cannot be read.
    #[error("`{command}` printed no readable {what}; is this version of podman supported?")]
    Unreadable {
        /// The command line, values of environment variables left out.
        command: String,
        /// What was expected.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: ReadError,
    },
}

impl PodmanError {
    /// What podman's refusal means; `None` where podman did not get so far as to refuse.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { kind, .. } => Some(*kind),
            Self::DidNotRun { .. } | Self::TimedOut { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// A removal that found nothing to remove has done what it should.
    pub(super) fn already_gone(self, kind: Refusal) -> Result<Removed, Self> {
        if self.refusal() == Some(kind) {
            Ok(Removed::AlreadyGone)
        } else {
            Err(self)
        }
    }
}

/// Output that is not what podman documents.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or JSON of another shape.
    #[error("unexpected JSON")]
    Json(#[from] serde_json::Error),
    /// Not a version.
    #[error(transparent)]
    Version(#[from] NotAVersion),
    /// Not an id of 64 hex digits.
    #[error("`{text}` is no id of 64 hex digits")]
    NotAnId {
        /// The text.
        text: String,
    },
}

/// What podman's error message means. The exit code alone does not tell: 125 stands for nearly everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No container of that name or id.
    NoSuchContainer,
    /// The image is not in local storage.
    NoSuchImage,
    /// No volume of that name.
    NoSuchVolume,
    /// No network of that name.
    NoSuchNetwork,
    /// No secret of that name.
    NoSuchSecret,
    /// The name belongs to another container, volume, network or secret.
    NameInUse,
    /// A container still uses the volume, network or image.
    InUse,
    /// The container's state does not allow the command: `start` while stopping, `rm` while running …
    ImproperState,
    /// A host port is taken, by a container or by another process.
    PortTaken,
    /// The registry does not answer, or answers with a server error.
    PullUnreachable,
    /// The registry wants a login, or refuses the one it has.
    PullUnauthorized,
    /// The registry wants fewer requests (429).
    PullRateLimited,
    /// The registry has no such tag, digest or repository.
    PullManifestUnknown,
    /// No space left on the device.
    DiskFull,
    /// The image has no such program.
    CommandNotFound,
    /// Anything else.
    Other,
}

/// Phrases, in lower case, and what each means; a message is of the first kind all of whose phrases it has.
/// Order matters: a pull that fills the disk also names the registry.
const PHRASES: &[(&[&str], Refusal)] = &[
    (&["no space left on device"], Refusal::DiskFull),
    (&["no such container"], Refusal::NoSuchContainer),
    (&["no such object"], Refusal::NoSuchContainer),
    (&["image not known"], Refusal::NoSuchImage),
    (&["no such volume"], Refusal::NoSuchVolume),
    (&["network not found"], Refusal::NoSuchNetwork),
    (&["no such secret"], Refusal::NoSuchSecret),
    (&["that name is already in use"], Refusal::NameInUse),
    (&["volume already exists"], Refusal::NameInUse),
    (&["network already exists"], Refusal::NameInUse),
    (&["secret name in use"], Refusal::NameInUse),
    (&["volume is being used"], Refusal::InUse),
    (&["network is being used"], Refusal::InUse),
    (&["image is in use"], Refusal::InUse),
    (&["container state improper"], Refusal::ImproperState),
    (&["cannot be removed without force"], Refusal::ImproperState),
    (&["refusing to clean up"], Refusal::ImproperState),
    (&["address already in use"], Refusal::PortTaken),
    // A vanished bind source ends in the same words after the colon, so both phrases are needed.
    (&["executable file", "not found"], Refusal::CommandNotFound),
    (&["manifest unknown"], Refusal::PullManifestUnknown),
    (&["toomanyrequests"], Refusal::PullRateLimited),
    (&["authentication required"], Refusal::PullUnauthorized),
    (&["unauthorized"], Refusal::PullUnauthorized),
    (&["invalid username/password"], Refusal::PullUnauthorized),
    (
        &["initializing source", "denied"],
        Refusal::PullUnauthorized,
    ),
    (&["pinging container registry"], Refusal::PullUnreachable),
    (
        &["received unexpected http status: 5"],
        Refusal::PullUnreachable,
    ),
    (
        &["initializing source", "dial tcp"],
        Refusal::PullUnreachable,
    ),
    (
        &["initializing source", "timeout"],
        Refusal::PullUnreachable,
    ),
];

impl Refusal {
    /// Reads podman's error message.
    pub fn from_message(message: &str) -> Self {
        let message = message.to_lowercase();
        PHRASES
            .iter()
            .find(|(phrases, _)| phrases.iter().all(|phrase| message.contains(phrase)))
            .map_or(Self::Other, |(_, kind)| *kind)
    }
}

/// podman's error message: from its last `Error: ` line to the end, without `Error: ` and without the log
/// lines (`time="…" level=…`) that podman mixes in. Where there is no such line, the last lines of what is left.
pub fn error_message(stderr: &[u8]) -> String {
    const LINES: usize = 8;
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("time=\""))
        .collect();
    let from = lines
        .iter()
        .rposition(|line| line.starts_with("Error: "))
        .unwrap_or(lines.len().saturating_sub(LINES));
    let message = lines[from..]
        .iter()
        .take(LINES)
        .map(|line| line.strip_prefix("Error: ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    if message.is_empty() {
        // Only log lines, or nothing: the last line there is beats none.
        text.lines()
            .next_back()
            .unwrap_or("podman gave no reason")
            .to_owned()
    } else {
        message
    }
}
