//! Images that cannot be built: the text says at which step and what to try, and no image, tag or container is left. And two
//! builds that could get in each other's way.

use anyhow::{Context, ensure};
use archipelago_lab::image::{self, Base, Flavour, REPOSITORY};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
};
use futures_util::StreamExt;

use crate::processes::until;
use crate::stage::{Stage, host_engine};

crate::registry::scenarios![
    a_package_manager_that_fails,
    a_step_that_fails_late,
    a_base_that_is_nowhere,
    no_mmdebstrap_names_the_package,
    a_failing_mmdebstrap_is_quoted,
    two_that_make_one_image_at_once_make_it_once,
];

/// A base of this test's own: the lab image without podman, and with a program in the package manager's place.
pub(crate) struct TestBase {
    reference: String,
}

impl TestBase {
    /// `script` is run for each call of apt-get or dnf.
    pub(crate) async fn make(name: &str, script: &str) -> anyhow::Result<Self> {
        Self::build(
            name,
            &format!(
                "rm -f /usr/bin/podman /usr/lib/podman/netavark /usr/libexec/podman/netavark; \
                 rm -f /usr/bin/apt-get /usr/bin/dnf; \
                 printf '#!/bin/sh\\n%s\\n' '{script}' > /usr/bin/apt-get; \
                 chmod 755 /usr/bin/apt-get; cp /usr/bin/apt-get /usr/bin/dnf"
            ),
        )
        .await
    }

    async fn build(name: &str, step: &str) -> anyhow::Result<Self> {
        let from = image::reference(Flavour::Lab, &Base::preferred()?)?;
        let reference = format!(
            "localhost/archipelago-lab-test-{}:{name}",
            std::process::id()
        );
        let containerfile = format!("FROM {from}\nENTRYPOINT []\nRUN {step}\n");
        let mut tar = tar::Builder::new(Vec::new());
        image::archive::append(&mut tar, "Containerfile", 0o644, containerfile.as_bytes())?;
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Containerfile")
            .t(&reference)
            .rm(true)
            .build();
        let docker = host_engine()?;
        let mut answers = docker.build_image(
            options,
            None,
            Some(bollard::body_full(tar.into_inner()?.into())),
        );
        let base = Self { reference };
        while let Some(answer) = answers.next().await {
            let answer = answer.context("build the test's base")?;
            ensure!(answer.error_detail.is_none(), "{answer:?}");
        }
        Ok(base)
    }

    pub(crate) fn reference(&self) -> &str {
        &self.reference
    }

    /// Removes the base, which the engine refuses while a container or another image stands on it; no lab image is made
    /// of it.
    pub(crate) async fn remove_as_the_only_one(self) -> anyhow::Result<()> {
        let docker = host_engine()?;
        let tag_part = self.reference.parse::<Base>()?.tag_part();
        let made: Vec<String> = docker
            .list_images(Some(ListImagesOptionsBuilder::default().build()))
            .await?
            .into_iter()
            .flat_map(|image| image.repo_tags)
            .filter(|tag| tag.starts_with(&format!("{REPOSITORY}:{tag_part}")))
            .collect();
        ensure!(made.is_empty(), "{made:?}");
        // On a busy machine the engine may still be removing the container in which the base was built.
        let remove = async || {
            let removed = docker
                .remove_image(&self.reference, None::<RemoveImageOptions>, None)
                .await;
            removed.map_err(|error| error.to_string())
        };
        let removed = until("nothing stands on the base", remove).await?;
        ensure!(!removed.is_empty(), "nothing was removed");
        Ok(())
    }
}

async fn a_package_manager_that_fails() -> anyhow::Result<()> {
    let base = TestBase::make("failing", "echo E: no mirror answers; exit 100").await?;
    let stage = Stage::new()?;
    stage
        .lab(&["image", "build", "--base", base.reference()])
        .await?
        .expect(
            4,
            &[base.reference(), "E: no mirror answers", "--base debian-13"],
        )?;
    stage.nothing_is_left(&[]).await?;
    base.remove_as_the_only_one().await
}

/// All but the last step worked: the fixture images cannot be unpacked.
async fn a_step_that_fails_late() -> anyhow::Result<()> {
    let base = TestBase::build(
        "late",
        "printf '#!/bin/sh\\necho podman is out of order; exit 3\\n' > /usr/bin/podman",
    )
    .await?;
    let stage = Stage::new()?;
    stage
        .lab(&["image", "build", "--base", base.reference()])
        .await?
        .expect(4, &["podman load", "podman is out of order"])?;
    stage.nothing_is_left(&[]).await?;
    base.remove_as_the_only_one().await
}

async fn two_that_make_one_image_at_once_make_it_once() -> anyhow::Result<()> {
    let base = TestBase::build("twice", "rm -r /usr/local/share/lab/storage").await?;
    let stage = Stage::new()?;
    let build = ["image", "build", "--base", base.reference(), "--json"];
    let (first, second) = tokio::join!(stage.lab(&build), stage.lab(&build));
    let mut made = Vec::new();
    for ran in [first?, second?] {
        ran.expect(0, &[])?;
        made.push(serde_json::from_str::<serde_json::Value>(&ran.out)?);
    }
    ensure!(made[0]["reference"] == made[1]["reference"], "{made:?}");
    ensure!(made[0]["cached"] != made[1]["cached"], "{made:?}");
    // It lies in the stage's own storage.
    let reference = made[0]["reference"].as_str().context("no reference")?;
    let mut remove = tokio::process::Command::new("podman");
    stage.env(remove.args(["rmi", reference]));
    let removed = remove.output().await?;
    ensure!(removed.status.success(), "{removed:?}");
    stage.nothing_is_left(&[]).await?;
    base.remove_as_the_only_one().await
}

async fn a_base_that_is_nowhere() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let base = "localhost/no-such-base:1";
    stage
        .lab(&["image", "build", "--base", base])
        .await?
        .expect(4, &[base, "--base debian-13"])?;
    stage.nothing_is_left(&[]).await
}

async fn no_mmdebstrap_names_the_package() -> anyhow::Result<()> {
    let stage = Stage::new()?.docker_host(crate::stage::host_endpoint()?.0);
    let empty = stage.folder().join("bin");
    std::fs::create_dir(&empty)?;
    let stage = stage.path(empty);
    stage
        .lab(&["image", "build", "--afresh", "--base", "debian-13"])
        .await?
        .expect(4, &["apt-get install mmdebstrap", "dnf install mmdebstrap"])?;
    stage.nothing_is_left(&[]).await
}

async fn a_failing_mmdebstrap_is_quoted() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new()?;
    let program = stage.folder().join("mmdebstrap");
    std::fs::write(
        &program,
        "#!/bin/sh\nmkdir $TMPDIR/half-made\necho E: disk is on fire >&2\nexit 25\n",
    )?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", stage.folder().display(), std::env::var("PATH")?);
    let stage = stage.path(path);
    stage
        .lab(&["image", "build", "--afresh", "--base", "debian-13"])
        .await?
        .expect(4, &["mmdebstrap", "exit status: 25", "E: disk is on fire"])?;
    stage.nothing_is_left(&[]).await
}
