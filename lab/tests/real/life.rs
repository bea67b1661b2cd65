//! The life of a lab: files, commands, ports, power, what it sees of its neighbours.

use std::time::Duration;

use anyhow::{Context, ensure};
use archipelago_lab::Lab;
use archipelago_lab::image::FIXTURE_IMAGE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::footprint::Footprint;
use crate::processes::until;
use crate::stage::{Stage, host_engine};

crate::registry::scenarios![
    files_come_back_as_they_were_written,
    a_published_port_reaches_a_server_inside,
    power_loss_keeps_disks_and_empties_run,
    neighbours_do_not_see_each_others_control_groups,
    a_stopped_lab_leaves_nothing,
    a_dropped_lab_leaves_nothing,
    a_kept_lab_outlives_its_starter_and_passes_on_exit_codes,
];

async fn files_come_back_as_they_were_written() -> anyhow::Result<()> {
    let lab = Lab::builder()
        .file("/etc/before-boot", "early")
        .start()
        .await?;
    ensure!(lab.read_file("/etc/before-boot").await? == b"early");
    let all_bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    // On the root file system, in a folder that is missing, and on a tmpfs of the lab.
    for path in ["/etc/some file", "/srv/a/b/c", "/run/here"] {
        lab.write_file(path, &all_bytes).await?;
        ensure!(lab.read_file(path).await? == all_bytes, "{path}");
        let mode = lab.succeed(&["stat", "-c", "%a %u:%g", path]).await?;
        ensure!(mode.trim() == "644 0:0", "{path}: {mode}");
    }
    let missing = lab.read_file("/no/such/file").await.err();
    let text = missing.map(|error| error.to_string()).unwrap_or_default();
    ensure!(text.contains("No such file or directory"), "{text}");
    lab.stop().await?;
    Ok(())
}

async fn a_published_port_reaches_a_server_inside() -> anyhow::Result<()> {
    let lab = Lab::builder().publish(8080).start().await?;
    lab.succeed(&[
        "podman",
        "run",
        "--detach",
        "--publish",
        "8080:8080",
        FIXTURE_IMAGE,
        "serve",
        "8080",
    ])
    .await?;
    let address = lab.published_port(8080).await?;
    ensure!(address.ip().is_loopback(), "{address}");
    let answer = until("an answer of the server", async || {
        ask(address).await.map_err(|error| error.to_string())
    })
    .await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let other = lab.published_port(9).await.err().map(|e| e.to_string());
    ensure!(
        other
            .as_deref()
            .is_some_and(|text| text.contains("LabBuilder::publish")),
        "{other:?}"
    );
    lab.stop().await?;
    Ok(())
}

async fn ask(address: std::net::SocketAddr) -> std::io::Result<String> {
    let asking = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer)
    };
    tokio::time::timeout(Duration::from_secs(5), asking).await?
}

async fn power_loss_keeps_disks_and_empties_run() -> anyhow::Result<()> {
    let lab = Lab::builder().start().await?;
    lab.succeed(&["podman", "volume", "create", "kept"]).await?;
    lab.succeed(&[
        "sh",
        "-ec",
        "echo safe >/etc/on-disk; echo lost >/run/in-memory",
    ])
    .await?;
    // On cgroup v1 not even SIGKILL ends what is frozen.
    let run = [
        "podman",
        "run",
        "--detach",
        "--name",
        "paused",
        FIXTURE_IMAGE,
    ];
    lab.succeed(&[&run[..], &["ignore-term"]].concat()).await?;
    lab.succeed(&["podman", "pause", "paused"]).await?;
    let before = lab.succeed(&["cat", "/proc/1/stat"]).await?;
    lab.power_loss().await?;
    let after = lab.succeed(&["cat", "/proc/1/stat"]).await?;
    ensure!(before != after, "PID 1 is the same: {after}");
    ensure!(lab.read_file("/etc/on-disk").await? == b"safe\n");
    ensure!(lab.read_file("/run/in-memory").await.is_err());
    let volumes = lab.succeed(&["podman", "volume", "ls", "--quiet"]).await?;
    ensure!(volumes.trim() == "kept", "{volumes}");
    lab.stop().await?;
    Ok(())
}

async fn neighbours_do_not_see_each_others_control_groups() -> anyhow::Result<()> {
    let (one, other) = tokio::try_join!(Lab::builder().start(), Lab::builder().start())?;
    let unit = format!("only-here-{}", one.id());
    one.succeed(&[
        "systemd-run",
        "--quiet",
        "--unit",
        &unit,
        "sleep",
        "infinity",
    ])
    .await?;
    let look = [
        "find",
        "/sys/fs/cgroup",
        "-name",
        &format!("{unit}.service"),
    ];
    let own = one.succeed(&look).await?;
    ensure!(!own.trim().is_empty(), "the lab does not see its own unit");
    let theirs = other.succeed(&look).await?;
    ensure!(theirs.trim().is_empty(), "the other lab sees {theirs}");
    // Nor does it lie anywhere on the host but below the lab's own group.
    let mut below = 0;
    let mut folders = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            if path.ends_with(format!("{unit}.service")) {
                below += 1;
                let text = path.display().to_string();
                ensure!(text.contains(one.container()), "{text}");
            }
            folders.push(path);
        }
    }
    ensure!(below > 0, "the unit has no control group on the host");
    one.stop().await?;
    other.stop().await?;
    Ok(())
}

async fn a_stopped_lab_leaves_nothing() -> anyhow::Result<()> {
    let lab = Lab::builder().publish(8080).start().await?;
    // A volume, a network and a container inside have to go with it.
    lab.succeed(&["podman", "network", "create", "inner"])
        .await?;
    lab.succeed(&[
        "podman",
        "run",
        "--detach",
        "--network",
        "inner",
        "--volume",
        "data:/data",
        FIXTURE_IMAGE,
        "serve",
        "8080",
    ])
    .await?;
    let docker = host_engine()?;
    let footprint = Footprint::of(&docker, lab.container()).await?;
    ensure!(
        footprint.left(Some(&docker)).await.is_err(),
        "{footprint:?} is not there while the lab runs"
    );
    lab.stop().await?;
    until("nothing of the lab is left", async || {
        footprint.left(Some(&docker)).await
    })
    .await
}

async fn a_dropped_lab_leaves_nothing() -> anyhow::Result<()> {
    let lab = Lab::builder().start().await?;
    let docker = host_engine()?;
    let footprint = Footprint::of(&docker, lab.container()).await?;
    drop(lab);
    until("nothing of the lab is left", async || {
        footprint.left(Some(&docker)).await
    })
    .await
}

async fn a_kept_lab_outlives_its_starter_and_passes_on_exit_codes() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let up = stage.succeed(&["up", "keep"]).await?;
    let id = up
        .split_whitespace()
        .nth(1)
        .context("no id in the first line")?
        .to_owned();
    let footprint = stage.footprint("keep").await?;
    let listed: serde_json::Value = serde_json::from_str(&stage.succeed(&["ls", "--json"]).await?)?;
    let mine = listed
        .as_array()
        .and_then(|labs| labs.iter().find(|lab| lab["id"] == id.as_str()))
        .context("it is not listed")?;
    ensure!(mine["name"] == "keep" && mine["owner"] == "kept", "{mine}");
    for code in [0, 1, 7, 125, 255] {
        let script = format!("echo out; echo err >&2; exit {code}");
        let ran = stage
            .lab(&["exec", "--lab", "keep", "sh", "-c", &script])
            .await?;
        ran.expect(code, &["err\n"])?;
        ensure!(ran.out == "out\n", "{ran:?}");
    }
    let ran = stage
        .lab(&["exec", "--lab", &id, "no-such-program"])
        .await?;
    ran.expect(127, &["no-such-program"])?;
    let ran = stage
        .lab(&["podman", "-l", &id, "inspect", "nobody"])
        .await?;
    ran.expect(125, &["nobody"])?;
    stage.succeed(&["down", &id]).await?;
    stage.nothing_is_left(&[footprint]).await
}
