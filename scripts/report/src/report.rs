//! The report, and what a run amounts to: pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of a run on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What came of it, in a word.
    pub outcome: Outcome,
    /// The exit code of the script, which says the same.
    pub exit_code: u8,
    /// All about the run but its tests.
    #[serde(flatten)]
    pub facts: Facts,
    /// How many tests had which end.
    pub totals: Totals,
    /// Each test that began, in the order of their names.
    pub tests: Vec<Test>,
}

/// What the script knows of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// The run, as the lock on the node names it.
    pub run: String,
    /// The node: `user@host:port`.
    pub node: String,
    /// The git revision of the checkout, with `-dirty` where files differ from it; `null` where there is no git.
    pub revision: Option<String>,
    /// How this checkout's archipelago came to the node; `null`: the node kept its own.
    pub deployed: Option<String>,
    /// What `archipelago version` says on the node.
    pub archipelago: Option<String>,
    /// podman's version on the node.
    pub podman: Option<String>,
    /// When the run began: seconds since 1970.
    pub started: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Why it could not run.
    pub unable: Option<String>,
    /// What cut it short: the time limit, or a signal.
    pub cut_short: Option<String>,
    /// The archipelago that was there before is there again, because this one did not prove itself.
    pub rolled_back: bool,
    /// What is on the node now and was not before: a kind and a name each.
    pub leftovers: Vec<String>,
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All tests passed. Exit code 0.
    Passed,
    /// At least one test failed, or the new archipelago did not come up. Exit code 1.
    Failed,
    /// It could not run; `unable` says why. Exit code 2.
    CouldNotRun,
    /// It was cut short; `cut_short` says by what. Exit code 3.
    CutShort,
    /// Something is left on the node; `leftovers` says what. Exit code 4, whatever else came of it.
    LeftSomething,
}

impl Outcome {
    /// The exit code of the script.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::CouldNotRun => 2,
            Self::CutShort => 3,
            Self::LeftSomething => 4,
        }
    }
}

/// A test that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Its path, as nextest takes it.
    pub name: String,
    /// Its end.
    pub status: Status,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What it said, where it did not pass.
    pub error: Option<String>,
}

/// The end of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was skipped after it had begun.
    Skipped,
}

/// How many tests had which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// All that began.
    pub tests: usize,
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that were skipped.
    pub skipped: usize,
}

impl Report {
    /// What a run amounts to. `failed` is a failure that no test tells of, such as a build that does not come up.
    #[must_use]
    pub fn new(facts: Facts, mut tests: Vec<Test>, failed: bool) -> Self {
        tests.sort_by(|a, b| a.name.cmp(&b.name));
        let count = |status| tests.iter().filter(|test| test.status == status).count();
        let totals = Totals {
            tests: tests.len(),
            passed: count(Status::Passed),
            failed: count(Status::Failed),
            skipped: count(Status::Skipped),
        };
        // What is left on a node is somebody's to look at, whatever else happened.
        let outcome = if !facts.leftovers.is_empty() {
            Outcome::LeftSomething
        } else if facts.cut_short.is_some() {
            Outcome::CutShort
        } else if facts.unable.is_some() {
            Outcome::CouldNotRun
        } else if failed || totals.failed > 0 {
            Outcome::Failed
        } else if totals.passed == 0 {
            // A run that tested nothing is no success.
            Outcome::CouldNotRun
        } else {
            Outcome::Passed
        };
        Self {
            outcome,
            exit_code: outcome.exit_code(),
            facts,
            totals,
            tests,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, status: Status) -> Test {
        Test {
            name: name.to_owned(),
            status,
            ms: 1,
            error: None,
        }
    }

    fn outcome(facts: Facts, tests: &[Status], failed: bool) -> Outcome {
        let tests = tests.iter().map(|status| test("a", *status)).collect();
        Report::new(facts, tests, failed).outcome
    }

    #[test]
    fn each_end_has_its_word() {
        let facts = Facts::default;
        assert_eq!(outcome(facts(), &[Status::Passed], false), Outcome::Passed);
        assert_eq!(
            outcome(facts(), &[Status::Passed, Status::Failed], false),
            Outcome::Failed
        );
        assert_eq!(outcome(facts(), &[], true), Outcome::Failed);
        assert_eq!(outcome(facts(), &[], false), Outcome::CouldNotRun);
        assert_eq!(
            outcome(facts(), &[Status::Skipped], false),
            Outcome::CouldNotRun
        );
        let unable = Facts {
            unable: Some("no route".to_owned()),
            ..facts()
        };
        assert_eq!(outcome(unable, &[], false), Outcome::CouldNotRun);
    }

    #[test]
    fn what_is_left_is_told_before_a_time_out_and_that_before_failures() {
        let cut_short = Facts {
            cut_short: Some("300 s".to_owned()),
            ..Facts::default()
        };
        assert_eq!(
            outcome(cut_short.clone(), &[Status::Failed], true),
            Outcome::CutShort
        );
        let left = Facts {
            leftovers: vec!["volume a".to_owned()],
            ..cut_short
        };
        assert_eq!(
            outcome(left, &[Status::Failed], true),
            Outcome::LeftSomething
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let tests = vec![test("b", Status::Failed), test("a", Status::Passed)];
        let report = Report::new(Facts::default(), tests, false);
        let written = serde_json::to_string(&report).expect("JSON");
        let read: Report = serde_json::from_str(&written).expect("a report");
        assert_eq!(read, report);
        assert_eq!(read.tests[0].name, "a");
    }
}
