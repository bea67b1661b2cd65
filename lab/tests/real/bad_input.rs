//! What people get wrong, or their machine does: each with a clear text, the remedy, the documented exit code, and nothing
//! left behind.

use std::time::{Duration, Instant};

use anyhow::ensure;
use archipelago_lab::{Lab, LabError};

use crate::proxy::{self, Wish};
use crate::stage::{Stage, host_engine};

crate::registry::scenarios![
    no_engine_names_the_packages_to_install,
    a_docker_host_where_nobody_listens,
    a_docker_host_that_is_no_address,
    an_engine_that_lacks_cap_sys_admin,
    an_engine_that_grants_no_privileges,
    an_engine_that_refuses_privileges,
    an_unknown_base,
    an_image_that_is_not_built,
    a_lab_that_never_becomes_ready,
    a_lab_that_cannot_boot,
    a_lab_without_such_a_name,
    a_taken_port,
    a_full_disk,
    a_conformance_case_that_is_not_there,
];

async fn no_engine_names_the_packages_to_install() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let empty = stage.folder().join("bin");
    std::fs::create_dir(&empty)?;
    let stage = stage.path(empty);
    stage.lab(&["ls"]).await?.expect(
        3,
        &[
            "no container engine",
            "unix:///run/docker.sock` is not there",
            "apt-get install podman",
            "dnf install podman",
        ],
    )?;
    stage.nothing_is_left(&[]).await
}

async fn a_docker_host_where_nobody_listens() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let socket = format!("unix://{}", stage.folder().join("dead.sock").display());
    drop(std::os::unix::net::UnixListener::bind(
        stage.folder().join("dead.sock"),
    )?);
    for chosen in [socket.as_str(), "tcp://127.0.0.1:1"] {
        let stage = Stage::new()?.docker_host(chosen);
        stage
            .lab(&["ls"])
            .await?
            .expect(3, &[chosen, "does not answer", "unset DOCKER_HOST"])?;
        stage.nothing_is_left(&[]).await?;
    }
    Ok(())
}

async fn a_docker_host_that_is_no_address() -> anyhow::Result<()> {
    let stage = Stage::new()?.docker_host("podman");
    stage
        .lab(&["ls"])
        .await?
        .expect(3, &["`podman`", "unix:///path/to/socket"])?;
    stage.nothing_is_left(&[]).await
}

async fn an_engine_that_lacks_cap_sys_admin() -> anyhow::Result<()> {
    let stage = Stage::new()?.wrapper(&[
        "setpriv",
        "--bounding-set",
        "-sys_admin",
        "--inh-caps",
        "-sys_admin",
        "--",
    ]);
    stage
        .lab(&["ls"])
        .await?
        .expect(3, &["CAP_SYS_ADMIN", "DOCKER_HOST", "cargo lab doctor"])?;
    stage.nothing_is_left(&[]).await
}

async fn an_engine_that_grants_no_privileges() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let endpoint = proxy::listen(stage.folder(), Wish::Unheard)?;
    let stage = stage.docker_host(endpoint);
    let begun = Instant::now();
    stage.lab(&["up", "confined"]).await?.expect(
        3,
        &["no privileges", "CAP_SYS_ADMIN", "--privileged", "doctor"],
    )?;
    ensure!(
        begun.elapsed() < Duration::from_secs(30),
        "told after {:?}: it waited for the deadline",
        begun.elapsed()
    );
    stage.nothing_is_left(&[]).await
}

async fn an_engine_that_refuses_privileges() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let endpoint = proxy::listen(stage.folder(), Wish::Refused)?;
    let stage = stage.docker_host(endpoint);
    stage
        .lab(&["up", "refused"])
        .await?
        .expect(5, &["did not start", "--privileged", "cargo lab doctor"])?;
    stage.nothing_is_left(&[]).await
}

async fn an_unknown_base() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let bases = ["debian13", "debian-13", "fedora"];
    for command in [
        &["up", "--base", "debian13"][..],
        &["image", "build", "--base", "debian13"],
        &["image", "name", "--base", "debian13"],
    ] {
        stage.lab(command).await?.expect(2, &bases)?;
    }
    let stage = stage.wrapper(&["env", "ARCHIPELAGO_LAB_BASE=debian13"]);
    stage.lab(&["up"]).await?.expect(2, &bases)?;
    stage.nothing_is_left(&[]).await
}

async fn an_image_that_is_not_built() -> anyhow::Result<()> {
    let base: archipelago_lab::image::Base = "localhost/no-such-base:1".parse()?;
    let error = refused(Lab::builder().base(base)).await?;
    ensure!(matches!(error, LabError::Image(_)), "{error:?}");
    let text = error.to_string();
    ensure!(
        text.contains("cargo lab image build --base localhost/no-such-base:1"),
        "{text}"
    );
    Ok(())
}

/// A lab that is not to start: its error.
async fn refused(builder: archipelago_lab::LabBuilder) -> anyhow::Result<LabError> {
    match builder.start().await {
        Ok(lab) => anyhow::bail!("lab {} started", lab.id()),
        Err(error) => Ok(error),
    }
}

/// A unit in the place of the one that tells that the lab is ready.
pub(crate) const NEVER_READY: &str = "\
[Unit]\nDescription=Never ready\n\
[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo waiting for Godot; exec sleep infinity'\n";

/// Where [`NEVER_READY`] goes.
pub(crate) const READY_UNIT: &str = "/etc/systemd/system/lab-ready.service";

async fn a_lab_that_never_becomes_ready() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let unit = stage.folder().join("unit");
    std::fs::write(&unit, NEVER_READY)?;
    let file = format!("{}:{READY_UNIT}", unit.display());
    let up = stage.spawn(&["up", "godot", "--deadline", "6", "--file", &file])?;
    let footprint = stage.footprint("godot").await?;
    crate::stage::finish(up).await?.expect(
        5,
        &[
            // What was awaited, for how long, what systemd is doing, and the journal.
            "the line `lab: ready` in its log, after boot 1 did not come within 6 s",
            "lab-ready.service",
            "waiting for Godot",
        ],
    )?;
    stage.nothing_is_left(&[footprint]).await
}

async fn a_lab_that_cannot_boot() -> anyhow::Result<()> {
    let name = format!("broken-{}", std::process::id());
    let builder = Lab::builder()
        .name(&name)
        .file("/lib/systemd/systemd", "no program")
        .deadline(Duration::from_secs(20));
    let begun = Instant::now();
    let error = refused(builder).await?;
    let text = archipelago_lab::chain(&error);
    ensure!(begun.elapsed() < Duration::from_secs(20), "{text}");
    // Which of the two is a race that is not ours: testcontainers looks at the container once it is started, and cannot
    // parse podman's state `stopped`.
    let (LabError::NotReady { lab, .. } | LabError::Start { lab, .. }) = &error else {
        anyhow::bail!("{error:?}")
    };
    let left = archipelago_lab::session::keeper::ours(&host_engine()?).await?;
    let left = left.iter().filter(|left| {
        left.labels
            .as_ref()
            .is_some_and(|labels| labels.values().any(|id| id == lab))
    });
    ensure!(left.count() == 0, "lab {lab} is left");
    Ok(())
}

async fn a_lab_without_such_a_name() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    for command in [
        &["down", "no-such-lab"][..],
        &["exec", "--lab", "no-such-lab", "true"],
        &["logs", "no-such-lab"],
    ] {
        stage
            .lab(command)
            .await?
            .expect(2, &["no lab is called `no-such-lab`", "cargo lab ls"])?;
    }
    stage.nothing_is_left(&[]).await
}

/// A lab's own ports are free ones, so only a port in the lab can be taken: podman says so, and its code is passed on.
async fn a_taken_port() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let fixture = archipelago_lab::image::FIXTURE_IMAGE;
    stage.succeed(&["up", "ports", "--publish", "8080"]).await?;
    let second = stage
        .succeed(&["up", "ports-too", "--publish", "8080"])
        .await?;
    ensure!(second.contains("port 8080 is 127.0.0.1:"), "{second}");
    let labs = [
        stage.footprint("ports").await?,
        stage.footprint("ports-too").await?,
    ];
    let run = [
        "podman",
        "--lab",
        "ports",
        "run",
        "--detach",
        "--publish",
        "8080:8080",
    ];
    let first = [&run[..], &["--name", "first", fixture, "serve", "8080"]].concat();
    stage.succeed(&first).await?;
    let again = [&run[..], &["--name", "second", fixture, "serve", "8080"]].concat();
    let ran = stage.lab(&again).await?;
    ran.expect(126, &["8080", "address already in use"])?;
    stage.succeed(&["down", "ports"]).await?;
    stage.succeed(&["down", "ports-too"]).await?;
    stage.nothing_is_left(&labs).await
}

async fn a_full_disk() -> anyhow::Result<()> {
    let lab = Lab::builder().start().await?;
    lab.succeed(&[
        "sh",
        "-ec",
        "mkdir /mnt/small; mount -t tmpfs -o size=1m tmpfs /mnt/small",
    ])
    .await?;
    let load = [
        "--root",
        "/mnt/small/storage",
        "load",
        "--input",
        "/usr/local/share/lab/images/fixture.tar",
    ];
    let output = lab.podman(&load).await?;
    ensure!(output.code == 125, "{output:?}");
    ensure!(
        output.stderr_text().contains("no space left on device"),
        "{output:?}"
    );
    let error = lab
        .succeed(&["sh", "-c", "head -c 2000000 /dev/zero >/mnt/small/file"])
        .await
        .err()
        .map(|error| error.to_string());
    ensure!(
        error
            .as_deref()
            .is_some_and(|text| text.contains("No space left on device")),
        "{error:?}"
    );
    lab.stop().await?;
    Ok(())
}

async fn a_conformance_case_that_is_not_there() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage
        .lab(&["conformance", "--case", "create", "--case", "nowhere"])
        .await?
        .expect(1, &["`nowhere`", "FILE::CASE", "create"])?;
    stage.nothing_is_left(&[]).await
}
