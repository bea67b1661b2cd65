//! Building a lab image on an engine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bollard::Docker;
use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CommitContainerOptionsBuilder, CreateContainerOptions,
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, LogsOptionsBuilder, RemoveImageOptions,
    RemoveImageOptionsBuilder, StartContainerOptions, TagImageOptionsBuilder, WaitContainerOptions,
};
use futures_util::StreamExt;

use super::base::{Base, Suite};
use super::inputs::{InputError, Inputs, base_content, source_root};
use super::{BASE_REPOSITORY, REPOSITORY, archive, packages};
use crate::engine::service::{on_path, tail};
use crate::session::Session;
use crate::session::keeper;
use crate::session::owner::{LABEL_LAB, LABEL_OWNER, LABEL_SESSION};

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

/// The image could not be built. Nothing half-built is left under its name.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A source file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A local file or program.
    #[error("cannot {action}")]
    Io {
        /// Such as `start cargo`.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that ended with an error.
    #[error("`{program}` {ended}; its last lines:\n{log}")]
    Program {
        /// The program and its first arguments.
        program: String,
        /// How it ended.
        ended: String,
        /// The tail of what it said.
        log: String,
    },
    /// A Debian base without the program that makes it.
    #[error(
        "a {base} base is made from packages, and mmdebstrap is not installed: `apt-get install mmdebstrap`, or `dnf install mmdebstrap`"
    )]
    NoMmdebstrap {
        /// The base.
        base: Base,
    },
    /// The engine refused a step.
    #[error("the engine cannot {step}")]
    Engine {
        /// The step.
        step: String,
        /// What it said.
        source: bollard::errors::Error,
    },
    /// A step of `Containerfile.lab` failed.
    #[error("the build on {base} failed{hint}; its last lines:\n{log}")]
    Build {
        /// The base.
        base: Base,
        /// What to try.
        hint: &'static str,
        /// The tail of the build's output.
        log: String,
    },
    /// The image is there but not for these sources.
    #[error("the lab image `{reference}` is not built: run `cargo lab image build --base {base}`")]
    Missing {
        /// Its reference.
        reference: String,
        /// The base.
        base: Base,
    },
}

fn engine(step: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> ImageError {
    let step = step.into();
    move |source| ImageError::Engine { step, source }
}

fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> ImageError {
    let action = action.into();
    move |source| ImageError::Io { action, source }
}

/// Whether the engine has an image.
pub async fn exists(docker: &Docker, reference: &str) -> Result<bool, ImageError> {
    match docker.inspect_image(reference).await {
        Ok(_) => Ok(true),
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(false),
        Err(source) => Err(engine(format!("look for `{reference}`"))(source)),
    }
}

/// The image for `base`, if it has been built for the sources as they are now.
pub async fn built(docker: &Docker, base: &Base) -> Result<String, ImageError> {
    let reference = super::reference(base)?;
    if exists(docker, &reference).await? {
        Ok(reference)
    } else {
        Err(ImageError::Missing {
            reference,
            base: base.clone(),
        })
    }
}

/// Builds the image for `base`, or finds it built. `afresh` builds base and image even so.
pub async fn build(
    session: &Session,
    docker: &Docker,
    base: &Base,
    afresh: bool,
    progress: Progress<'_>,
) -> Result<Built, ImageError> {
    let inputs = Inputs::collect()?;
    let tag = format!("{}-{}", base.tag_part(), inputs.content(base));
    let reference = format!("{REPOSITORY}:{tag}");
    if !afresh && exists(docker, &reference).await? {
        return Ok(Built {
            reference,
            cached: true,
        });
    }
    // Before a minute of compiling.
    let base_is_there = match base {
        Base::Debian(_) if !afresh => exists(docker, &base_reference(base)).await?,
        _ => false,
    };
    if matches!(base, Base::Debian(_)) && !base_is_there && !on_path("mmdebstrap") {
        return Err(ImageError::NoMmdebstrap { base: base.clone() });
    }
    let scratch = session.scratch().map_err(io("make a scratch folder"))?;
    progress("compiling the fixture app");
    let fixture = compile_fixture().await?;
    let from = base_image(docker, base, afresh, scratch.path(), progress).await?;
    progress(&format!("building {reference}"));
    let unseeded = format!("{tag}-unseeded");
    build_layers(docker, base, from.as_deref(), &inputs, &fixture, &unseeded).await?;
    progress("unpacking the fixture images");
    let seeded = seed(session, docker, &format!("{REPOSITORY}:{unseeded}"), &tag).await;
    let forgotten = docker
        .remove_image(
            &format!("{REPOSITORY}:{unseeded}"),
            Some(RemoveImageOptionsBuilder::default().noprune(true).build()),
            None,
        )
        .await;
    seeded?;
    forgotten.map_err(engine("remove the tag of the unseeded image"))?;
    remove_older(docker, base, &reference).await?;
    Ok(Built {
        reference,
        cached: false,
    })
}

/// Compiles the fixture app with the cargo that is there; returns the program.
async fn compile_fixture() -> Result<Vec<u8>, ImageError> {
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
    // One JSON object a line; the one with an executable names the program.
    let program = output
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
        .ok_or_else(|| ImageError::Program {
            program: "cargo build".into(),
            ended: "named no executable".into(),
            log: tail(&output, 5),
        })?;
    std::fs::read(&program).map_err(io(format!("read `{}`", program.display())))
}

/// A program with all that it has started, killed on drop: mmdebstrap has a dozen of processes below it.
struct Family(Option<u32>);

impl Drop for Family {
    fn drop(&mut self) {
        let leader = self
            .0
            .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(leader) = leader
            && let Err(error) =
                rustix::process::kill_process_group(leader, rustix::process::Signal::KILL)
        {
            tracing::warn!(%error, "a program that was not needed any more goes on");
        }
    }
}

/// Runs a program to its end; its standard output, or an error with the tail of both streams.
async fn run(mut command: tokio::process::Command, name: &str) -> Result<String, ImageError> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(io(format!("start {name}")))?;
    let mut family = Family(child.id());
    let output = child
        .wait_with_output()
        .await
        .map_err(io(format!("start {name}")))?;
    family.0 = None;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
    log.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(ImageError::Program {
        program: name.into(),
        ended: format!("ended with {}", output.status),
        log: tail(&log, 15),
    })
}

/// What to build on: a reference, or nothing for the default of `Containerfile.lab`.
async fn base_image(
    docker: &Docker,
    base: &Base,
    afresh: bool,
    scratch: &Path,
    progress: Progress<'_>,
) -> Result<Option<String>, ImageError> {
    let suite = match base {
        Base::Fedora => return Ok(None),
        Base::Reference(reference) => return Ok(Some(reference.clone())),
        Base::Debian(suite) => *suite,
    };
    let tag = base_tag(base);
    let reference = base_reference(base);
    if !afresh && exists(docker, &reference).await? {
        return Ok(Some(reference));
    }
    progress(&format!("making the {base} base from packages"));
    make_base(suite, &scratch.join("base.tar"), scratch).await?;
    progress(&format!("importing the {base} base"));
    import(docker, &scratch.join("base.tar"), &tag).await?;
    Ok(Some(reference))
}

fn base_tag(base: &Base) -> String {
    format!("{}-{}", base.tag_part(), base_content(base))
}

/// Where a base made from packages is kept.
fn base_reference(base: &Base) -> String {
    format!("{BASE_REPOSITORY}:{}", base_tag(base))
}

async fn make_base(suite: Suite, tar: &Path, scratch: &Path) -> Result<(), ImageError> {
    let line = packages::command_line(suite, tar);
    let mut command = tokio::process::Command::new(&line[0]);
    // Its working folder goes with ours, even when it is killed.
    command.args(&line[1..]).env("TMPDIR", scratch);
    run(command, &line[0]).await?;
    Ok(())
}

async fn import(docker: &Docker, tar: &Path, tag: &str) -> Result<(), ImageError> {
    let file = tokio::fs::File::open(tar)
        .await
        .map_err(io(format!("read `{}`", tar.display())))?;
    let body = bollard::body_try_stream(tokio_util::io::ReaderStream::with_capacity(file, 1 << 20));
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(BASE_REPOSITORY)
        .tag(tag)
        .build();
    let mut answers = docker.create_image(Some(options), Some(body), None);
    let mut imported = None;
    while let Some(answer) = answers.next().await {
        let answer = answer.map_err(engine("import the base"))?;
        imported = answer.status.or(imported);
    }
    // podman 4.3 takes no notice of the tag and calls it `latest`; the last status is the id.
    let id = imported.unwrap_or_else(|| format!("{BASE_REPOSITORY}:latest"));
    let options = TagImageOptionsBuilder::default()
        .repo(BASE_REPOSITORY)
        .tag(tag)
        .build();
    docker
        .tag_image(&id, Some(options))
        .await
        .map_err(engine("tag the base"))?;
    let latest = format!("{BASE_REPOSITORY}:latest");
    if exists(docker, &latest).await? {
        let options = RemoveImageOptionsBuilder::default().noprune(true).build();
        docker
            .remove_image(&latest, Some(options), None)
            .await
            .map_err(engine("untag the base"))?;
    }
    Ok(())
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
    let arguments: HashMap<&str, &str> = from.map(|from| ("BASE", from)).into_iter().collect();
    let options = BuildImageOptionsBuilder::default()
        .dockerfile("Containerfile")
        .t(&format!("{REPOSITORY}:{tag}"))
        .buildargs(&arguments)
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
    if exists(docker, &format!("{REPOSITORY}:{tag}")).await? {
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

/// Loads the archives with the image's own podman and keeps what its storage then holds.
pub(super) const SEED: &str = r#"
for archive in /usr/local/share/lab/images/*.tar; do
    podman --root /run/seed --runroot /run/seed-run load --quiet --input "$archive"
done
mkdir /usr/local/share/lab/storage
cd /run/seed
cp -a overlay overlay-images overlay-layers /usr/local/share/lab/storage/
"#;

async fn seed(session: &Session, docker: &Docker, from: &str, tag: &str) -> Result<(), ImageError> {
    let owner = session.owner.to_string();
    let body = ContainerCreateBody {
        image: Some(from.into()),
        entrypoint: Some(vec!["/bin/sh".into()]),
        cmd: Some(vec!["-ec".into(), SEED.into()]),
        labels: Some(HashMap::from([
            (LABEL_LAB.into(), "seed".into()),
            (LABEL_OWNER.into(), owner),
            (LABEL_SESSION.into(), session.label()),
        ])),
        host_config: Some(HostConfig {
            privileged: Some(true),
            network_mode: Some("none".into()),
            // Overlay on overlay does not work: the storage is unpacked on a tmpfs. And what podman leaves on /run must
            // not become part of the image: every lab would begin with it, and podman would not notice a power loss.
            tmpfs: Some(HashMap::from([("/run".into(), String::new())])),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let id = docker
        .create_container(None::<CreateContainerOptions>, body)
        .await
        .map_err(engine(
            "create the container that unpacks the fixture images",
        ))?
        .id;
    let committed = async {
        docker
            .start_container(&id, None::<StartContainerOptions>)
            .await
            .map_err(engine("unpack the fixture images"))?;
        let ended = docker
            .wait_container(&id, None::<WaitContainerOptions>)
            .next()
            .await;
        if !matches!(ended, Some(Ok(ref answer)) if answer.status_code == 0) {
            return Err(ImageError::Program {
                program: "podman load".into(),
                ended: format!("failed in the image ({ended:?})"),
                log: logs(docker, &id).await,
            });
        }
        // The image's own start, not the one of this container.
        let options = CommitContainerOptionsBuilder::default()
            .container(&id)
            .repo(REPOSITORY)
            .tag(tag)
            .changes("ENTRYPOINT [\"/usr/local/sbin/init\"]\nCMD []")
            .build();
        docker
            .commit_container(options, ContainerConfig::default())
            .await
            .map_err(engine("commit the seeded image"))
    }
    .await;
    keeper::remove(docker, &id).await.map_err(engine(
        "remove the container that unpacked the fixture images",
    ))?;
    committed?;
    Ok(())
}

async fn logs(docker: &Docker, id: &str) -> String {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .tail("15")
        .build();
    let lines = docker.logs(id, Some(options));
    lines
        .filter_map(async |line| line.ok().map(|line| line.to_string()))
        .collect()
        .await
}

/// Removes the images of the same base that older sources made, except those in use.
async fn remove_older(docker: &Docker, base: &Base, keep: &str) -> Result<(), ImageError> {
    let mine = format!("{REPOSITORY}:{}-", base.tag_part());
    let images = docker
        .list_images(Some(ListImagesOptionsBuilder::default().build()))
        .await
        .map_err(engine("list images"))?;
    let older = images
        .into_iter()
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
