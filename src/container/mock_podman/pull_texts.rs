//! How a pull fails: podman's words, and how long it tries.

use std::time::Duration;

use super::reference::Reference;
use super::{PullFault, registry};
use crate::container::podman::PodmanVersion;

/// What an attempt takes that is refused at once.
const ATTEMPT: Duration = Duration::from_millis(25);
/// A refusal that is not tried again.
const REFUSED: Duration = Duration::from_millis(100);
/// A 429: 2 + 4 + 8 + 16 s in each attempt.
const RATE_LIMITED: Duration = Duration::from_millis(30_175);

/// How a pull fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// podman's error.
    pub(super) text: String,
    /// What each attempt takes; none where it never ends.
    pub(super) takes: Option<Duration>,
    /// What it says before it tries again, where it does.
    pub(super) warning: Option<String>,
}

/// How a pull of `given` fails on this podman.
pub(super) fn failure(given: &str, fault: PullFault, version: PodmanVersion) -> Failure {
    let words = Words(version);
    let registry = given.split('/').next().unwrap_or(given);
    let manifest = match Reference::read(given) {
        Ok(read) => format!(
            "reading manifest {} in {}: ",
            read.manifest(),
            read.repository
        ),
        Err(_) => String::new(),
    };
    let ping = format!("pinging container registry {registry}: ");
    let (takes, text) = match fault {
        PullFault::Unreachable => {
            let port = registry.rsplit_once(':').map_or("443", |(_, port)| port);
            (
                Some(ATTEMPT),
                format!(
                    "{ping}Get \"https://{registry}/v2/\": dial tcp 127.0.0.1:{port}: connect: connection refused"
                ),
            )
        }
        PullFault::Unauthorized => (
            Some(REFUSED),
            format!("{manifest}{}authentication required", words.unauthorized()),
        ),
        PullFault::ManifestUnknown => (
            Some(REFUSED),
            format!("{manifest}manifest unknown{}", words.manifest_unknown()),
        ),
        PullFault::Denied => (Some(REFUSED), format!("{manifest}denied: m")),
        PullFault::ServerError(status) => (
            Some(REFUSED),
            format!("{ping}{}", words.server_error(status)),
        ),
        PullFault::CutOff => (
            Some(REFUSED),
            format!("{ping}Get \"https://{registry}/v2/\": unexpected EOF"),
        ),
        PullFault::RateLimited => (Some(RATE_LIMITED), format!("{manifest}toomanyrequests: m")),
        PullFault::DiskFull => {
            return Failure {
                text: "writing blob: adding layer with blob \"sha256:0\": write /layer: no space left on device".to_owned(),
                takes: Some(REFUSED),
                warning: None,
            };
        }
        PullFault::Hangs => (None, String::new()),
    };
    let text = format!("initializing source docker://{given}: {text}");
    let is_retried = match fault {
        PullFault::Unreachable | PullFault::RateLimited => true,
        PullFault::ServerError(status) => words.retries(status),
        PullFault::Unauthorized
        | PullFault::ManifestUnknown
        | PullFault::DiskFull
        | PullFault::Denied
        | PullFault::CutOff
        | PullFault::Hangs => false,
    };
    Failure {
        warning: is_retried.then(|| text.clone()),
        takes,
        text: format!("{}{text}", words.before(given)),
    }
}

/// What podmans word differently.
struct Words(PodmanVersion);

impl Words {
    fn is_4(&self) -> bool {
        self.0.major < 5
    }

    fn is_5_8(&self) -> bool {
        (self.0.major, self.0.minor) >= (5, 8)
    }

    fn before(&self, given: &str) -> String {
        if self.is_5_8() {
            format!("unable to copy from source docker://{given}: ")
        } else {
            String::new()
        }
    }

    fn unauthorized(&self) -> &'static str {
        if self.is_4() { "unauthorized: " } else { "" }
    }

    fn manifest_unknown(&self) -> &'static str {
        if self.is_4() {
            ": manifest unknown"
        } else {
            ""
        }
    }

    fn server_error(&self, status: u16) -> String {
        let reason = registry::reason(status);
        if self.is_4() {
            format!("invalid status code from registry {status} ({reason})")
        } else {
            format!("received unexpected HTTP status: {status} {reason}")
        }
    }

    fn retries(&self, status: u16) -> bool {
        self.is_5_8() && status == 503
    }
}

/// What podman says of a name that is none.
pub(super) fn bad_reference(given: &str, what: &str, version: PodmanVersion) -> String {
    if Words(version).is_4() {
        what.to_owned()
    } else {
        format!("parsing reference \"{given}\": {what}")
    }
}
