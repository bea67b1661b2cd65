//! `report make`: from nextest's JUnit and what a script has seen to JSON on standard output, and an exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use archipelago_report::{Facts, Report, Test};
use clap::{Args, Parser, Subcommand};

/// What came of a run on a node, as JSON.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the report of a run. The exit code is that of the run: 0 passed, 1 failed, 2 could not run, 3 cut short, 4
    /// something is left; 101: the report could not be made.
    Make(Box<Make>),
    /// Print the JSON Schema of reports.
    Schema,
}

#[derive(Args)]
struct Make {
    /// nextest's JUnit. Where there is none, one is written that says why.
    #[arg(long)]
    junit: PathBuf,
    /// What the tests tell of themselves, one JSON object a line; may be missing.
    #[arg(long)]
    lines: Option<PathBuf>,
    /// A failure that no test tells of.
    #[arg(long)]
    failed: bool,
    #[arg(long)]
    run: String,
    #[arg(long)]
    node: String,
    #[arg(long)]
    revision: Option<String>,
    #[arg(long)]
    deployed: Option<String>,
    #[arg(long)]
    archipelago: Option<String>,
    #[arg(long)]
    podman: Option<String>,
    #[arg(long)]
    started: u64,
    #[arg(long)]
    ms: u64,
    #[arg(long)]
    unable: Option<String>,
    #[arg(long)]
    cut_short: Option<String>,
    #[arg(long)]
    rolled_back: bool,
    /// What is left; may be given several times.
    #[arg(long = "leftover", value_name = "KIND NAME")]
    leftovers: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("report: {error:#}");
            ExitCode::from(101)
        }
    }
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Schema => {
            print!("{}", archipelago_report::schema());
            Ok(0)
        }
        Command::Make(make) => {
            let report = report(*make);
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(report.exit_code)
        }
    }
}

fn report(make: Make) -> Report {
    let mut facts = Facts {
        run: make.run,
        node: make.node,
        revision: make.revision,
        deployed: make.deployed,
        archipelago: make.archipelago,
        podman: make.podman,
        started: make.started,
        ms: make.ms,
        unable: make.unable,
        cut_short: make.cut_short,
        rolled_back: make.rolled_back,
        leftovers: make.leftovers,
    };
    let lines = make.lines.map(std::fs::read_to_string);
    let lines = lines.and_then(Result::ok).unwrap_or_default();
    let tests = match tests(&make.junit, &facts) {
        Ok(tests) => archipelago_report::as_told(tests, &lines),
        // The rest of the report is worth telling.
        Err(error) => {
            facts.unable.get_or_insert(format!("{error:#}"));
            Vec::new()
        }
    };
    Report::new(facts, tests, make.failed)
}

/// What the JUnit file tells. One is written where there is none, for CI to show.
fn tests(junit: &Path, facts: &Facts) -> anyhow::Result<Vec<Test>> {
    let about = || format!("`{}`", junit.display());
    if junit.exists() {
        let xml = std::fs::read_to_string(junit).with_context(about)?;
        return archipelago_report::tests(&xml).with_context(about);
    }
    std::fs::write(junit, archipelago_report::of_a_run_without_tests(facts)).with_context(about)?;
    Ok(Vec::new())
}
