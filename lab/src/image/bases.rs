//! The base of a lab image: a reference, or an image made from packages and imported into the engine.

use std::path::Path;

use bollard::Docker;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use futures_util::StreamExt;

use super::base::{Base, Suite};
use super::build::{Progress, exists};
use super::error::{ImageError, engine, io};
use super::flavour::Flavour;
use super::inputs::base_content;
use super::program::run;
use super::{BASE_REPOSITORY, packages};

/// What to build on: a reference, or nothing for the default of `Containerfile.lab`.
pub(super) async fn base_image(
    docker: &Docker,
    flavour: Flavour,
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
    let tag = base_tag(flavour, base);
    let reference = base_reference(flavour, base);
    if !afresh && exists(docker, &reference).await? {
        return Ok(Some(reference));
    }
    progress(&format!("making the {base} base from packages"));
    make_base(suite, flavour, &scratch.join("base.tar"), scratch).await?;
    progress(&format!("importing the {base} base"));
    import(docker, &scratch.join("base.tar"), &tag).await?;
    Ok(Some(reference))
}

fn base_tag(flavour: Flavour, base: &Base) -> String {
    format!("{}-{}", base.tag_part(), base_content(flavour, base))
}

/// Where a base made from packages is kept.
pub(super) fn base_reference(flavour: Flavour, base: &Base) -> String {
    format!("{BASE_REPOSITORY}:{}", base_tag(flavour, base))
}

/// As root mmdebstrap mounts `/proc` and its like in the folder in which it works. In a namespace of its own they end with it,
/// also when it is killed. Without root it makes one by itself. By its path: PATH may have nothing but mmdebstrap.
const OWN_MOUNTS: [&str; 2] = ["/usr/bin/unshare", "--mount"];

async fn make_base(
    suite: Suite,
    flavour: Flavour,
    tar: &Path,
    scratch: &Path,
) -> Result<(), ImageError> {
    let line = packages::command_line(suite, flavour, tar);
    let own_mounts: &[&str] = match rustix::process::geteuid().is_root() {
        true => &OWN_MOUNTS,
        false => &[],
    };
    let mut words = own_mounts.to_vec();
    words.extend(line.iter().map(String::as_str));
    let mut command = tokio::process::Command::new(words[0]);
    // Its working folder goes with ours, even when it is killed.
    command.args(&words[1..]).env("TMPDIR", scratch);
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
