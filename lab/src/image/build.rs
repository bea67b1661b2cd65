//! Building a lab image on an engine.

use std::collections::HashMap;

use bollard::Docker;
use bollard::query_parameters::{
    BuildImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
    RemoveImageOptionsBuilder,
};
use futures_util::StreamExt;

use super::archive;
use super::base::Base;
use super::bases::{base_image, base_reference};
use super::error::{ImageError, engine, io};
use super::flavour::Flavour;
use super::inputs::{Inputs, source_root};
use super::program::{executable, run};
use super::seed::seed;
use crate::engine::service::{on_path, tail};
use crate::session::Session;

/// Told what a build is doing now, in a few words, such as `making the debian-13 base from packages`.
pub type Progress<'a> = &'a mut (dyn FnMut(&str) + Send);

/// A lab image that is there now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Built {
    /// Its reference.
    pub reference: String,
    /// Whether it was there before.
    pub cached: bool,
}

/// While somebody else builds or removes images, podman 4.3 may find an image and then not know it (status 500, "image not
/// known"). So it is asked again, so many times.
const LOOKS: u32 = 5;
/// See [`LOOKS`].
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// Whether the engine has an image.
pub async fn exists(docker: &Docker, reference: &str) -> Result<bool, ImageError> {
    let mut looks = 1;
    loop {
        match docker.inspect_image(reference).await {
            Ok(_) => return Ok(true),
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404, ..
            }) => return Ok(false),
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 500,
                message,
            }) if looks < LOOKS && message.contains("image not known") => {
                looks += 1;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(source) => return Err(engine(format!("look for `{reference}`"))(source)),
        }
    }
}

/// The image of that flavour for `base`, if it has been built for the sources as they are now.
pub async fn built(docker: &Docker, flavour: Flavour, base: &Base) -> Result<String, ImageError> {
    let reference = super::reference(flavour, base)?;
    if exists(docker, &reference).await? {
        Ok(reference)
    } else {
        Err(ImageError::Missing {
            reference,
            flavour,
            base: base.clone(),
        })
    }
}

/// Builds the image of that flavour for `base`, or finds it built. `afresh` builds base and image even so.
pub async fn build(
    session: &Session,
    docker: &Docker,
    flavour: Flavour,
    base: &Base,
    afresh: bool,
    progress: Progress<'_>,
) -> Result<Built, ImageError> {
    let inputs = Inputs::collect(flavour)?;
    let repository = flavour.repository();
    let tag = format!("{}-{}", base.tag_part(), inputs.content(base));
    let reference = format!("{repository}:{tag}");
    let cached = Built {
        reference: reference.clone(),
        cached: true,
    };
    if !afresh && exists(docker, &reference).await? {
        return Ok(cached);
    }
    // Two that make it at once would take away each other's layers.
    let _alone = session.lock_image(&tag).await?;
    if !afresh && exists(docker, &reference).await? {
        return Ok(cached);
    }
    // Before a minute of compiling.
    let base_is_there = match base {
        Base::Debian(_) if !afresh => exists(docker, &base_reference(flavour, base)).await?,
        _ => false,
    };
    if matches!(base, Base::Debian(_)) && !base_is_there && !on_path("mmdebstrap") {
        return Err(ImageError::NoMmdebstrap { base: base.clone() });
    }
    let scratch = session.scratch().map_err(io("make a scratch folder"))?;
    progress("compiling the fixture app");
    let fixture = compile_fixture().await?;
    let from = base_image(docker, flavour, base, afresh, scratch.path(), progress).await?;
    progress(&format!("building {reference}"));
    let unseeded = format!("{tag}-unseeded");
    build_layers(docker, base, from.as_deref(), &inputs, &fixture, &unseeded).await?;
    progress("unpacking the fixture images");
    let unseeded = format!("{repository}:{unseeded}");
    let seeded = seed(session, docker, flavour, &unseeded, &tag).await;
    let forgotten = docker
        .remove_image(
            &unseeded,
            Some(RemoveImageOptionsBuilder::default().noprune(true).build()),
            None,
        )
        .await;
    seeded?;
    forgotten.map_err(engine("remove the tag of the unseeded image"))?;
    remove_older(docker, flavour, base, &reference).await?;
    Ok(Built {
        reference,
        cached: false,
    })
}

/// Compiles the fixture app with the cargo that is there; returns the program.
///
/// # Errors
/// cargo is not there, or cannot build it.
pub async fn compile_fixture() -> Result<Vec<u8>, ImageError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = tokio::process::Command::new(cargo);
    command
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "archipelago-fixture",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(source_root());
    let output = run(command, "cargo build").await?;
    let program = executable(&output).ok_or_else(|| ImageError::Program {
        program: "cargo build".into(),
        ended: "named no executable".into(),
        log: tail(&output, 5),
    })?;
    std::fs::read(&program).map_err(io(format!("read `{}`", program.display())))
}

async fn build_layers(
    docker: &Docker,
    base: &Base,
    from: Option<&str>,
    inputs: &Inputs,
    fixture: &[u8],
    tag: &str,
) -> Result<(), ImageError> {
    let context = context(inputs, fixture).map_err(io("lay out the build context"))?;
    let source = source_root().to_string_lossy();
    let reference = format!("{}:{tag}", inputs.flavour.repository());
    let flavour = inputs.flavour.to_string();
    let mut arguments = HashMap::from([("FLAVOUR", flavour.as_str())]);
    arguments.extend(from.map(|from| ("BASE", from)));
    let options = BuildImageOptionsBuilder::default()
        .dockerfile("Containerfile")
        .t(&reference)
        .buildargs(&arguments)
        .labels(&HashMap::from([(LABEL_SOURCE, source.as_ref())]))
        .rm(true)
        .forcerm(true)
        .build();
    let mut answers = docker.build_image(options, None, Some(bollard::body_full(context.into())));
    let mut log = String::new();
    let failed = |mut log: String, last: &str| {
        log.push_str(last);
        ImageError::Build {
            base: base.clone(),
            hint: match base {
                Base::Debian(_) => "",
                Base::Fedora | Base::Reference(_) => {
                    " (where no registry can be reached, use a base made from packages: --base debian-13)"
                }
            },
            log: tail(&log, 15),
        }
    };
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(info) => {
                if let Some(text) = &info.stream {
                    log.push_str(text);
                }
                if let Some(error) = info.error_detail {
                    return Err(failed(log, &error.message.unwrap_or_default()));
                }
            }
            Err(error) => return Err(failed(log, &crate::chain(&error))),
        }
    }
    if exists(docker, &reference).await? {
        Ok(())
    } else {
        // podman 4.3 ends the stream of some failed builds without an error.
        Err(failed(log, "the build ended without an image"))
    }
}

/// The build context as a tar: the files of `lab/image`, the Containerfile, the archives of the fixture images.
pub fn context(inputs: &Inputs, fixture: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut context = tar::Builder::new(Vec::new());
    for (path, content) in &inputs.context {
        let mode = if path == "init" { 0o755 } else { 0o644 };
        archive::append(&mut context, path, mode, content)?;
    }
    archive::append(&mut context, "Containerfile", 0o644, &inputs.containerfile)?;
    let fixture = archive::fixture_archive(fixture)?;
    archive::append(&mut context, "images/fixture.tar", 0o644, &fixture)?;
    context.into_inner()
}

/// The label with the folder whose sources made an image. Two checkouts on one machine keep one image each.
const LABEL_SOURCE: &str = "io.archipelago.lab.source";

/// Removes the images of the same base that older sources in the same folder made, except those in use.
async fn remove_older(
    docker: &Docker,
    flavour: Flavour,
    base: &Base,
    keep: &str,
) -> Result<(), ImageError> {
    let mine = format!("{}:{}-", flavour.repository(), base.tag_part());
    let images = docker
        .list_images(Some(ListImagesOptionsBuilder::default().build()))
        .await
        .map_err(engine("list images"))?;
    let older = images
        .into_iter()
        .filter(|image| {
            let made_by = image.labels.get(LABEL_SOURCE);
            made_by.is_some_and(|folder| *folder == source_root().to_string_lossy())
        })
        .flat_map(|image| image.repo_tags)
        .filter(|tag| tag.starts_with(&mine) && tag != keep);
    for tag in older {
        if let Err(error) = docker
            .remove_image(&tag, None::<RemoveImageOptions>, None)
            .await
        {
            tracing::debug!(%tag, %error, "an older lab image stays");
        }
    }
    Ok(())
}
