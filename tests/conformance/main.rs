//! Conformance: the corpus on real podman and on the mock, which must come to the same.
//!
//! `mock::VERSION::FILE` needs no podman: what real podman did, recorded in `tests/fixtures/podman-VERSION/`, is played on
//! [`MockPodman`](archipelago::container::mock_podman::MockPodman) in paused time. `lab::FILE` plays on the podman of a lab
//! and, at the same time, on `mock-podman`, as `cargo lab conformance` does.
//!
//! A trial is all cases of one corpus file; it reports every divergence of each. One case alone:
//!
//! ```text
//! CASE=stop::exit_codes cargo test --test conformance mock::
//! CASE=stop::exit_codes cargo test --test conformance 5.4.2
//! ```
//! A corpus file or case without a recording fails, and so does a recording that is not of the corpus as it is now.

#[path = "../common/labs.rs"]
mod labs;
mod live;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use archipelago_lab::conformance::case::{Case, corpus};
use archipelago_lab::conformance::divergence::{Divergence, Place};
use archipelago_lab::conformance::exceptions::Exceptions;
use archipelago_lab::conformance::record;
use archipelago_lab::conformance::report::Report;
use archipelago_lab::conformance::transcript::Transcript;
use libtest_mimic::{Arguments, Failed, Trial};

/// The podmans that are played, and the base of a lab that has each.
const VERSIONS: [(&str, &str); 3] = [
    ("4.3.1", "debian-12"),
    ("5.4.2", "debian-13"),
    ("5.8.6", "debian-sid"),
];

/// Recordings that no corpus file is the source of.
const OTHERS: [&str; 1] = ["random"];

fn main() -> ExitCode {
    archipelago_lab::init();
    let arguments = Arguments::from_args();
    let only = std::env::var("CASE").ok().filter(|case| !case.is_empty());
    let (mut trials, cases) = match corpus(&root().join("lab/conformance/corpus")) {
        Ok(cases) => (trials(&cases, only.as_deref()), cases),
        Err(error) => {
            eprintln!("{}", archipelago_lab::chain(&error));
            return ExitCode::from(101);
        }
    };
    if let Some(only) = &only
        && trials.is_empty()
    {
        eprintln!("no case is called {only}");
        return ExitCode::from(101);
    }
    let (live, in_labs) = live::trials(&cases, only.as_deref());
    trials.extend(live);
    if let Err(why) = labs::enter(&arguments, &in_labs) {
        eprintln!("{why}");
        return ExitCode::from(101);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// One for each version and file, in the order of their names; those without the wanted case are left out.
fn trials(cases: &[Case], only: Option<&str>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (version, base) in VERSIONS {
        for file in files(cases, version) {
            let is_wanted = |case: &str| {
                case.split_once("::").is_some_and(|(of, _)| of == file)
                    && only.is_none_or(|only| only == case)
            };
            let cases: Vec<Case> = cases
                .iter()
                .filter(|case| is_wanted(&case.name))
                .cloned()
                .collect();
            if only.is_some_and(|only| !is_wanted(only)) {
                continue;
            }
            let only = only.map(str::to_owned);
            trials.push(Trial::test(format!("mock::{version}::{file}"), move || {
                run(version, base, &file, &cases, only.as_deref())
            }));
        }
    }
    trials
}

/// The files of the corpus, and those that were recorded from elsewhere.
fn files(cases: &[Case], version: &str) -> BTreeSet<String> {
    let of_corpus = cases
        .iter()
        .filter_map(|case| Some(case.name.split_once("::")?.0.to_owned()));
    let folder = fixtures().join(format!("podman-{version}"));
    let others = OTHERS
        .iter()
        .filter(|file| folder.join(format!("{file}.json")).exists())
        .map(|file| (*file).to_owned());
    of_corpus.chain(others).collect()
}

fn fixtures() -> PathBuf {
    root().join("tests/fixtures")
}

/// All cases of a file on a version.
fn run(
    version: &str,
    base: &str,
    file: &str,
    cases: &[Case],
    only: Option<&str>,
) -> Result<(), Failed> {
    let exceptions = Exceptions::read(&root().join("lab/conformance/exceptions.toml"))
        .map_err(|error| archipelago_lab::chain(&error))?;
    let recorded = recorded(version, file).map_err(|why| {
        format!("{why}: record it with `cargo lab conformance --base {base} --record`")
    })?;
    let mut report = Report::new(version);
    let missing = cases
        .iter()
        .filter(|case| !recorded.contains_key(&case.name));
    for case in missing {
        let why = "it was not recorded on real podman";
        report.wrong(wrong(case, why, format!("--base {base} --record")));
    }
    for (name, real) in &recorded {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        match cases.iter().find(|case| case.name == *name) {
            Some(case)
                if !case
                    .steps
                    .iter()
                    .eq(real.played.iter().map(|played| &played.step)) =>
            {
                let why = "it was changed since it was recorded on real podman";
                report.wrong(wrong(case, why, format!("--base {base} --record")));
            }
            None if !OTHERS.contains(&file) => {
                let why = format!("{name} was recorded and is in the corpus no more");
                return Err(why.into());
            }
            Some(_) | None => {}
        }
        let mock = replay::play(real, version)?;
        report.add(real, &mock, &exceptions);
    }
    // An exception for a whole file may be needed by any of its cases.
    if only.is_none() {
        report.finish(&exceptions);
    }
    if report.agrees() {
        Ok(())
    } else {
        Err(report.to_string().into())
    }
}

fn recorded(version: &str, file: &str) -> Result<BTreeMap<String, Transcript>, String> {
    let all = record::read(&fixtures(), version).map_err(|error| archipelago_lab::chain(&error))?;
    let transcripts = all
        .into_iter()
        .find(|(recorded, _)| recorded == file)
        .map(|(_, transcripts)| transcripts)
        .filter(|transcripts| !transcripts.is_empty())
        .ok_or_else(|| format!("nothing was recorded of {file} on podman {version}"))?;
    Ok(transcripts
        .into_iter()
        .map(|transcript| (transcript.case.clone(), transcript))
        .collect())
}

fn wrong(case: &Case, what: &str, remedy: String) -> Divergence {
    Divergence {
        case: case.name.clone(),
        place: Place::Case,
        what: what.to_owned(),
        real: format!("cargo lab conformance {remedy}"),
        mock: "(not played)".to_owned(),
    }
}
