//! `lab conformance`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archipelago_lab::conformance::case::{self, Case, Step};
use archipelago_lab::conformance::player::Side;
use archipelago_lab::conformance::shards::Shards;
use archipelago_lab::conformance::{random, record};
use archipelago_lab::image::Base;
use archipelago_lab::image::inputs::source_root;
use archipelago_lab::{Session, engine};
use clap::Args;

use super::progress::{Bar, Spinner};

#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// debian-12, debian-13, debian-sid, fedora, or a reference; may be given several times
    #[arg(long)]
    base: Vec<Base>,
    /// Keep what real podman answers, as PODMAN-VERSION/FILE.json
    #[arg(long, required_unless_present = "emit")]
    record: bool,
    /// The folder for that [default: tests/fixtures]
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
        let docker = engine::connect(&session.endpoint)?;
        let bases = if self.base.is_empty() {
            vec![Base::preferred()?]
        } else {
            self.base.clone()
        };
        for base in bases {
            let spinner = Spinner::new("looking for the lab image");
            let mut say = |doing: &str| spinner.say(doing);
            archipelago_lab::image::build(session, &docker, &base, false, &mut say).await?;
            spinner.say("starting the lab");
            let limit = Duration::from_secs(self.limit);
            let mut labs = Shards::start(&base, self.shards, limit).await?;
            drop(spinner);
            let begun = Instant::now();
            let bar = Bar::new(cases.len());
            let mut transcripts = Vec::new();
            let played = labs
                .play(&cases, &mut |transcript| {
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
                transcripts
                    .iter()
                    .map(|transcript| transcript.played.iter())
                    .map(|played| played.filter(|played| is_command(&played.step)).count())
                    .sum::<usize>(),
                files.len(),
                into.display(),
            );
            let stopped = labs.stop().await;
            played?;
            stopped?;
        }
        Ok(ExitCode::SUCCESS)
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
        if !self.case.is_empty() {
            cases.retain(|case| self.case.iter().any(|text| case.name.contains(text)));
        }
        ensure!(!cases.is_empty(), "there is no such case");
        Ok(cases)
    }
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
