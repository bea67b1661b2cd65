//! nextest's JUnit.

use std::collections::BTreeMap;
use std::fmt;

use quick_junit::{
    DeserializeError, NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString,
};
use serde::Deserialize;

use crate::report::{Facts, Status, Test};

/// What nextest names the suites of its set-up scripts with.
const SETUP_SCRIPT: &str = "@setup-script:";

/// A file that is no JUnit.
#[derive(Debug)]
pub struct JunitError(DeserializeError);

impl fmt::Display for JunitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not the JUnit that nextest writes")
    }
}

impl std::error::Error for JunitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The tests that a JUnit file tells of. A set-up script is one only where it failed.
///
/// # Errors
///
/// Where it is no JUnit, or is cut off.
pub fn tests(xml: &str) -> Result<Vec<Test>, JunitError> {
    let report = Report::deserialize_from_str(xml).map_err(JunitError)?;
    let tests = report.test_suites.iter().flat_map(|suite| {
        let is_setup = suite.name.as_str().starts_with(SETUP_SCRIPT);
        suite
            .test_cases
            .iter()
            .map(test)
            .filter(move |test| !is_setup || test.status == Status::Failed)
    });
    Ok(tests.collect())
}

fn test(case: &TestCase) -> Test {
    let (status, said) = match &case.status {
        TestCaseStatus::Success { .. } => (Status::Passed, Vec::new()),
        TestCaseStatus::Skipped { message, .. } => (Status::Skipped, vec![message.as_ref()]),
        TestCaseStatus::NonSuccess {
            message,
            ty,
            description,
            ..
        } => {
            // What it printed, and where it was killed all that there is.
            let why = description.as_ref().or(message.as_ref()).or(ty.as_ref());
            (Status::Failed, vec![why, case.system_out.as_ref()])
        }
    };
    let said: Vec<&str> = said
        .into_iter()
        .flatten()
        .map(XmlString::as_str)
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    Test {
        name: case.name.to_string(),
        status,
        ms: case.time.map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        }),
        error: (!said.is_empty()).then(|| said.join("\n")),
    }
}

/// A line that the tests themselves have written.
#[derive(Deserialize)]
struct Line {
    name: String,
    ms: u64,
    error: Option<String>,
}

/// With what the tests themselves tell of their time and of their failure, one JSON object a line: for nextest, the first
/// trial of a stage takes the time of all, and an error is all that was printed. A line that was cut off tells nothing.
#[must_use]
pub fn as_told(mut tests: Vec<Test>, lines: &str) -> Vec<Test> {
    let lines = lines.lines().flat_map(serde_json::from_str::<Line>);
    let mut told: BTreeMap<_, _> = lines.map(|line| (line.name.clone(), line)).collect();
    for test in &mut tests {
        if let Some(line) = told.remove(&test.name) {
            test.ms = line.ms;
            if test.status == Status::Failed {
                test.error = line.error.or(test.error.take());
            }
        }
    }
    tests
}

/// The JUnit of a run of which nextest wrote none: one error that says why, or a failure.
#[must_use]
pub fn of_a_run_without_tests(facts: &Facts) -> String {
    let why = facts.unable.as_ref().or(facts.cut_short.as_ref());
    let kind = match why {
        Some(_) => NonSuccessKind::Error,
        None => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(why.map_or("no test began", String::as_str));
    let mut suite = TestSuite::new("run-container-tests");
    suite.add_test_case(TestCase::new(facts.run.as_str(), status));
    let mut report = Report::new("run-container-tests");
    report.add_test_suite(suite);
    // Only an invalid duration cannot be written, and there is none.
    report.to_string().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="4" skipped="0" failures="1" errors="0" time="3.651">
    <testsuite name="@setup-script:image" tests="1" skipped="0" errors="0" failures="0">
        <testcase name="image" classname="@setup-script:image" time="0.256"/>
    </testsuite>
    <testsuite name="archipelago::scenarios" tests="2" skipped="0" errors="0" failures="1">
        <testcase name="node::a" classname="archipelago::scenarios" time="3.651"/>
        <testcase name="node::b" classname="archipelago::scenarios" time="0.002">
            <failure message="in short" type="test failure">it was &lt;b&gt; &amp; not c</failure>
            <system-out>printed</system-out>
        </testcase>
        <testcase name="node::c" classname="archipelago::scenarios" time="1">
            <failure type="test timeout"/>
        </testcase>
    </testsuite>
</testsuites>
"#;

    #[test]
    fn tests_are_read_and_a_set_up_that_worked_is_none() {
        let found = tests(XML).expect("JUnit");
        let seen: Vec<_> = found
            .iter()
            .map(|test| {
                (
                    test.name.as_str(),
                    test.status,
                    test.ms,
                    test.error.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("node::a", Status::Passed, 3651, None),
                (
                    "node::b",
                    Status::Failed,
                    2,
                    Some("it was <b> & not c\nprinted")
                ),
                ("node::c", Status::Failed, 1000, Some("test timeout")),
            ]
        );
    }

    #[test]
    fn what_tests_tell_of_themselves_is_believed() {
        let lines = r#"{"name":"node::b","ms":77,"error":"no token"}
{"name":"node::a","m"#;
        let found = as_told(tests(XML).expect("JUnit"), lines);
        let times: Vec<_> = found.iter().map(|test| test.ms).collect();
        assert_eq!(times, [3651, 77, 1000]);
        assert_eq!(found[1].error.as_deref(), Some("no token"));
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        let error = tests(&XML[..XML.len() / 2]).expect_err("half a file");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn a_run_without_tests_has_a_junit_that_says_why() {
        let facts = Facts {
            run: "r1".to_owned(),
            unable: Some("no route to host".to_owned()),
            ..Facts::default()
        };
        let found = tests(&of_a_run_without_tests(&facts)).expect("JUnit");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].status, Status::Failed);
        assert_eq!(found[0].error.as_deref(), Some("no route to host"));
    }
}
