//! What came of each trial on a node, a line of JSON each, for whoever wants more than the test runner tells: the time that
//! an item of the smoke stage took by itself, and what was left on the node.

use std::io::Write;
use std::time::Duration;

use libtest_mimic::Failed;
use serde::{Deserialize, Serialize};

/// The file that lines are added to.
const FILE: &str = "ARCHIPELAGO_NODE_REPORT";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// `node::smoke::http_answers`.
    pub(crate) name: String,
    /// `passed` or `failed`.
    status: String,
    ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error: Option<String>,
    /// How the node differs from what it was before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    left: Option<String>,
}

impl Report {
    pub(crate) fn new(name: &str, time: Duration, errors: &[String], left: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            status: if errors.is_empty() {
                "passed"
            } else {
                "failed"
            }
            .to_owned(),
            ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            error: (!errors.is_empty()).then(|| errors.join("\n")),
            left,
        }
    }

    /// Adds it to the file that the environment names, if it does.
    pub(crate) fn write(&self) -> Result<(), String> {
        let Some(path) = std::env::var_os(FILE) else {
            return Ok(());
        };
        let line = serde_json::to_string(self).map_err(|error| error.to_string())? + "\n";
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| format!("{FILE} is `{}`: {error}", path.display()))
    }

    /// What the test runner is told.
    pub(crate) fn outcome(&self) -> Result<(), Failed> {
        println!("{} in {} ms", self.status, self.ms);
        match &self.error {
            None => Ok(()),
            Some(error) => Err(Failed::from(error)),
        }
    }
}
