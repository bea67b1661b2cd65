//! The same cases on the podman of a lab and on `mock-podman`, at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_lab::conformance::both;
use archipelago_lab::conformance::case::{Case, Need};
use archipelago_lab::conformance::exceptions::Exceptions;
use archipelago_lab::conformance::in_lab::InLab;
use archipelago_lab::conformance::player::Side;
use archipelago_lab::conformance::program::Program;
use archipelago_lab::image::Base;
use archipelago_lab::lab::registry_missing;
use archipelago_lab::{chain, engine};
use libtest_mimic::{Failed, Trial};

use crate::root;

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// One for each file of the corpus, in the order of their names, those without the wanted case left out; and the names of
/// those that can run here.
pub(super) fn trials(cases: &[Case], only: Option<&str>) -> (Vec<Trial>, Vec<String>) {
    let mut files: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    let wanted = |case: &&Case| only.is_none_or(|only| only == case.name);
    for case in cases.iter().filter(wanted) {
        if let Some((file, _)) = case.name.split_once("::") {
            files.entry(file).or_default().push(case.clone());
        }
    }
    let is_whole = only.is_none();
    let mut in_labs = Vec::new();
    let trials = files
        .into_iter()
        .map(|(file, cases)| {
            let name = format!("lab::{file}");
            let wants_registry = cases
                .iter()
                .any(|case| case.needs.contains(&Need::Registry));
            let ignored =
                engine::missing().or_else(|| wants_registry.then(registry_missing).flatten());
            match &ignored {
                Some(reason) => eprintln!("{name} is ignored: {reason}"),
                None => in_labs.push(name.clone()),
            }
            let run = move || run(&cases, is_whole).map_err(Failed::from);
            Trial::test(name, run).with_ignored_flag(ignored.is_some())
        })
        .collect();
    (trials, in_labs)
}

/// All cases of a file, or the one that is wanted of it.
fn run(cases: &[Case], is_whole: bool) -> Result<(), String> {
    let exceptions = Exceptions::read(&root().join("lab/conformance/exceptions.toml"))
        .map_err(|error| chain(&error))?;
    let base = Base::preferred().map_err(|error| chain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let mut real = InLab::start(&base, LIMIT)
            .await
            .map_err(|error| chain(&error))?;
        let mut mock = Program::new(env!("CARGO_BIN_EXE_mock-podman"), real.version(), LIMIT);
        let played = both::play(&mut real, &mut mock, cases, &mut |_| {}).await;
        let version = real.version().to_owned();
        real.stop().await.map_err(|error| chain(&error))?;
        let pairs = played.map_err(|error| {
            format!(
                "{} on {base}, podman {version} (one that the mock does not know: `cargo lab conformance --base {base} --learn`)",
                chain(&error)
            )
        })?;
        let report = both::report(&version, &pairs, &exceptions, is_whole);
        if report.agrees() {
            Ok(())
        } else {
            Err(report.to_string())
        }
    })
}
