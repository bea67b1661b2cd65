//! The smoke stage on a node: one visit for all items, and a trial for each.
//!
//! The test runner starts a process for each trial and knows no order. So the trial that comes first does all of the stage,
//! in its order and over one install, and writes down what came of each item; the others read it. An item that failed
//! fails its own trial only. What concerns the visit (no connection, busy, something left) fails all.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use libtest_mimic::Failed;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::report::Report;
use super::visit::{Work, visit};
use crate::registry::{Outcome, Scenario};
use crate::smoke;
use crate::stage::Stage;

/// Folders of earlier runs are of use to nobody after this time.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What is written down of a stage.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Run {
    /// Why the visit failed; nothing while it is under way.
    ended: Option<Vec<String>>,
    left: Option<String>,
    items: Vec<Item>,
}

/// What came of an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Item {
    name: String,
    time: Duration,
    error: Option<String>,
}

/// Runs the stage unless that was done, and tells what came of one item.
pub(crate) fn run(scenario: &'static Scenario) -> Result<(), Failed> {
    let mut file = open()?;
    // Whoever has it runs the stage; a process that died has it no more.
    file.lock().map_err(|error| format!("no lock: {error}"))?;
    let run = match read(&mut file)? {
        None => {
            write(&mut file, &Run::default())?;
            let run = super::block_on(stage())?;
            write(&mut file, &run)?;
            run
        }
        Some(run) if run.ended.is_some() => run,
        Some(_) => return Err("the trial that ran the stage died in the middle of it".into()),
    };
    let report = report(&scenario.name(), run);
    report.write()?;
    report.outcome()
}

/// One visit, all items.
async fn stage() -> Run {
    let items = Arc::new(Mutex::new(Vec::new()));
    let told = items.clone();
    let work: Work = Box::new(|stage| Box::pin(all(stage, told)));
    let ended = visit("smoke", &[smoke::PACKAGE], work).await;
    // Each failure is told by its own trial.
    let mut items = items.lock().await.clone();
    if let Some(evidence) = ended.evidence {
        for error in items.iter_mut().filter_map(|item| item.error.as_mut()) {
            error.push_str(&format!("\n\n{evidence}"));
        }
    }
    Run {
        ended: Some(ended.errors),
        left: ended.left,
        items,
    }
}

/// All items, whatever comes of each: every one begins anew.
async fn all(stage: &mut Stage, told: Arc<Mutex<Vec<Item>>>) -> Outcome {
    let mut failed = Vec::new();
    for scenario in smoke::SCENARIOS {
        let begun = Instant::now();
        let outcome = (scenario.run)(stage).await;
        let name = scenario.name();
        if let Err(error) = &outcome {
            failed.push(format!("{name}: {error}"));
        }
        told.lock().await.push(Item {
            name,
            time: begun.elapsed(),
            error: outcome.err(),
        });
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n"))
    }
}

/// What one item's trial says.
fn report(name: &str, run: Run) -> Report {
    let mut items = run.items.into_iter();
    let (time, mut errors) = match items.find(|item| item.name == name) {
        Some(item) => (item.time, item.error.into_iter().collect()),
        None => (Duration::ZERO, vec!["the stage ended before it".to_owned()]),
    };
    errors.extend(run.ended.unwrap_or_default());
    Report::new(&format!("node::{name}"), time, &errors, run.left)
}

/// The file of this run of the test runner.
fn open() -> Result<File, String> {
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/node");
    let run = std::env::var("NEXTEST_RUN_ID");
    let run = run.unwrap_or_else(|_| format!("pid-{}", std::process::id()));
    let folder = base.join("runs");
    let open = || {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let age = entry.metadata()?.modified()?;
            if SystemTime::now()
                .duration_since(age)
                .is_ok_and(|age| age > KEPT)
            {
                std::fs::remove_file(entry.path())?;
            }
        }
        let path = folder.join(format!("{run}.json"));
        let mut options = File::options();
        options
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(path)
    };
    open().map_err(|error: std::io::Error| format!("{}: {error}", folder.display()))
}

fn read(file: &mut File) -> Result<Option<Run>, String> {
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| format!("{error} in {text}"))
}

fn write(file: &mut File, run: &Run) -> Result<(), String> {
    let text = serde_json::to_vec(run).map_err(|error| error.to_string())?;
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(&text))
        .map_err(|error| error.to_string())
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;

    crate::node::checks![an_item_tells_its_own_failure_and_that_of_the_visit,];

    fn an_item_tells_its_own_failure_and_that_of_the_visit() {
        let run = |errors: &[&str], left: Option<&str>| Run {
            ended: Some(errors.iter().map(|error| (*error).to_owned()).collect()),
            left: left.map(str::to_owned),
            items: vec![
                Item {
                    name: "smoke::a".into(),
                    time: Duration::from_millis(7),
                    error: None,
                },
                Item {
                    name: "smoke::b".into(),
                    time: Duration::ZERO,
                    error: Some("bad".into()),
                },
            ],
        };
        let told = |name, run| format!("{:?}", report(name, run));
        let good = report("smoke::a", run(&[], None));
        assert!(
            good.outcome().is_ok(),
            "another item's failure is not its own"
        );
        assert!(told("smoke::a", run(&[], None)).contains("ms: 7"));
        assert!(told("smoke::b", run(&[], None)).contains("\"bad\""));
        assert!(told("smoke::c", run(&["lost"], None)).contains("ended before it\\nlost"));
        assert!(
            report("smoke::a", run(&["left x"], Some("x")))
                .outcome()
                .is_err()
        );
    }
}
