use super::{files, questions};
use crate::conformance::transcript::{Outcome, Played, Transcript};

/// A podman that knows everything it is asked.
fn answers() -> Transcript {
    let mut answers = Transcript {
        case: questions().name,
        played: Vec::new(),
        after: Default::default(),
    };
    for step in questions().steps {
        let line = step.to_string();
        let stdout = if line.contains("info") || line.contains("version") {
            "{\"a\": 1}"
        } else {
            "[{\"b\": 2}, {\"b\": 3}]"
        };
        answers.played.push(Played {
            step,
            outcome: Outcome {
                stdout: stdout.into(),
                ..Outcome::default()
            },
        });
    }
    answers
}

#[test]
fn a_draft_has_a_file_for_every_document() {
    let files = files(&answers()).expect("all is answered");
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "container-running.json",
            "container.json",
            "df.json",
            "image.json",
            "images.json",
            "info.json",
            "network.json",
            "networks.json",
            "ps.json",
            "secret.json",
            "stats.json",
            "version.json",
            "volume.json"
        ]
    );
    assert_eq!(files["container.json"], "{\n  \"b\": 2\n}\n");
    assert_eq!(files["info.json"], "{\n  \"a\": 1\n}\n");
}

#[test]
fn a_document_that_is_missing_is_told_with_what_podman_said() {
    let mut answers = answers();
    for played in &mut answers.played {
        if played.step.to_string().contains("secret inspect s") {
            played.outcome = Outcome {
                code: 125,
                stdout: String::new(),
                stderr: "Error: no such secret".into(),
                ms: 0,
            };
        }
    }
    let error = files(&answers).expect_err("a document is missing");
    assert_eq!(
        error.to_string(),
        "`podman secret inspect s` ends with 125 and prints no document for secret.json: Error: no such secret"
    );
}
