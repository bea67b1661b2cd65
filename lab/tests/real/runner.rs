//! SIGKILL of the test runner, in the midst of a test that has a lab.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use archipelago_lab::Lab;
use archipelago_lab::session::owner::Owner;
use rustix::process::Signal;
use tokio::process::Command;

use crate::processes::{self, signal, until};
use crate::registry::Scenario;
use crate::stage::{Stage, finish};

crate::registry::scenarios![a_killed_nextest_leaves_nothing];

/// Set where this program is started by a test of its own: it has one trial more then.
const INNER_ENV: &str = "ARCHIPELAGO_LAB_TEST_INNER";
/// The name of that trial's lab.
pub(crate) const INNER_LAB: &str = "inner";

/// The trial that is there only for [`a_killed_nextest_leaves_nothing`] and its like.
pub(crate) fn inner() -> &'static [Scenario] {
    const INNER: &[Scenario] = &[Scenario {
        module: module_path!(),
        name: "blocks_with_a_lab",
        begin: || {
            Box::pin(async {
                blocks_with_a_lab()
                    .await
                    .map_err(|error| format!("{error:?}"))
            })
        },
    }];
    if std::env::var_os(INNER_ENV).is_some() {
        INNER
    } else {
        &[]
    }
}

async fn blocks_with_a_lab() -> anyhow::Result<()> {
    let lab = Lab::builder().name(INNER_LAB).publish(8080).start().await?;
    lab.succeed(&["sleep", "86400"]).await?;
    Ok(())
}

/// This program with that trial, its labs in the stage's session.
pub(crate) fn inner_program(stage: &Stage) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    stage.env(&mut command);
    command
        .env(INNER_ENV, "1")
        .args(["--exact", "runner::blocks_with_a_lab", "--nocapture"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

async fn a_killed_nextest_leaves_nothing() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let mut command = nextest(&stage).await?;
    let mut nextest = command.spawn().context("cargo-nextest")?;
    let footprint = stage.footprint(INNER_LAB).await?;
    let tests: Vec<Owner> = processes::with("environ", &format!("{INNER_ENV}=1"))
        .into_iter()
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                let session = stage.folder().as_os_str().as_encoded_bytes();
                environ
                    .windows(session.len())
                    .any(|window| window == session)
            })
        })
        .filter_map(|pid| Owner::of(pid).ok())
        .collect();
    ensure!(tests.len() >= 2, "nextest and its test: {tests:?}");
    signal(nextest.id().context("nextest ended")?, Signal::KILL)?;
    nextest.wait().await?;
    let alive = || -> Vec<u32> {
        tests
            .iter()
            .filter(|process| process.is_alive())
            .map(|process| process.pid)
            .collect()
    };
    stage.nothing_is_left(&[footprint]).await?;
    until(
        "the end of every process of the run",
        async || match alive().as_slice() {
            [] => Ok(()),
            left => Err(processes::describe(left)),
        },
    )
    .await
}

/// A nextest that runs the inner trial of this very program: told by hand what `cargo nextest list` would have built, since
/// another build might take minutes.
async fn nextest(stage: &Stage) -> anyhow::Result<Command> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    // What other platforms need may never have been fetched.
    let metadata = [
        "metadata",
        "--format-version",
        "1",
        "--offline",
        "--filter-platform",
        "host-tuple",
    ];
    let metadata = cargo(&metadata, &manifest).await?;
    let parsed: serde_json::Value = serde_json::from_str(&metadata)?;
    let package = parsed["packages"]
        .as_array()
        .and_then(|packages| {
            packages
                .iter()
                .find(|package| package["name"] == env!("CARGO_PKG_NAME"))
        })
        .context("cargo metadata does not list this package")?;
    let binary_id = concat!(env!("CARGO_PKG_NAME"), "::real");
    let binaries = serde_json::json!({
        "rust-build-meta": {
            "target-directory": parsed["target_directory"],
            "base-output-directories": [],
            "non-test-binaries": {},
            "build-script-out-dirs": {},
            "linked-paths": [],
            "platforms": null,
            "target-platforms": [],
            "target-platform": null,
        },
        "rust-binaries": {
            binary_id: {
                "binary-id": binary_id,
                "binary-name": "real",
                "package-id": package["id"],
                "kind": "test",
                "binary-path": std::env::current_exe()?,
                "build-platform": "target",
            },
        },
    });
    let folder = stage.folder();
    std::fs::write(folder.join("cargo.json"), &metadata)?;
    std::fs::write(folder.join("binaries.json"), binaries.to_string())?;
    // Not the workspace's configuration: its profiles and limits are not what is tried here.
    std::fs::write(folder.join("nextest.toml"), "")?;
    let mut command = Command::new("cargo-nextest");
    stage.env(&mut command);
    // What an outer nextest tells its tests is not for this one.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NEXTEST")) {
        command.env_remove(name);
    }
    command
        .args(["nextest", "run"])
        .arg("--cargo-metadata")
        .arg(folder.join("cargo.json"))
        .arg("--binaries-metadata")
        .arg(folder.join("binaries.json"))
        .arg("--config-file")
        .arg(folder.join("nextest.toml"))
        .args(["--user-config-file", "none"])
        .args(["-E", "test(=runner::blocks_with_a_lab)"])
        .env(INNER_ENV, "1")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

async fn cargo(args: &[&str], manifest: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let child = command
        .args(args)
        .arg("--manifest-path")
        .arg(manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let ran = finish(child).await?;
    ran.expect(0, &[])?;
    Ok(ran.out)
}
