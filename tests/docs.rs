//! The table "Which test guards which rule" of CONTRIBUTING.md cannot lie: what it names is there and is a test, and what
//! must be in it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One row: what it guards, where, and by which tests.
struct Row {
    rule: String,
    file: String,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The section that holds the table.
fn section() -> String {
    let text = read("CONTRIBUTING.md");
    let (_, rest) = text
        .split_once("## Which test guards which rule")
        .expect("the section is there");
    let (section, _) = rest.split_once("\n## ").expect("others follow");
    section.to_owned()
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in section().lines().filter(|line| line.starts_with("| ")) {
        // No cell of this table holds a bar.
        let line = line.trim_end().trim_end_matches('|');
        let cells: Vec<&str> = line.split('|').skip(1).collect();
        let [rule, file, tests] = cells[..] else {
            panic!("a row of three cells: {line}");
        };
        let (files, tests) = (quoted(file), quoted(tests));
        // The head of the table, and of its parts.
        if files.is_empty() && tests.is_empty() {
            continue;
        }
        let [file] = &files[..] else {
            panic!("a row names one file: {line}");
        };
        assert!(!tests.is_empty(), "a row names a test: {line}");
        rows.push(Row {
            rule: rule.trim().to_owned(),
            file: file.clone(),
            tests,
        });
    }
    rows
}

/// Whether `text` defines a test of that name: with an attribute above it, or named in a list, as of scenarios or trials.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let defines = |line: &&str| {
        let after = line.split_once("fn ").map(|(_, after)| after);
        after
            .and_then(|after| after.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let Some(at) = lines.iter().position(defines) else {
        return false;
    };
    let above = lines[..at].iter().rev().take_while(|line| !line.is_empty());
    let is_attribute = |line: &&str| line.starts_with("#[") && line.contains("test");
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    above.clone().any(is_attribute) || words.filter(|word| *word == name).count() > 1
}

/// The names in all lists `scenarios![…]` of a source.
fn scenarios(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for list in text.split("scenarios![").skip(1) {
        let end = list.find("];").unwrap_or(0);
        for entry in list[..end].split(',') {
            let name = entry.split_whitespace().next().unwrap_or_default();
            if name.contains('_') && !name.contains(['$', '[']) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn every_named_test_is_there() {
    let mut missing = Vec::new();
    let rows = rows();
    assert!(rows.len() > 20, "the table was found");
    for Row { rule, file, tests } in rows {
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            missing.push(format!("`{file}`, which is to guard: {rule}"));
            continue;
        };
        for path in tests {
            let mut parts = path.rsplit("::");
            let name = parts.next().unwrap_or_default();
            let is_there = if file.ends_with(".rs") {
                // Modules that a macro makes are only words; a trial of its own has its path as a text.
                text.contains(&format!("\"{path}\""))
                    || is_test(&text, name) && parts.all(|module| text.contains(module))
            } else {
                text.contains(name)
            };
            if !is_there {
                missing.push(format!("`{path}` in `{file}`, which is to guard: {rule}"));
            }
        }
    }
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
}

#[test]
fn every_scenario_and_every_named_test_has_its_row() {
    let named: BTreeSet<(String, String)> = rows()
        .into_iter()
        .flat_map(|row| {
            let file = row.file;
            let last = |path: String| path.rsplit("::").next().unwrap_or_default().to_owned();
            row.tests
                .into_iter()
                .map(move |test| (file.clone(), last(test)))
        })
        .collect();
    let mut wanted = BTreeSet::new();
    let folder = root().join("tests/scenarios");
    for entry in fs::read_dir(&folder).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let file = format!("tests/scenarios/{}", name.to_string_lossy());
        // What makes scenarios, and folders of targets, hold none.
        if file.ends_with("/registry.rs") || !file.ends_with(".rs") {
            continue;
        }
        let names = scenarios(&read(&file)).into_iter();
        wanted.extend(names.map(|name| (file.clone(), name)));
    }
    let file = "tests/orchestration/named.rs";
    for line in read(file).lines() {
        if let Some(name) = line.strip_prefix("async fn test_") {
            let name = name.split('(').next().unwrap_or_default();
            wanted.insert((file.to_owned(), format!("test_{name}")));
        }
    }
    assert!(wanted.len() > 30, "both were found: {wanted:?}");
    let missing: Vec<_> = wanted.difference(&named).collect();
    assert!(missing.is_empty(), "without a row: {missing:#?}");
}

#[test]
fn every_part_of_the_behaviour_has_its_rows() {
    let section = section();
    for part in ["5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "6"] {
        let is_head = |line: &str| {
            let numbers = line.split(['(', ')', ',', ' ']);
            line.starts_with("| **") && numbers.into_iter().any(|number| number == part)
        };
        assert!(section.lines().any(is_head), "no part for {part}");
    }
}
