//! `lab conformance`.

mod learn;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use archipelago_lab::conformance::case::{self, Case, Step};
use archipelago_lab::conformance::exceptions::Exceptions;
use archipelago_lab::conformance::player::Side;
use archipelago_lab::conformance::program::Program;
use archipelago_lab::conformance::shards::Shards;
use archipelago_lab::conformance::transcript::Transcript;
use archipelago_lab::conformance::{both, random, record};
use archipelago_lab::image::inputs::source_root;
use archipelago_lab::image::{Base, Flavour};
use archipelago_lab::{Session, engine};
use clap::Args;

use super::exit_code;
use super::progress::{Bar, Spinner};

/// How many runs of both sides one case may take to get short.
const RUNS: usize = 60;

/// How many cases that differ are shortened.
const SHORTENED: usize = 5;

#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// debian-12, debian-13, debian-sid, fedora, or a reference; may be given several times
    #[arg(long)]
    base: Vec<Base>,
    /// The program that says it is podman [default: mock-podman of this workspace, which is built]
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["record", "twice"])]
    against: Option<PathBuf>,
    /// Compare a lab's podman with itself: what differs then hangs on chance
    #[arg(long, conflicts_with = "record")]
    twice: bool,
    /// Play the corpus on a podman that is not known yet, say where it differs from the nearest one that is, and write a draft
    /// of its profile
    #[arg(long, conflicts_with_all = ["record", "twice", "against", "random", "plan"])]
    learn: bool,
    /// Compare nothing: keep what real podman answers, as PODMAN-VERSION/FILE.json
    #[arg(long)]
    record: bool,
    /// The folder for what is written [default: tests/fixtures for --record, target/profiles for --learn]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The folder with the cases [default: lab/conformance/corpus]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// A JSON array of cases instead of the corpus
    #[arg(long, value_name = "FILE", conflicts_with = "corpus")]
    plan: Option<PathBuf>,
    /// So many random sequences instead of the corpus
    #[arg(long, value_name = "N", conflicts_with_all = ["corpus", "plan"])]
    random: Option<u64>,
    /// The seed of the first random sequence; the others have the seeds that follow
    #[arg(long, value_name = "S", default_value_t = 0, requires = "random")]
    seed: u64,
    /// How many steps a random sequence has, at least [default: 30 to 40]
    #[arg(long, value_name = "M", requires = "random")]
    steps: Option<usize>,
    /// Play nothing: write the cases there, as `--plan` reads them
    #[arg(long, value_name = "FILE")]
    emit: Option<PathBuf>,
    /// Only cases in whose FILE::CASE this text is; may be given several times
    #[arg(long, value_name = "TEXT")]
    case: Vec<String>,
    /// So many labs side by side
    #[arg(long, value_name = "N", default_value_t = 1)]
    shards: usize,
    /// How many seconds a command may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    limit: u64,
}

impl Conformance {
    /// Writes the cases, where that is all that is asked for.
    pub(crate) fn emit(&self) -> anyhow::Result<bool> {
        let Some(file) = &self.emit else {
            return Ok(false);
        };
        let text = serde_json::to_string_pretty(&self.cases()?)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write `{}`", file.display()))?;
        Ok(true)
    }

    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let cases = self.cases()?;
        let exceptions = Exceptions::read(&source_root().join("lab/conformance/exceptions.toml"))?;
        let program = match &self.against {
            Some(program) => Some(program.clone()),
            None if self.record || self.twice || self.learn => None,
            None => Some(build()?),
        };
        let docker = engine::connect(&session.endpoint)?;
        let bases = if self.base.is_empty() {
            vec![Base::preferred()?]
        } else {
            self.base.clone()
        };
        let mut agree = true;
        for base in bases {
            let spinner = Spinner::new("looking for the lab image");
            let mut say = |doing: &str| spinner.say(doing);
            archipelago_lab::image::build(session, &docker, Flavour::Lab, &base, false, &mut say)
                .await?;
            spinner.say("starting the lab");
            let limit = Duration::from_secs(self.limit);
            let mut labs = Shards::start(&base, self.shards, limit).await?;
            drop(spinner);
            let done = if self.record {
                self.record(&base, &mut labs, &cases).await.map(|()| true)
            } else if self.learn {
                learn::learn(&mut labs, &cases, self.into.as_deref())
                    .await
                    .map(|()| true)
            } else if let Some(program) = &program {
                let mut mock = Program::new(program, labs.version(), limit);
                self.compare(&mut labs, &mut mock, &cases, &exceptions)
                    .await
            } else {
                let mut again = Shards::start(&base, self.shards, limit).await?;
                let done = self
                    .compare(&mut labs, &mut again, &cases, &exceptions)
                    .await;
                again.stop().await?;
                done
            };
            let stopped = labs.stop().await;
            agree &= done?;
            stopped?;
        }
        Ok(if agree {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(exit_code::FAILED)
        })
    }

    /// Plays the cases on both sides, says where they differ, and shortens random ones.
    async fn compare(
        &self,
        real: &mut Shards,
        mock: &mut impl Side,
        cases: &[Case],
        exceptions: &Exceptions,
    ) -> anyhow::Result<bool> {
        let bar = Bar::new(cases.len());
        let pairs = both::play(real, mock, cases, &mut |case| bar.done(case)).await?;
        drop(bar);
        let is_all = self.random.is_none() && self.plan.is_none() && self.case.is_empty();
        let report = both::report(real.version(), &pairs, exceptions, is_all);
        println!("{report}");
        if self.random.is_none() || self.twice {
            return Ok(report.agrees());
        }
        let differing = cases
            .iter()
            .filter(|case| report.divergences().iter().any(|it| it.case == case.name));
        for case in differing.take(SHORTENED) {
            let spinner = Spinner::new(&format!("looking for less than {}", case.name));
            let divergences: Vec<_> = report
                .divergences()
                .iter()
                .filter(|it| it.case == case.name)
                .cloned()
                .collect();
            let small = both::shortest(real, mock, case, &divergences, exceptions, RUNS).await?;
            drop(spinner);
            println!("\n{}", both::toml(&small));
        }
        Ok(report.agrees())
    }

    /// Keeps what real podman answers.
    async fn record(&self, base: &Base, labs: &mut Shards, cases: &[Case]) -> anyhow::Result<()> {
        let begun = Instant::now();
        let bar = Bar::new(cases.len());
        let mut transcripts = Vec::new();
        let played = labs
            .play(cases, &mut |transcript| {
                bar.done(&transcript.case);
                transcripts.push(transcript);
            })
            .await;
        drop(bar);
        let seconds = begun.elapsed().as_secs_f32();
        // In the order of the corpus, whichever lab was first.
        let place = |name: &str| cases.iter().position(|case| case.name == name);
        transcripts.sort_by_key(|transcript| place(&transcript.case));
        let into = self
            .into
            .clone()
            .unwrap_or_else(|| source_root().join("tests/fixtures"));
        // What was played before something went wrong is as good as ever.
        let files = record::write(&into, labs.version(), &transcripts)?;
        println!(
            "{base}: podman {}, {} cases, {} commands, {seconds:.1} s, {} files in {}",
            labs.version(),
            transcripts.len(),
            transcripts.iter().map(commands).sum::<usize>(),
            files.len(),
            into.display(),
        );
        played?;
        Ok(())
    }

    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let mut cases = match (&self.plan, self.random) {
            (_, Some(count)) => {
                let steps = self.steps.map_or(random::STEPS, |steps| steps..=steps);
                (self.seed..self.seed.saturating_add(count))
                    .map(|seed| random::case(seed, steps.clone()))
                    .collect()
            }
            (Some(plan), None) => {
                let shown = plan.display();
                let text = std::fs::read(plan).with_context(|| format!("cannot read `{shown}`"))?;
                serde_json::from_slice(&text)
                    .with_context(|| format!("`{shown}` is no array of cases"))?
            }
            (None, None) => case::corpus(
                &self
                    .corpus
                    .clone()
                    .unwrap_or_else(|| source_root().join("lab/conformance/corpus")),
            )?,
        };
        ensure!(!cases.is_empty(), "there are no cases");
        for text in &self.case {
            if !cases.iter().any(|case| case.name.contains(text)) {
                let files = cases.iter().filter_map(|case| case.name.split("::").next());
                let files: BTreeSet<_> = files.collect();
                let files: Vec<_> = files.into_iter().collect();
                bail!(
                    "no case has `{text}` in its FILE::CASE; the files are {}",
                    files.join(", ")
                );
            }
        }
        if !self.case.is_empty() {
            cases.retain(|case| self.case.iter().any(|text| case.name.contains(text)));
        }
        Ok(cases)
    }
}

/// Builds `mock-podman`, with the features that all else is built with, so that nothing is built twice; its path.
fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args([
            "build",
            "--workspace",
            "--bin",
            "mock-podman",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(source_root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo to build `mock-podman`: name a program with --against")?;
    ensure!(output.status.success(), "`mock-podman` cannot be built");
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .find(|path| path.file_name() == Path::new("mock-podman").file_name());
    match built {
        Some(path) => Ok(path),
        None => {
            bail!("cargo does not say where it put `mock-podman`: name a program with --against")
        }
    }
}

fn commands(transcript: &Transcript) -> usize {
    let played = transcript.played.iter();
    played.filter(|played| is_command(&played.step)).count()
}

/// Whether a step gives podman a command line.
fn is_command(step: &Step) -> bool {
    match step {
        Step::Podman(_) | Step::KillClient(..) | Step::Spawn(..) => true,
        Step::Join(_)
        | Step::Until(..)
        | Step::UntilRestarted(..)
        | Step::UntilHealthy(..)
        | Step::KillProcess(_)
        | Step::KillMonitor(_)
        | Step::Reboot
        | Step::Registry(_)
        | Step::TakePort(_)
        | Step::File(..) => false,
    }
}
