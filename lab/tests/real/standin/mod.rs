//! The stand-in for a node: what a script sees that logs in.

pub(crate) mod faults;
pub(crate) mod gate;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archipelago_lab::image::Base;
use archipelago_lab::lab::LabSummary;
use archipelago_lab::session::keeper;
use archipelago_lab::standin::{self, StandInBuilder};
use archipelago_lab::{Lab, StandIn};

use crate::processes::until;
use crate::stage::{Stage, host_engine};

crate::registry::scenarios![
    whoever_logs_in_sees_a_node,
    the_command_prints_what_finds_it_and_leaves_nothing,
    cargo_builds_on_it_offline,
    its_registry_has_a_small_file_browser,
    one_whose_service_does_not_come_up_says_why_and_leaves_nothing,
    labs_of_tests_have_nothing_that_only_a_node_has,
];

/// Where the program under test is: cargo puts it beside the folder of test programs.
pub(crate) fn program() -> Option<PathBuf> {
    let program = std::env::current_exe()
        .ok()?
        .parent()?
        .parent()?
        .join("archipelago");
    program.is_file().then_some(program)
}

fn builder(name: &str) -> anyhow::Result<StandInBuilder> {
    Ok(StandIn::builder()
        .name(name)
        .base(Base::preferred()?)
        .program(program().context("archipelago is not built")?)
        .without_toolchain())
}

/// How a command ended that was run over ssh.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn ssh(node: &StandIn, command: &str) -> anyhow::Result<Ran> {
    let output = node.ssh().arg(command).output().await?;
    Ok(Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// The standard output of a command that has to succeed and say nothing else.
async fn says(node: &StandIn, command: &str) -> anyhow::Result<String> {
    let ran = ssh(node, command).await?;
    ensure!(
        ran.code == Some(0) && ran.err.is_empty(),
        "`{command}`: {ran:?}"
    );
    Ok(ran.out.trim_end().to_owned())
}

async fn whoever_logs_in_sees_a_node() -> anyhow::Result<()> {
    let node = builder("stand-in-look")?.start().await?;
    ensure!(says(&node, "id -un; uname -n").await? == "archipelago\nstand-in-look");
    ensure!(says(&node, "sudo -n id -u").await? == "0");
    if Base::preferred()? == standin::BASE {
        let release = says(&node, ". /etc/os-release; echo $ID $VERSION_ID").await?;
        ensure!(release == "debian 13", "{release}");
    }
    let unit = says(
        &node,
        "systemctl is-active archipelago; systemctl is-enabled archipelago",
    );
    ensure!(unit.await? == "active\nenabled");
    let shipped = std::fs::read_to_string(root().join("systemd/archipelago.service"))?;
    let unit = says(&node, "cat /etc/systemd/system/archipelago.service").await?;
    ensure!(unit == shipped.trim_end(), "{unit}");
    // A deploy replaces it.
    let owner = says(&node, "stat -c '%U %a' /usr/local/bin/archipelago").await?;
    ensure!(owner == "root 755", "{owner}");
    ensure!(
        says(&node, "sudo -n sh -c '>>/usr/local/bin/archipelago.new'")
            .await?
            .is_empty()
    );
    // Rootful, and silent where all is well.
    let rootless = says(
        &node,
        "sudo -n podman info --format '{{.Host.Security.Rootless}}'",
    )
    .await?;
    ensure!(rootless == "false", "{rootless}");
    ensure!(
        says(&node, "sudo -n podman ps --all --quiet")
            .await?
            .is_empty()
    );
    let journal = says(&node, "sudo -n journalctl --unit archipelago --output cat").await?;
    ensure!(journal.contains("ready"), "{journal}");
    let troubles = says(
        &node,
        "sudo -n journalctl --unit archipelago --unit ssh --unit sshd --priority warning --quiet",
    )
    .await?;
    ensure!(troubles.is_empty(), "{troubles}");
    let failed = says(&node, "systemctl --failed --no-legend").await?;
    ensure!(failed.is_empty(), "{failed}");
    rsync_there(&node).await?;
    node.stop().await?;
    Ok(())
}

/// A folder goes there by rsync, which uses ssh as scripts do.
async fn rsync_there(node: &StandIn) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("a file"), "content")?;
    let ssh = format!(
        "ssh -F /dev/null -p {} -i {} -o UserKnownHostsFile={}",
        node.port(),
        node.key().display(),
        node.known_hosts().display()
    );
    let output = tokio::process::Command::new("rsync")
        .args(["--archive", "--rsh", &ssh])
        .arg(format!("{}/", folder.path().display()))
        .arg(format!("{}:src/", node.node()))
        .stdin(Stdio::null())
        .output()
        .await?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(says(node, "cat 'src/a file'").await? == "content");
    Ok(())
}

async fn the_command_prints_what_finds_it_and_leaves_nothing() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let program = program().context("archipelago is not built")?;
    let program = program.display().to_string();
    let base = Base::preferred()?.to_string();
    let up = ["node-up", "--name", "stand-in-cli", "--base", &base];
    let up = [&up[..], &["--program", &program, "--no-toolchain"]].concat();
    let said = stage.succeed(&up).await?;
    let footprint = stage.footprint("stand-in-cli").await?;
    let variable = |name: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(&format!("export ARCHIPELAGO_NODE{name}=")))
            .map(str::to_owned)
            .with_context(|| format!("no {name} in {said}"))
    };
    let key = variable("_KEY")?;
    let output = tokio::process::Command::new("ssh")
        .args(["-F", "/dev/null", "-o", "BatchMode=yes", "-i", &key])
        .args(["-p", &variable("_PORT")?, "-o"])
        .arg(format!("UserKnownHostsFile={}", variable("_KNOWN_HOSTS")?))
        .args([&variable("")?, "echo hello"])
        .stdin(Stdio::null())
        .output()
        .await?;
    ensure!(output.stdout == b"hello\n", "{output:?}");
    ensure!(variable("_LOOPBACK_ONLY")? == "1");
    ensure!(stage.succeed(&["node-env", "stand-in-cli"]).await? == said);
    let json: serde_json::Value = serde_json::from_str(
        &stage
            .succeed(&["node-env", "stand-in-cli", "--json"])
            .await?,
    )?;
    ensure!(
        json["env"]["ARCHIPELAGO_NODE_KEY"] == key.as_str(),
        "{json}"
    );
    stage
        .lab(&up)
        .await?
        .expect(2, &["`stand-in-cli` is up already"])?;
    ensure!(Path::new(&key).exists());
    // One that does not run is removed like any other.
    stage
        .succeed(&[
            "exec",
            "-l",
            "stand-in-cli",
            "systemctl",
            "poweroff",
            "--force",
        ])
        .await?;
    stage.succeed(&["node-down", "stand-in-cli"]).await?;
    ensure!(!Path::new(&key).exists(), "the key is still there");
    stage
        .lab(&["node-down", "stand-in-cli"])
        .await?
        .expect(2, &["no lab is called `stand-in-cli`"])?;
    stage.nothing_is_left(&[footprint]).await
}

async fn cargo_builds_on_it_offline() -> anyhow::Result<()> {
    let node = StandIn::builder()
        .name("stand-in-build")
        .base(Base::preferred()?)
        .program(program().context("archipelago is not built")?)
        .start()
        .await?;
    // One that the project depends on itself, so it is here.
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let version = lock
        .split("[[package]]")
        .find(|package| package.contains("name = \"strsim\""))
        .and_then(|package| package.split("version = \"").nth(1)?.split('"').next())
        .context("strsim is not in Cargo.lock")?;
    let script = format!(
        r#"
mkdir -p small/src small/.cargo; cd small
cp /dev/stdin src/main.rs <<'END'
fn main() {{ println!("{{}}", strsim::levenshtein("node", "lab")); }}
END
printf '[package]\nname = "small"\nedition = "2024"\n[dependencies]\nstrsim = "={version}"\n' >Cargo.toml
printf '[build]\nrustflags = ["-C", "target-feature=+crt-static"]\n' >.cargo/config.toml
. ~/.cargo/env
cargo build --offline --quiet && target/debug/small"#
    );
    ensure!(says(&node, &script).await? == "4");
    // What is this machine's stays as it is.
    let ran = ssh(
        &node,
        "touch ~/.cargo/registry/x; sudo -n touch /opt/rust/x",
    )
    .await?;
    ensure!(
        ran.err.matches("Read-only file system").count() == 2,
        "{ran:?}"
    );
    node.stop().await?;
    Ok(())
}

async fn its_registry_has_a_small_file_browser() -> anyhow::Result<()> {
    let node = builder("stand-in-pull")?.start().await?;
    let image = std::fs::read_to_string(root().join("lab/image/node/apps/filebrowser/reference"))?;
    let image = image.trim();
    let ran = ssh(&node, &format!("sudo -n podman pull --quiet {image}")).await?;
    ensure!(ran.code == Some(0), "{ran:?}");
    // docker.io itself is never asked.
    let ran = ssh(
        &node,
        "sudo -n podman pull --quiet docker.io/library/nothing:1",
    )
    .await?;
    ensure!(
        ran.code == Some(125) && ran.err.contains("localhost:5999") && !ran.err.contains("dial"),
        "{ran:?}"
    );
    let run = format!(
        "sudo -n podman run --detach --name files --publish 127.0.0.1:7421:8080 --env FB_PORT=8080 \
         --env FB_DATABASE=/database/filebrowser.db --volume files-db:/database --volume files:/srv \
         --health-cmd 'wget -q --spider http://127.0.0.1:8080/health' --health-interval 1s {image}"
    );
    let ran = ssh(&node, &run).await?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let health = "sudo -n podman inspect --format '{{.State.Health.Status}}' files";
    until("the app is healthy", async || {
        match says(&node, health).await {
            Ok(health) if health == "healthy" => Ok(()),
            Ok(health) => Err(health),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await?;
    let stopping = Instant::now();
    let ran = ssh(&node, "sudo -n podman stop --time 20 files").await?;
    ensure!(ran.code == Some(0), "{ran:?}");
    ensure!(
        stopping.elapsed() < Duration::from_secs(15),
        "it had to be killed: {:?}",
        stopping.elapsed()
    );
    let code = says(
        &node,
        "sudo -n podman inspect --format '{{.State.ExitCode}}' files",
    )
    .await?;
    ensure!(code == "0", "{code}");
    node.stop().await?;
    Ok(())
}

async fn one_whose_service_does_not_come_up_says_why_and_leaves_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("bad");
    std::fs::write(&program, "#!/bin/sh\necho no good; exit 3\n")?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let started = builder("stand-in-bad")?
        .program(program)
        .deadline(Duration::from_secs(3))
        .start()
        .await;
    let text = started.err().context("it started")?.to_string();
    for expected in ["200 for /health", "3 s", "forwarding failed", "no good"] {
        ensure!(text.contains(expected), "no `{expected}` in {text}");
    }
    let docker = host_engine()?;
    until("the stand-in is gone", async || {
        let labs = keeper::ours(&docker)
            .await
            .map_err(|error| error.to_string())?;
        let left: Vec<LabSummary> = labs
            .iter()
            .filter_map(LabSummary::of)
            .filter(|lab| lab.name == "stand-in-bad")
            .collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("{left:?}")),
        }
    })
    .await
}

async fn labs_of_tests_have_nothing_that_only_a_node_has() -> anyhow::Result<()> {
    let lab = Lab::builder().start().await?;
    let look = "for name in sudo rsync cc busybox docker-registry registry; do command -v $name || :; done; \
                systemctl is-active ssh sshd registry || :; ls /usr/local/share/lab";
    let said = lab.succeed(&["sh", "-euc", look]).await?;
    let expected = |line: &str| line == "inactive" || line == "failed";
    let programs: Vec<&str> = said
        .lines()
        .take_while(|line| line.starts_with('/'))
        .collect();
    ensure!(programs.is_empty(), "{programs:?}");
    ensure!(said.lines().take(3).all(expected), "{said}");
    ensure!(!said.lines().any(|line| line == "node"), "{said}");
    lab.stop().await?;
    Ok(())
}

/// The root of the sources.
fn root() -> &'static Path {
    archipelago_lab::image::inputs::source_root()
}
