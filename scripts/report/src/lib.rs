//! What came of a run on a node, as JSON.
//!
//! ```text
//! JUnit of nextest -> junit.rs -> [Test] ┐
//! what the script has seen (Facts) ──────┴─> report.rs -> Report -> JSON, exit code
//! ```
//!
//! `scripts/run-container-tests.sh` calls the program `report`. The schema in `docs/` is made from [`Report`].

mod junit;
mod report;

pub use junit::{JunitError, as_told, of_a_run_without_tests, tests};
pub use report::{Facts, Outcome, Report, Status, Test, Totals};

/// The JSON Schema of a [`Report`], as `docs/run-container-tests.schema.json` has it.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Report);
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_schema_in_docs_is_that_of_the_report() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/run-container-tests.schema.json"
        );
        let written = std::fs::read_to_string(path).expect(path);
        assert_eq!(
            written,
            super::schema(),
            "`cargo run -p archipelago-report -- schema > docs/run-container-tests.schema.json` writes it anew"
        );
    }
}
