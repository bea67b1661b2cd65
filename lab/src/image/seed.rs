//! Unpacking the fixture images into the storage format of the image's own podman, once and for all labs.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptions, LogsOptionsBuilder,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;

use super::error::{ImageError, engine};
use super::flavour::Flavour;
use crate::session::owner::{LABEL_LAB, LABEL_OWNER, LABEL_SESSION};
use crate::session::{Session, keeper};

/// Loads the archives with the image's own podman and keeps what its storage then holds.
const SEED: &str = r#"
for archive in /usr/local/share/lab/images/*.tar; do
    podman --root /run/seed --runroot /run/seed-run load --quiet --input "$archive"
done
mkdir /usr/local/share/lab/storage
cd /run/seed
cp -a overlay overlay-images overlay-layers /usr/local/share/lab/storage/
"#;

/// What is done besides where the image is for stand-ins of a node: fills its registry.
const SEED_NODE: &str = "sh /usr/local/share/lab/node/seed\n";

/// All that is done for images of that flavour.
pub(super) fn script(flavour: Flavour) -> String {
    match flavour {
        Flavour::Lab => SEED.to_owned(),
        Flavour::Node => [SEED, SEED_NODE].concat(),
    }
}

pub(super) async fn seed(
    session: &Session,
    docker: &Docker,
    flavour: Flavour,
    from: &str,
    tag: &str,
) -> Result<(), ImageError> {
    let owner = session.owner.to_string();
    let body = ContainerCreateBody {
        image: Some(from.into()),
        entrypoint: Some(vec!["/bin/sh".into()]),
        cmd: Some(vec!["-ec".into(), script(flavour)]),
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
            .repo(flavour.repository())
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
