//! `lab image build|name|context`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use archipelago_lab::engine;
use archipelago_lab::image::{self, Base, Flavour, build, inputs::Inputs};
use clap::{Args, Subcommand};

use super::progress::Spinner;

#[derive(Debug, Args)]
pub(crate) struct Image {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Build the lab image, if any of its inputs changed; prints its reference
    Build(Build),
    /// Print the reference that the sources as they are now stand for
    Name(Of),
    /// Lay out the build context in a folder, to build by hand
    Context {
        /// The folder; made if missing
        folder: PathBuf,
        /// What the image is for
        #[arg(long, value_enum, default_value_t)]
        flavour: Flavour,
        /// The static fixture program to bake in
        #[arg(long)]
        fixture: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Of {
    /// What the image is for
    #[arg(long, value_enum, default_value_t)]
    flavour: Flavour,
    /// fedora, debian-12, debian-13, debian-sid, or a reference
    #[arg(long)]
    base: Option<Base>,
}

#[derive(Debug, Args)]
struct Build {
    /// What the image is for
    #[arg(long, value_enum, default_value_t)]
    flavour: Flavour,
    /// fedora, debian-12, debian-13, debian-sid, or a reference; may be given several times
    #[arg(long)]
    base: Vec<Base>,
    /// Build base and image even if nothing changed
    #[arg(long)]
    afresh: bool,
    /// One JSON object a base: {"reference": …, "cached": …}
    #[arg(long)]
    json: bool,
}

impl Image {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            ImageCommand::Build(build) => {
                super::entered(async move |session| build.run(&session).await)
            }
            ImageCommand::Name(of) => {
                println!("{}", image::reference(of.flavour, &or_preferred(of.base)?)?);
                Ok(ExitCode::SUCCESS)
            }
            ImageCommand::Context {
                folder,
                flavour,
                fixture,
            } => {
                let program = std::fs::read(&fixture)
                    .with_context(|| format!("cannot read `{}`", fixture.display()))?;
                let tar = build::context(
                    &Inputs::collect(flavour).map_err(image::ImageError::from)?,
                    &program,
                )?;
                std::fs::create_dir_all(&folder)?;
                tar::Archive::new(tar.as_slice()).unpack(&folder)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

pub(crate) fn or_preferred(base: Option<Base>) -> anyhow::Result<Base> {
    Ok(match base {
        Some(base) => base,
        None => Base::preferred()?,
    })
}

impl Build {
    async fn run(self, session: &archipelago_lab::Session) -> anyhow::Result<ExitCode> {
        let docker = engine::connect(&session.endpoint)?;
        let bases = if self.base.is_empty() {
            vec![Base::preferred()?]
        } else {
            self.base
        };
        for base in bases {
            let spinner = Spinner::new("looking for the lab image");
            let mut say = |doing: &str| spinner.say(doing);
            let built =
                image::build(session, &docker, self.flavour, &base, self.afresh, &mut say).await?;
            drop(spinner);
            if self.json {
                println!("{}", serde_json::to_string(&built)?);
            } else {
                println!("{}", built.reference);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
