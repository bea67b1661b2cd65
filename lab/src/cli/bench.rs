//! `lab bench`.

use std::process::ExitCode;

use anyhow::Context;
use archipelago_lab::bench::{self, Plan, Spread};
use archipelago_lab::image::{Base, Flavour};
use archipelago_lab::{Lab, Session, engine};
use clap::Args;

use super::labs::pair;
use super::progress::Spinner;

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// fedora, debian-12, debian-13, debian-sid, or a reference
    #[arg(long)]
    base: Option<Base>,
    /// How many pairs
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// Put a static program into the lab before it boots, as HERE:IN_LAB
    #[arg(long, value_name = "HERE:IN_LAB")]
    program: Vec<String>,
    /// Write a file into the lab before it boots, as HERE:IN_LAB
    #[arg(long, value_name = "HERE:IN_LAB")]
    file: Vec<String>,
    /// Measure until the service at this port and path of the lab answers 200, as 5678/health
    #[arg(long, value_name = "PORT/PATH")]
    answers: Option<String>,
    /// {"image", "runs", "lab_ms", "ready_ms", "bare_ms", "stop_ms", "ratio"}, each {"min", "median", "max"}
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let base = super::image::or_preferred(self.base)?;
        let docker = engine::connect(&session.endpoint)?;
        let spinner = Spinner::new("looking for the lab image");
        let mut say = |doing: &str| spinner.say(doing);
        archipelago_lab::image::build(session, &docker, Flavour::Lab, &base, false, &mut say)
            .await?;
        let mut lab = Lab::builder();
        for program in &self.program {
            let (here, in_lab) = pair(program)?;
            lab = lab.program(here, in_lab);
        }
        for file in &self.file {
            let (here, in_lab) = pair(file)?;
            lab = lab.file(in_lab, std::fs::read(&here)?);
        }
        let answers = match &self.answers {
            None => None,
            Some(text) => {
                let wrong = || format!("`{text}` is not PORT/PATH, such as 5678/health");
                let (port, path) = text.split_once('/').with_context(wrong)?;
                let port: u16 = port.parse().ok().with_context(wrong)?;
                lab = lab.publish(port);
                Some((port, format!("/{path}")))
            }
        };
        let plan = Plan {
            base,
            runs: self.runs.max(1),
            lab,
            answers,
        };
        let runs = plan.runs;
        let report = bench::run(session, &plan, |pair| {
            spinner.say(&format!("pair {pair} of {runs}"))
        })
        .await?;
        drop(spinner);
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
            return Ok(ExitCode::SUCCESS);
        }
        println!("{} pairs of {}\n", report.runs, report.image);
        println!("{:<28} {:>8} {:>8} {:>8}", "", "min", "median", "max");
        let row = |name: &str, spread: Spread, unit: &str| {
            let Spread { min, median, max } = spread;
            let digits = if unit.is_empty() { 2 } else { 0 };
            println!("{name:<28} {min:>8.digits$} {median:>8.digits$} {max:>8.digits$} {unit}");
        };
        row("lab until it answers", report.lab_ms, "ms");
        row("  of that until it is ready", report.ready_ms, "ms");
        row("podman run of the image", report.bare_ms, "ms");
        row("ratio, pair by pair", report.ratio, "");
        row("removing the lab", report.stop_ms, "ms");
        Ok(ExitCode::SUCCESS)
    }
}
