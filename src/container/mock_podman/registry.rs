//! What a registry answers to all that is pulled from it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PullFault;

/// What a registry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryAnswer {
    /// It works.
    Up,
    /// Nothing listens there.
    Down,
    /// It takes the connection and never answers.
    Hangs,
    /// It ends the connection in the middle of an answer.
    Cut,
    /// It answers with this HTTP status.
    Status(u16),
}

/// The text is no answer of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no answer of a registry: up, down, hangs, cut, 401, 403, 404, 429 or 5xx")]
pub struct NotAnAnswer {
    /// The text.
    pub text: String,
}

impl FromStr for RegistryAnswer {
    type Err = NotAnAnswer;

    fn from_str(text: &str) -> Result<Self, NotAnAnswer> {
        Ok(match text {
            "up" => Self::Up,
            "down" => Self::Down,
            "hangs" => Self::Hangs,
            "cut" => Self::Cut,
            _ => match text.parse() {
                Ok(status @ (401 | 403 | 404 | 429 | 500..=599)) => Self::Status(status),
                Ok(_) | Err(_) => {
                    return Err(NotAnAnswer {
                        text: text.to_owned(),
                    });
                }
            },
        })
    }
}

impl RegistryAnswer {
    /// How a pull fails by it.
    pub(super) fn as_fault(self) -> Option<PullFault> {
        Some(match self {
            Self::Up => return None,
            Self::Down => PullFault::Unreachable,
            Self::Hangs => PullFault::Hangs,
            Self::Cut => PullFault::CutOff,
            Self::Status(401) => PullFault::Unauthorized,
            Self::Status(403) => PullFault::Denied,
            Self::Status(404) => PullFault::ManifestUnknown,
            Self::Status(429) => PullFault::RateLimited,
            Self::Status(status) => PullFault::ServerError(status),
        })
    }
}

/// HTTP's words for a status of servers.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
