//! The draft of a profile: what a podman prints that nobody knows yet.
//!
//! A profile is a folder: documents as that podman printed them, one file each, and `flags.txt`, which says which commands
//! there are and what flags each of them has, as far as `--help` tells:
//!
//! ```text
//! network ls|list: filter,f=stringArray format=string quiet,q
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::{Case, Step};
use super::transcript::{Played, Transcript};

/// What cannot be learnt.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A document is not what it was in the versions known so far.
    #[error("`{command}` ends with {code} and prints no document for {file}: {stderr}")]
    NoDocument {
        /// The file of the profile that it was for.
        file: &'static str,
        /// The command line.
        command: String,
        /// Its exit code.
        code: i32,
        /// What it said.
        stderr: String,
    },
}

/// The files of a profile, and the commands whose output they hold: all of it, or the first entry of a list.
const DOCUMENTS: &[(&str, &str, bool)] = &[
    ("container.json", "podman container inspect a", true),
    (
        "container-running.json",
        "podman container inspect a a",
        true,
    ),
    ("df.json", "podman system df --format json", false),
    ("image.json", "podman image inspect $FIXTURE", true),
    ("images.json", "podman images --format json", true),
    ("info.json", "podman info --format json", false),
    ("network.json", "podman network inspect n", true),
    (
        "networks.json",
        "podman network ls --filter name=podman --format json",
        true,
    ),
    ("ps.json", "podman ps --all --format json", true),
    ("secret.json", "podman secret inspect s", true),
    (
        "stats.json",
        "podman stats --no-stream --format json a",
        true,
    ),
    ("version.json", "podman version --format json", false),
    ("volume.json", "podman volume inspect v", true),
];

/// The case that asks a podman for all that its profile needs.
pub fn questions() -> Case {
    let lines = [
        "podman create --name a $FIXTURE serve 1",
        "podman container inspect a",
        "podman ps --all --format json",
        "podman start a",
        // Twice, to be told from the one before.
        "podman container inspect a a",
        "podman stats --no-stream --format json a",
        "podman volume create v",
        "podman volume inspect v",
        "podman network create n",
        "podman network inspect n",
        "podman network ls --filter name=podman --format json",
        "file s text",
        "podman secret create s $DIR/s",
        "podman secret inspect s",
        "podman image inspect $FIXTURE",
        "podman images --format json",
        "podman info --format json",
        "podman version --format json",
        "podman system df --format json",
    ];
    Case {
        name: "learn::questions".into(),
        needs: Vec::new(),
        steps: lines
            .iter()
            .filter_map(|line| Step::parse(line).ok())
            .collect(),
    }
}

/// The documents of the profile of a podman that has played [`questions`]: names of files, and their content.
///
/// # Errors
/// A document is missing.
pub fn files(answers: &Transcript) -> Result<BTreeMap<String, String>, LearnError> {
    let mut files = BTreeMap::new();
    for (file, line, first) in DOCUMENTS {
        let Some(played) = answered(answers, line) else {
            continue;
        };
        let document = serde_json::from_str::<Value>(&played.outcome.stdout).ok();
        let document = match document {
            Some(Value::Array(entries)) if *first => entries.into_iter().next(),
            other => other,
        };
        match document {
            Some(document) => {
                files.insert((*file).to_owned(), format!("{document:#}\n"));
            }
            // 4.3.1 has no JSON for it.
            None if *file == "df.json" => {}
            None => {
                return Err(LearnError::NoDocument {
                    file,
                    command: (*line).to_owned(),
                    code: played.outcome.code,
                    stderr: played.outcome.stderr.clone(),
                });
            }
        }
    }
    Ok(files)
}

fn answered<'a>(answers: &'a Transcript, line: &str) -> Option<&'a Played> {
    let step = Step::parse(line).ok()?;
    answers.played.iter().find(|played| played.step == step)
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
