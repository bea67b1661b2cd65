//! Commands about running labs.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use archipelago_lab::image::{Base, Flavour};
use archipelago_lab::lab::{LabSummary, Output};
use archipelago_lab::{Lab, LabError, Session, engine, standin};
use clap::Args;

use super::progress::Spinner;

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// A name for it
    name: Option<String>,
    /// fedora, debian-12, debian-13, debian-sid, or a reference
    #[arg(long)]
    base: Option<Base>,
    /// Publish a TCP port of the lab on a free port of 127.0.0.1; may be given several times
    #[arg(long, default_values_t = [5678u16])]
    publish: Vec<u16>,
    /// How many seconds the lab may take to be ready
    #[arg(long)]
    deadline: Option<u64>,
    /// Put a static program into the lab before it boots, as HERE:IN_LAB
    #[arg(long, value_name = "HERE:IN_LAB")]
    program: Vec<String>,
    /// Write a file into the lab before it boots, as HERE:IN_LAB
    #[arg(long, value_name = "HERE:IN_LAB")]
    file: Vec<String>,
}

pub(super) fn pair(text: &str) -> anyhow::Result<(std::path::PathBuf, String)> {
    let (here, in_lab) = text
        .rsplit_once(':')
        .with_context(|| format!("`{text}` is not HERE:IN_LAB"))?;
    let here = std::fs::canonicalize(here).with_context(|| format!("no such file: `{here}`"))?;
    Ok((here, in_lab.to_owned()))
}

impl Up {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let base = super::image::or_preferred(self.base)?;
        let docker = engine::connect(&session.endpoint)?;
        if let Some(name) = &self.name {
            free(&docker, name).await?;
        }
        let spinner = Spinner::new("looking for the lab image");
        let mut say = |doing: &str| spinner.say(doing);
        archipelago_lab::image::build(session, &docker, Flavour::Lab, &base, false, &mut say)
            .await?;
        spinner.say("starting the lab");
        let mut builder = Lab::builder().base(base).kept();
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        if let Some(seconds) = self.deadline {
            builder = builder.deadline(std::time::Duration::from_secs(seconds));
        }
        for port in &self.publish {
            builder = builder.publish(*port);
        }
        for program in &self.program {
            let (here, in_lab) = pair(program)?;
            builder = builder.program(here, in_lab);
        }
        for file in &self.file {
            let (here, in_lab) = pair(file)?;
            builder = builder.file(in_lab, std::fs::read(&here)?);
        }
        let lab = builder.start().await?;
        drop(spinner);
        println!("lab {} is up", lab.id());
        for port in self.publish {
            println!("  port {port} is {}", lab.published_port(port).await?);
        }
        println!(
            "  cargo lab shell {0}   look inside\n  cargo lab down {0}    remove it",
            lab.id()
        );
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// A JSON array of objects
    #[arg(long)]
    json: bool,
}

impl Ls {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let docker = engine::connect(&session.endpoint)?;
        let labs = labs(&docker).await?;
        if self.json {
            println!("{}", serde_json::to_string(&labs)?);
            return Ok(ExitCode::SUCCESS);
        }
        if labs.is_empty() {
            println!("no labs; start one with `cargo lab up`");
            return Ok(ExitCode::SUCCESS);
        }
        println!(
            "{:<10} {:<24} {:<10} {:<8} IMAGE",
            "ID", "NAME", "STATE", "OWNER"
        );
        for lab in labs {
            let owner = lab.owner.split(':').next().unwrap_or_default();
            println!(
                "{:<10} {:<24} {:<10} {owner:<8} {}",
                lab.id, lab.name, lab.state, lab.image
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Removes a lab, and what is kept of it as a stand-in; its id.
pub(super) async fn remove(session: &Session, name: Option<&str>) -> anyhow::Result<String> {
    let docker = engine::connect(&session.endpoint)?;
    let lab = Lab::open(docker.clone(), name).await?;
    let id = lab.id().to_owned();
    let mut summaries = labs(&docker).await?.into_iter();
    let summary = summaries.find(|lab| lab.id == id);
    lab.stop().await?;
    if let Some(summary) = summary {
        standin::forget(session, &summary.name)?;
    }
    Ok(id)
}

/// Refuses a name that a lab has already.
pub(super) async fn free(docker: &bollard::Docker, name: &str) -> anyhow::Result<()> {
    if labs(docker).await?.iter().any(|lab| lab.name == name) {
        return Err(LabError::Which(format!(
            "a lab called `{name}` is up already: use another name, or `cargo lab down {name}` first"
        ))
        .into());
    }
    Ok(())
}

async fn labs(docker: &bollard::Docker) -> anyhow::Result<Vec<LabSummary>> {
    let all = archipelago_lab::session::keeper::ours(docker).await?;
    Ok(all.iter().filter_map(LabSummary::of).collect())
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Name or id; may be left out where one lab runs
    lab: Option<String>,
}

async fn open(session: &Session, which: Option<&str>) -> anyhow::Result<Lab> {
    Ok(Lab::open(engine::connect(&session.endpoint)?, which).await?)
}

impl Which {
    pub(crate) async fn shell(self, session: &Session) -> anyhow::Result<ExitCode> {
        let lab = open(session, self.lab.as_deref()).await?;
        let code = lab
            .interactive(&["/bin/sh", "-lc", "exec ${SHELL:-/bin/bash} -l"])
            .await?;
        Ok(ExitCode::from(code))
    }
}

impl Which {
    pub(crate) async fn power_loss(self, session: &Session) -> anyhow::Result<ExitCode> {
        let lab = open(session, self.lab.as_deref()).await?;
        lab.power_loss().await?;
        println!("lab {} has lost power and is up again", lab.id());
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Name or id; may be left out where one lab runs
    #[arg(long, short)]
    lab: Option<String>,
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    argv: Vec<String>,
}

impl Exec {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let lab = open(session, self.lab.as_deref()).await?;
        let argv: Vec<&str> = self.argv.iter().map(String::as_str).collect();
        pass_on(&lab.exec(&argv).await?)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Podman {
    /// Name or id; may be left out where one lab runs
    #[arg(long, short)]
    lab: Option<String>,
    /// podman's arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    argv: Vec<String>,
}

impl Podman {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let lab = open(session, self.lab.as_deref()).await?;
        let argv: Vec<&str> = self.argv.iter().map(String::as_str).collect();
        pass_on(&lab.podman(&argv).await?)
    }
}

fn pass_on(output: &Output) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(&output.stdout)?;
    std::io::stderr().write_all(&output.stderr)?;
    Ok(ExitCode::from(
        u8::try_from(output.code).unwrap_or(super::exit_code::FAILED),
    ))
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Name or id; may be left out where one lab runs
    lab: Option<String>,
    /// One unit, such as archipelago.service
    #[arg(long, short)]
    unit: Option<String>,
    /// How many lines from the end
    #[arg(long, short = 'n', default_value_t = 200)]
    lines: usize,
}

impl Logs {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let lab = open(session, self.lab.as_deref()).await?;
        print!("{}", lab.journal(self.unit.as_deref(), self.lines).await?);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Name or id; may be left out where one lab runs
    lab: Option<String>,
    /// Every lab that is kept
    #[arg(long, conflicts_with = "lab")]
    all: bool,
}

impl Down {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let docker = engine::connect(&session.endpoint)?;
        let names: Vec<Option<String>> = if self.all {
            // Those of a running test belong to that test.
            labs(&docker)
                .await?
                .into_iter()
                .filter(|lab| lab.owner == archipelago_lab::session::owner::KEPT)
                .map(|lab| Some(lab.id))
                .collect()
        } else {
            vec![self.lab]
        };
        for name in names {
            let id = remove(session, name.as_deref()).await?;
            println!("lab {id} is gone");
        }
        Ok(ExitCode::SUCCESS)
    }
}
