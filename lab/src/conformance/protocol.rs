//! What the player in a lab is given, and what it prints: one JSON document a line.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::player::Resume;
use super::transcript::Transcript;

/// Set in the environment of a process that was started to be the player in a lab; its value is the path of a [`Plan`].
pub(crate) const PLAYER_ENV: &str = "ARCHIPELAGO_LAB_PLAYER";

/// What is to be played on one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// In their order.
    pub(super) cases: Vec<Case>,
    /// Where the first of them goes on.
    #[serde(default)]
    pub(super) resume: Option<Resume>,
    /// For each command.
    pub(super) limit: Duration,
    /// The last case left something: look again and remove it.
    pub(super) untidy: bool,
}

/// A line of the player's standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// podman's version: the first line.
    Version(String),
    /// A case was played to its end.
    Played(Box<Transcript>),
    /// It has to lose power now; the player has ended.
    Reboot(Box<Resume>),
    /// What the last case left cannot be removed: the command and what it said. The player has ended.
    Spoiled(String),
    /// Playing went wrong. The player has ended.
    Failed(String),
    /// All cases were played.
    Done,
}

impl Plan {
    /// Reads the plan at a path.
    pub(super) fn read(path: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}

/// Puts bytes of a stream together to lines.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Takes bytes; the lines that they complete, without their ends.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.0.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line[..end]).into_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_any_pieces() {
        let text = "eins\nzwei ü\n\ndrei";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let got: Vec<String> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| lines.take(piece))
                .collect();
            assert_eq!(got, ["eins", "zwei ü", ""], "pieces of {size}");
        }
    }

    #[test]
    fn a_line_is_one_line_whatever_podman_printed() {
        let transcript = Transcript {
            case: "a::b".into(),
            played: Vec::new(),
            after: [(
                "ps".to_owned(),
                super::super::transcript::Outcome {
                    stdout: "x\ny\r\n\u{2028}\"".into(),
                    ..Default::default()
                },
            )]
            .into(),
        };
        let line = Line::Played(Box::new(transcript));
        let text = serde_json::to_string(&line).unwrap();
        assert!(!text.contains('\n'), "{text}");
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
}
