//! The jobs of `.gitea/workflows/`: the commands of each, in order, in a clean checkout, as a runner gives them.
//!
//! What a runner's settings and a person's inputs would be is given here, and narrows what is tested to something small. What
//! an action does (`uses`) is not run: a checkout, a toolchain, caches and artifacts are the runner's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use archipelago_lab::StandIn;
use serde::Deserialize;

use crate::checkout::{Checkout, said};
use crate::script::{plain_environment, root};
use crate::trial::{Outcome, not_asked_for};

#[derive(Deserialize)]
struct Workflow {
    #[serde(default)]
    env: BTreeMap<String, String>,
    jobs: BTreeMap<String, Job>,
}

#[derive(Deserialize)]
struct Job {
    #[serde(rename = "timeout-minutes")]
    _timeout_minutes: u32,
    #[serde(default)]
    env: BTreeMap<String, String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(default)]
    name: String,
    uses: Option<String>,
    run: Option<String>,
    #[serde(rename = "if")]
    condition: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// A job, and what its expressions come to here.
pub(crate) struct JobTrial {
    file: &'static str,
    job: &'static str,
    given: &'static [(&'static str, &'static str)],
    /// Builds for minutes in its checkout.
    is_long: bool,
}

/// All jobs of all workflows; `every_job_is_here` holds the list to the files.
pub(crate) const JOBS: &[JobTrial] = &[
    JobTrial {
        file: "container-tests.yml",
        job: "unit",
        given: &[("inputs.steps", "rustfmt shellcheck actionlint")],
        is_long: false,
    },
    JobTrial {
        file: "container-tests.yml",
        job: "lab",
        given: &[
            ("matrix.base", "debian-13"),
            ("matrix.shard", "1"),
            ("inputs.filter", "lab::uninstall::"),
        ],
        is_long: true,
    },
    JobTrial {
        file: "container-tests.yml",
        job: "node",
        given: &[],
        is_long: true,
    },
    JobTrial {
        file: "nightly.yml",
        job: "soak",
        given: &[
            ("inputs.duration", "5s"),
            ("inputs.filter", "lab::uninstall::leaves_nothing"),
        ],
        is_long: true,
    },
    JobTrial {
        file: "nightly.yml",
        job: "conformance",
        given: &[("inputs.conformance", "--case create::create")],
        is_long: true,
    },
    JobTrial {
        file: "nightly.yml",
        job: "benchmarks",
        given: &[("inputs.bench", "--quick plan")],
        is_long: true,
    },
];

impl JobTrial {
    /// `lab::node_stage::workflows::container_tests_unit`.
    pub(crate) fn name(&self) -> String {
        let file = self.file.trim_end_matches(".yml").replace('-', "_");
        format!("lab::{}::{file}_{}", module_path!(), self.job)
    }

    /// Why it is not run here.
    pub(crate) fn ignored(&self) -> Option<String> {
        if self.is_long { not_asked_for() } else { None }
    }

    /// Runs the job's commands.
    pub(crate) fn run(&self) -> Outcome {
        let workflow = read(self.file)?;
        let job = workflow.jobs.get(self.job).ok_or("there is no such job")?;
        let uploads = job.steps.iter().filter(|step| {
            step.uses
                .as_ref()
                .is_some_and(|action| action.contains("upload-artifact"))
                && step.condition.as_deref() == Some("always()")
        });
        if uploads.count() == 0 {
            return Err(
                "it keeps nothing of a failure: a step has to upload, `if: always()`".into(),
            );
        }
        let checkout = Checkout::new(self.job)?;
        let mut given: BTreeMap<String, String> = self
            .given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        if self.job != "node" {
            return run(&checkout, &workflow, job, &given);
        }
        runtime.block_on(async {
            let chain = |error| archipelago_lab::chain(&error);
            let node = StandIn::builder()
                .name("workflow-node")
                .program(env!("CARGO_BIN_EXE_archipelago"))
                .start()
                .await
                .map_err(chain)?;
            let text =
                |path: PathBuf| std::fs::read_to_string(path).map_err(|error| error.to_string());
            given.insert("vars.ARCHIPELAGO_NODE".into(), node.node());
            given.insert("vars.ARCHIPELAGO_NODE_PORT".into(), node.port().to_string());
            given.insert("secrets.NODE_KEY".into(), text(node.key())?);
            given.insert("vars.NODE_KNOWN_HOSTS".into(), text(node.known_hosts())?);
            let outcome = run(&checkout, &workflow, job, &given);
            outcome.and(node.stop().await.map_err(chain))
        })
    }
}

/// Whether the list above has every job, and no other.
pub(crate) fn every_job_is_here() -> Outcome {
    let folder = root().join(".gitea/workflows");
    let mut there = Vec::new();
    for entry in std::fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten()
    {
        let file = entry.file_name().to_string_lossy().into_owned();
        let jobs = read(&file)?.jobs;
        there.extend(jobs.into_keys().map(|job| format!("{file}: {job}")));
    }
    let mut here: Vec<_> = JOBS
        .iter()
        .map(|job| format!("{}: {}", job.file, job.job))
        .collect();
    there.sort();
    here.sort();
    if there == here {
        Ok(())
    } else {
        Err(format!(
            "the workflows have {there:?}, and here are {here:?}"
        ))
    }
}

fn read(file: &str) -> Result<Workflow, String> {
    let path = root().join(".gitea/workflows").join(file);
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_saphyr::from_str(&text).map_err(|error| format!("{file}: {error}"))
}

/// A text with its expressions replaced; what nobody gives is an error, and not empty by chance.
fn expanded(text: &str, given: &BTreeMap<String, String>) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").ok_or("an expression has no end")?;
        done.push_str(before);
        done.push_str(&value(expression, given)?);
        rest = after;
    }
    Ok(done + rest)
}

/// `a || b || 'text'`: the first that is not empty, as Actions has it.
fn value(expression: &str, given: &BTreeMap<String, String>) -> Result<String, String> {
    for part in expression.split("||").map(str::trim) {
        let value = match part
            .strip_prefix('\'')
            .and_then(|part| part.strip_suffix('\''))
        {
            Some(text) => text.to_owned(),
            None => match (given.get(part), part.split_once('.')) {
                (Some(value), _) => value.clone(),
                // An input that nobody gave, as on a push.
                (None, Some(("inputs", _))) => String::new(),
                (None, _) => return Err(format!("`{part}` is not given in this trial")),
            },
        };
        if !value.is_empty() {
            return Ok(value);
        }
    }
    Ok(String::new())
}

/// The commands of a job, up to the first that fails; those that always run follow all the same.
fn run(
    checkout: &Checkout,
    workflow: &Workflow,
    job: &Job,
    given: &BTreeMap<String, String>,
) -> Outcome {
    let written = checkout.temp().join("env");
    std::fs::write(&written, "").map_err(|error| error.to_string())?;
    let mut outcome = Ok(());
    for step in &job.steps {
        let Some(run) = &step.run else { continue };
        let due = match step.condition.as_deref() {
            None => outcome.is_ok(),
            Some("always()") => true,
            Some("failure()") => outcome.is_err(),
            Some(other) => return Err(format!("`if: {other}` is not known in this trial")),
        };
        if !due {
            continue;
        }
        let mut environment = plain_environment();
        environment.remove("CARGO_TARGET_DIR");
        environment.insert("CI".into(), "true".into());
        environment.insert("RUNNER_TEMP".into(), checkout.temp().display().to_string());
        environment.insert("GITHUB_ENV".into(), written.display().to_string());
        for (name, text) in workflow.env.iter().chain(&job.env).chain(&step.env) {
            environment.insert(name.clone(), expanded(text, given)?);
        }
        environment.extend(lines_of(&written)?);
        let script = checkout.temp().join("step.sh");
        std::fs::write(&script, expanded(run, given)?).map_err(|error| error.to_string())?;
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&script)
            .current_dir(checkout.path())
            .env_clear()
            .envs(environment);
        outcome = outcome.and(said(&step.name, &mut command));
    }
    outcome
}

/// `NAME=value` lines, as steps hand on variables.
fn lines_of(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}
