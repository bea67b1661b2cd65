//! What came of a case on one podman: raw, as it was printed, so that what is compared can change without a new recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::case::Step;

/// A case as it was played on one podman.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The case's full name.
    pub case: String,
    /// Each step and its outcome, in their order.
    pub played: Vec<Played>,
    /// What is there after the last step: by the name of a look ([`LOOKS`]), its outcome.
    pub after: BTreeMap<String, Outcome>,
}

/// A step and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// What was done.
    pub step: Step,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a command left. For steps that are no command: code 0, or 1 with the reason in `stderr`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Exit code; 128 + N for a command that signal N ended.
    pub code: i32,
    /// Standard output, bytes that are no UTF-8 replaced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// Standard error, bytes that are no UTF-8 replaced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// The looks that are taken after the last step: a name, and podman's arguments. `$CONTAINERS` stands for the names of all
/// containers and `$SINCE` for the time when the case began, as podman's `--since` takes it; a look whose list is empty is
/// left out.
pub const LOOKS: &[(&str, &[&str])] = &[
    ("ps", &["ps", "--all", "--format", "json"]),
    ("inspect", &["container", "inspect", "$CONTAINERS"]),
    ("images", &["images", "--format", "json"]),
    ("volumes", &["volume", "ls", "--format", "json"]),
    ("networks", &["network", "ls", "--format", "json"]),
    ("secrets", &["secret", "ls", "--format", "{{.Name}}"]),
    (
        "events",
        &[
            "events",
            "--stream=false",
            "--since",
            "$SINCE",
            "--format",
            "json",
        ],
    ),
];
