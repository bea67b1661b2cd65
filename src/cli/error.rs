//! Why a command failed, and the exit code of each reason.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::exit_code;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::daemon::StartError;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The daemon did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The daemon cannot listen.
    #[error("cannot listen on {address}; set another `listen`")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refused something that is there on every healthy machine.
    #[error("cannot {doing}")]
    System {
        /// As `start the runtime`.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The token's file cannot be read.
    #[error("cannot read the token `{}`; {}", path.display(), token_advice(source))]
    TokenUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Parameters on the command line are not JSON.
    #[error("the parameters are no JSON")]
    ParamsNotJson {
        /// Where and why.
        source: serde_json::Error,
    },
    /// The daemon's answer is not what this version knows.
    #[error(
        "the answer to `{method}` is not understood; is the daemon of the same version? `archipelago rpc {method}` shows the answer"
    )]
    NotUnderstood {
        /// The method.
        method: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The package is not installed.
    #[error("`{id}` is not installed; `archipelago status` lists what is")]
    NotInstalled {
        /// The package.
        id: String,
    },
    /// The operation failed.
    #[error("{kind} of `{package}` failed: {error}")]
    OperationFailed {
        /// As `install`.
        kind: String,
        /// The package.
        package: String,
        /// The daemon's words.
        error: String,
    },
    /// A reconcile could not bring about everything; its report says what.
    #[error("{count} of what is to be could not be brought about, see `failed` above")]
    NotReconciled {
        /// How many things failed.
        count: usize,
    },
    /// The operation was cancelled.
    #[error("{kind} of `{package}` was cancelled")]
    Cancelled {
        /// As `install`.
        kind: String,
        /// The package.
        package: String,
    },
    /// The user left.
    #[error(
        "left; the operation goes on in the daemon, `archipelago operations {id}` shows how it is"
    )]
    Interrupted {
        /// The operation.
        id: u64,
    },
}

fn token_advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            "the daemon makes it at its first start: `systemctl start archipelago`"
        }
        // Whatever else the system says of a file, it is not for this user to read.
        _ => "run this as the daemon's user (`sudo archipelago …`), or give --token",
    }
}

impl CliError {
    /// The exit code, one of [`exit_code`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => exit_code::CONFIG,
            Self::Start(StartError::AlreadyRunning(_)) => exit_code::ALREADY_RUNNING,
            Self::ParamsNotJson { .. } => exit_code::USAGE,
            Self::TokenUnreadable { .. } => exit_code::NO_PERMISSION,
            Self::OperationFailed { .. }
            | Self::NotInstalled { .. }
            | Self::NotReconciled { .. } => exit_code::CALL_FAILED,
            Self::Cancelled { .. } => exit_code::CANCELLED,
            Self::Interrupted { .. } => exit_code::INTERRUPTED,
            Self::Client(error) => match error {
                ClientError::Failed { .. } => exit_code::CALL_FAILED,
                ClientError::Unreachable { .. }
                | ClientError::Broken { .. }
                | ClientError::TimedOut { .. }
                | ClientError::Refused { .. } => exit_code::UNREACHABLE,
                ClientError::BadToken { .. } | ClientError::TokenRefused { .. } => {
                    exit_code::NO_PERMISSION
                }
                ClientError::Unreadable { .. } => exit_code::FAILURE,
            },
            Self::Start(StartError::Store(_))
            | Self::Listen { .. }
            | Self::System { .. }
            | Self::NotUnderstood { .. } => exit_code::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_goes_with_the_reason() {
        let unreadable = |kind: std::io::ErrorKind| CliError::TokenUnreadable {
            path: "/var/lib/archipelago/secrets/rpc-token".into(),
            source: kind.into(),
        };
        let absent = unreadable(std::io::ErrorKind::NotFound).to_string();
        assert!(absent.contains("systemctl start archipelago"), "{absent}");
        let denied = unreadable(std::io::ErrorKind::PermissionDenied).to_string();
        assert!(
            denied.contains("sudo archipelago") && denied.contains("--token"),
            "{denied}"
        );
    }
}
