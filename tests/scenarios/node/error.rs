//! Why a trial on a node could not be carried out, and what to do about it.

use std::path::PathBuf;

use serde_json::Value;

use super::configuration::{ConfigurationError, NODE};
use super::lock::Holder;
use super::mark;
use super::refuse::Refusal;

/// Each is told once, with what the user can do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    /// No node is named, or one that the guard refuses.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// There is no such file.
    #[error("the private key `{0}` is not there: name another one in ARCHIPELAGO_NODE_KEY")]
    NoKey(PathBuf),
    /// Something on this machine.
    #[error("cannot {doing}")]
    Here {
        doing: &'static str,
        source: std::io::Error,
    },
    /// Nobody answers there.
    #[error("`{node}` cannot be reached: is it on, and is {NODE} right? ssh says: {said}")]
    Unreachable { node: String, said: String },
    /// The node does not know the key.
    #[error(
        "`{node}` does not let us in with the key `{key}`: add its public half to ~/.ssh/authorized_keys there, or name another one in ARCHIPELAGO_NODE_KEY. ssh says: {said}"
    )]
    WrongKey {
        node: String,
        key: PathBuf,
        said: String,
    },
    /// Another machine answers than the last time.
    #[error(
        "`{node}` has another host key than the one that is known: nothing was sent to it. If the node was set up anew, remove the old key with `{remedy}`. ssh says: {said}"
    )]
    ChangedHostKey {
        node: String,
        remedy: String,
        said: String,
    },
    /// ssh failed otherwise.
    #[error("no connection to `{node}`; ssh says: {said}")]
    NoConnection { node: String, said: String },
    /// The connection ended, or the node fell silent.
    #[error("the connection to the node was lost while it was to {doing}")]
    Lost { doing: String },
    /// A command takes too long.
    #[error("the node did not {doing} within {secs} s")]
    Late { doing: String, secs: u64 },
    /// `sudo -n` is refused.
    #[error(
        "`{user}` may not use sudo without a password on the node: give it a line `{user} ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d. sudo says: {said}"
    )]
    NoSudo { user: String, said: String },
    /// Another run has the lock.
    #[error(
        "the node is busy: {0}. It is free when that run has ended, at the latest when its lease has"
    )]
    Busy(Holder),
    /// The run around this one has lost its lock.
    #[error(
        "run `{run}` does not have the node's lock: take it first (scripts/node/lock.sh), or unset ARCHIPELAGO_NODE_RUN"
    )]
    NotHeld { run: String },
    /// The lease could not be renewed.
    #[error("the node's lock was lost in the middle: {0}")]
    LockLost(String),
    /// A command on the node that has to work did not.
    #[error("on the node, `{doing}` ended with {code}: {said}")]
    Failed {
        doing: String,
        code: i64,
        said: String,
    },
    /// archipelago is not there, or not up.
    #[error(
        "archipelago does not answer on the node: `systemctl status archipelago` there says why. Last seen: {0}"
    )]
    NoAnswer(String),
    /// Without it nothing is answered.
    #[error(
        "there is no token of archipelago's service on the node: it is made at archipelago's first start, at `{path}`. {said}"
    )]
    NoToken { path: &'static str, said: String },
    /// Older than these tests.
    #[error(
        "archipelago {version} on the node has no method `{method}`: it is older than these tests; deploy the present one with scripts/dev-container-test.sh"
    )]
    TooOld { version: String, method: String },
    /// An answer that is none.
    #[error("archipelago answered `{method}` with what is no answer: {said}")]
    BadAnswer { method: String, said: String },
    /// It refused a call that clean-up cannot do without.
    #[error("archipelago refused `{method}`: {error}")]
    Refused { method: String, error: Value },
    /// The node is not as it has to be, and nothing was done.
    #[error("nothing was done on the node: {0}")]
    Unfit(Refusal),
    /// Ctrl-C, or a runner that is out of patience.
    #[error("interrupted by {0}")]
    Interrupted(&'static str),
    /// After the end of the trial the node is not as before.
    #[error("the node is not as it was before: {0}")]
    Left(String),
    /// It could not be cleaned up.
    #[error(
        "what was installed is still on the node, because {why}; the next run removes it (what was done is noted down there, in `{}`)",
        mark::PATH
    )]
    NotCleaned { why: String },
}

// Not a cause: it is in the text already.
impl From<Refusal> for NodeError {
    fn from(refusal: Refusal) -> Self {
        Self::Unfit(refusal)
    }
}
