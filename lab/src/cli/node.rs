//! `lab node-up` and `lab node-down`.

use std::process::ExitCode;

use archipelago_lab::image::{Base, Flavour};
use archipelago_lab::standin::Settings;
use archipelago_lab::{Session, StandIn, engine, standin};
use clap::Args;

use super::progress::Spinner;

#[derive(Debug, Args)]
pub(crate) struct NodeUp {
    /// A name for it; its host name as well
    #[arg(long, default_value = standin::NAME)]
    name: String,
    /// fedora, debian-12, debian-13, debian-sid, or a reference
    #[arg(long, default_value_t = standin::BASE)]
    base: Base,
    /// A static archipelago that is there already; without it, it is built
    #[arg(long)]
    program: Option<std::path::PathBuf>,
    /// Show it no Rust toolchain: nothing can be built on it then
    #[arg(long)]
    no_toolchain: bool,
    /// One JSON object: {"lab": ID, "name": …, "env": {…}}
    #[arg(long)]
    json: bool,
}

impl NodeUp {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let docker = engine::connect(&session.endpoint)?;
        super::labs::free(&docker, &self.name).await?;
        let spinner = Spinner::new("looking for the lab image");
        let mut say = |doing: &str| spinner.say(doing);
        archipelago_lab::image::build(session, &docker, Flavour::Node, &self.base, false, &mut say)
            .await?;
        let program = match self.program {
            Some(program) => program,
            None => {
                let program = Settings::read()?.program;
                spinner.say(&format!("building {}", program.bin));
                standin::build(&program).await?
            }
        };
        spinner.say("starting the stand-in");
        let mut builder = StandIn::builder()
            .name(&self.name)
            .base(self.base)
            .program(program)
            .kept();
        if self.no_toolchain {
            builder = builder.without_toolchain();
        }
        let node = builder.start().await?;
        drop(spinner);
        print(&node, &self.name, self.json);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct NodeEnv {
    /// Its name
    #[arg(default_value = standin::NAME)]
    name: String,
    /// One JSON object, as of `node-up`
    #[arg(long)]
    json: bool,
}

impl NodeEnv {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let node = StandIn::open(session, &self.name).await?;
        print(&node, &self.name, self.json);
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints the variables by which a stand-in is found.
fn print(node: &StandIn, name: &str, json: bool) {
    if json {
        let env: serde_json::Map<String, serde_json::Value> = node
            .env()
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let node = serde_json::json!({ "lab": node.lab().id(), "name": name, "env": env });
        println!("{node}");
        return;
    }
    for (name, value) in node.env() {
        println!("export {name}={}", shell_words::quote(&value));
    }
}

#[derive(Debug, Args)]
pub(crate) struct NodeDown {
    /// Its name
    #[arg(default_value = standin::NAME)]
    name: String,
}

impl NodeDown {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        super::labs::remove(session, Some(&self.name)).await?;
        println!("stand-in {} is gone", self.name);
        Ok(ExitCode::SUCCESS)
    }
}
