//! The gate: a connection that is lost, or a command that waits, exactly where somebody wants it.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use archipelago_lab::StandIn;
use archipelago_lab::standin::Strike;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Ran, builder, says, ssh};

crate::registry::scenarios![
    a_gate_loses_the_connection_before_or_after_a_command,
    a_gate_holds_a_command_until_it_is_let_go,
    what_shares_a_connection_is_lost_with_it,
];

/// The kinds that came through, in order.
async fn seen(node: &StandIn) -> anyhow::Result<Vec<String>> {
    let seen = node.gate_seen().await?;
    Ok(seen.commands.into_iter().map(|one| one.kind).collect())
}

async fn a_gate_loses_the_connection_before_or_after_a_command() -> anyhow::Result<()> {
    let node = builder("stand-in-gate-lost")?.start().await?;
    node.install_gate().await?;
    // What it does not strike at is as without it.
    ensure!(says(&node, "echo 'a  b'; id -un").await? == "a  b\narchipelago");
    let ran = ssh(&node, "echo out; echo err >&2; exit 7").await?;
    ensure!(
        (ran.code, &*ran.out, &*ran.err) == (Some(7), "out\n", "err\n"),
        "{ran:?}"
    );
    ensure!(says(&node, "touch run-20261130-ab12; echo 42").await? == "42");
    let all = seen(&node).await?;
    ensure!(
        all[2..] == ["touch runN; echo N"],
        "what changes is to be N: {all:?}"
    );

    let is_there = async |file: &str| says(&node, &format!("ls {file} 2>&1 || :")).await;
    let lost = |ran: Ran| {
        ensure!(ran.code == Some(255) && ran.out.is_empty(), "{ran:?}");
        Ok(())
    };
    node.arm_gate(Strike::LostBefore, "touch x; echo done", 2)
        .await?;
    ensure!(!node.gate_seen().await?.has_struck);
    // The first of its kind, and another kind.
    ensure!(says(&node, "touch x; echo done").await? == "done");
    ensure!(says(&node, "rm x; echo done").await? == "done");
    lost(ssh(&node, "touch x; echo done").await?)?;
    ensure!(is_there("x").await?.contains("No such file"), "it was run");
    let told = node.gate_seen().await?;
    ensure!(
        told.has_struck && told.commands[2].time == 2 && told.commands.len() == 4,
        "{told:?}"
    );
    ensure!(says(&node, "touch x; echo done").await? == "done");

    node.arm_gate(Strike::LostAfter, "sleep N.N; touch y; echo done", 1)
        .await?;
    lost(ssh(&node, "sleep 0.1; touch y; echo done").await?)?;
    ensure!(is_there("y").await? == "y", "it was not run to its end");

    // Files go there both ways of copying; a forwarded port is no command.
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), "content")?;
    node.disarm_gate().await?;
    ensure!(rsync(&node, folder.path(), "there").await?);
    node.until_it_answers().await?;
    let all = seen(&node).await?;
    let [kind] = &all[..] else {
        anyhow::bail!("one command was to be seen: {all:?}");
    };
    node.arm_gate(Strike::LostBefore, kind, 1).await?;
    ensure!(!rsync(&node, folder.path(), "there").await?);
    ensure!(node.gate_seen().await?.has_struck, "{kind}");
    node.arm_gate(Strike::LostAfter, &kind.replace("there/", "elsewhere/"), 1)
        .await?;
    ensure!(!rsync(&node, folder.path(), "elsewhere").await?);
    ensure!(says(&node, "cat elsewhere/file").await? == "content");

    node.remove_gate().await?;
    let left = "ls /etc/ssh/sshd_config.d/gate.conf /run/stand-in-gate 2>/dev/null || :";
    ensure!(
        says(&node, left).await?.is_empty(),
        "the gate is still there"
    );
    node.stop().await?;
    Ok(())
}

/// Whether rsync brought a folder there.
async fn rsync(node: &StandIn, from: &Path, to: &str) -> anyhow::Result<bool> {
    let rsh = format!(
        "ssh -F /dev/null -p {} -i {} -o UserKnownHostsFile={}",
        node.port(),
        node.key().display(),
        node.known_hosts().display()
    );
    let output = Command::new("rsync")
        .args(["--archive", "--rsh", &rsh])
        .arg(format!("{}/", from.display()))
        .arg(format!("{}:{to}/", node.node()))
        .stdin(Stdio::null())
        .output()
        .await?;
    Ok(output.status.success())
}

async fn a_gate_holds_a_command_until_it_is_let_go() -> anyhow::Result<()> {
    let node = builder("stand-in-gate-hold")?.start().await?;
    node.install_gate().await?;
    node.arm_gate(Strike::Hold, "cat >file; echo done", 1)
        .await?;
    let held = |node: &StandIn| {
        let mut command = node.ssh();
        command
            .arg("cat >file; echo done")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command.spawn()
    };
    let mut child = held(&node)?;
    let mut input = child.stdin.take().context("no input")?;
    input.write_all(b"content").await?;
    drop(input);
    node.gate_holds().await?;
    // Others are let through meanwhile.
    ensure!(
        says(&node, "ls file 2>&1 || :")
            .await?
            .contains("No such file")
    );
    ensure!(child.try_wait()?.is_none(), "it ended while it was held");
    node.let_go().await?;
    let output = child.wait_with_output().await?;
    ensure!(output.stdout == b"done\n", "{output:?}");
    ensure!(says(&node, "cat file; rm file").await? == "content");

    // Whoever wanted it is gone: it is run all the same, as without a gate.
    node.arm_gate(Strike::Hold, "cat >file; echo done", 1)
        .await?;
    let mut child = held(&node)?;
    node.gate_holds().await?;
    child.kill().await?;
    ensure!(
        says(&node, "ls file 2>&1 || :")
            .await?
            .contains("No such file")
    );
    node.let_go().await?;
    crate::processes::until("the command was run", async || {
        match says(&node, "ls file 2>&1 || :").await {
            Ok(file) if file == "file" => Ok(()),
            Ok(said) => Err(said),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await?;
    node.stop().await?;
    Ok(())
}

async fn what_shares_a_connection_is_lost_with_it() -> anyhow::Result<()> {
    let node = builder("stand-in-gate-shared")?.start().await?;
    node.install_gate().await?;
    let folder = tempfile::tempdir()?;
    let shared = |command: &str| {
        let ssh = node.ssh();
        let mut client = Command::new(ssh.as_std().get_program());
        client
            .arg("-S")
            .arg(folder.path().join("socket"))
            .args(["-o", "ControlMaster=auto", "-o", "ControlPersist=60"])
            .args(ssh.as_std().get_args())
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        client
    };
    ensure!(shared("true").status().await?.success());
    node.arm_gate(Strike::LostBefore, "echo last", 1).await?;
    let mut other = shared("echo other; sleep 60").spawn()?;
    crate::processes::until("the other one runs", async || {
        let seen = node.gate_seen().await.map_err(|error| error.to_string())?;
        match &seen.commands[..] {
            [_] => Ok(()),
            all => Err(format!("{all:?}")),
        }
    })
    .await?;
    ensure!(shared("echo last").status().await?.code() == Some(255));
    ensure!(
        other.wait().await?.code() == Some(255),
        "the other one goes on"
    );
    let told = node.gate_seen().await?;
    ensure!(
        told.commands.len() == 2 && told.commands[0].session == told.commands[1].session,
        "{told:?}"
    );
    // A later one makes a connection of its own.
    ensure!(shared("true").status().await?.success());
    let told = node.gate_seen().await?;
    ensure!(
        told.commands[2].session != told.commands[0].session,
        "{told:?}"
    );
    let exit = shared("true");
    let mut exit = Command::new(exit.as_std().get_program())
        .args(["-O", "exit"])
        .args(exit.as_std().get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    exit.wait().await?;
    node.stop().await?;
    Ok(())
}
