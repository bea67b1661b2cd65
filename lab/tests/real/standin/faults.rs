//! The faults that whoever works on a node has to live with, and their end.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archipelago_lab::{StandIn, standin};
use tokio::io::AsyncWriteExt;

use super::{builder, program, says, ssh};

crate::registry::scenarios![
    a_slow_link_is_slow_and_a_dropped_one_silent,
    it_reboots_and_loses_power_as_a_node_does,
    disk_keys_rights_and_token_fail_and_are_mended,
    another_program_takes_the_place_of_the_one_that_runs,
];

/// How long so many bytes take from the node, and to it.
async fn both_ways(node: &StandIn, bytes: usize) -> anyhow::Result<[Duration; 2]> {
    let began = Instant::now();
    let out = says(node, &format!("head -c {bytes} /dev/zero | tr '\\0' x")).await?;
    let from = began.elapsed();
    ensure!(out.len() == bytes, "{} of {bytes}", out.len());
    let began = Instant::now();
    let mut child = node
        .ssh()
        .arg("wc -c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    input.write_all(&vec![b'x'; bytes]).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    ensure!(
        String::from_utf8_lossy(&output.stdout).trim() == bytes.to_string(),
        "{output:?}"
    );
    Ok([from, began.elapsed()])
}

async fn a_slow_link_is_slow_and_a_dropped_one_silent() -> anyhow::Result<()> {
    let node = builder("stand-in-link")?.start().await?;
    // Two seconds at that rate, but for what may come in a burst.
    let bytes = 300_000;
    node.slow_link(Duration::from_millis(20), 1000).await?;
    let slow = both_ways(&node, bytes).await?;
    node.restore_link().await?;
    let quick = both_ways(&node, bytes).await?;
    for (slow, quick) in slow.iter().zip(quick) {
        ensure!(
            *slow > Duration::from_secs(1) && quick < *slow,
            "slow: {slow:?}, as it was: {quick:?}"
        );
    }

    node.drop_link().await?;
    let mut silent = node.ssh();
    silent.args(["-o", "ConnectTimeout=1"]);
    let output = silent.arg("true").output().await?;
    ensure!(output.status.code() == Some(255), "{output:?}");
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(err.contains("timed out"), "{err}");
    // It goes on by itself.
    ensure!(
        node.lab()
            .succeed(&["systemctl", "is-active", "archipelago"])
            .await?
            == "active\n"
    );
    node.restore_link().await?;
    ensure!(says(&node, "echo back").await? == "back");
    node.stop().await?;
    Ok(())
}

async fn it_reboots_and_loses_power_as_a_node_does() -> anyhow::Result<()> {
    let mut node = builder("stand-in-boot")?.start().await?;
    let boot = "cat /proc/sys/kernel/random/boot_id";
    let first = says(&node, boot).await?;
    says(
        &node,
        "echo kept >file; sudo -n logger --tag stand-in before the reboot",
    )
    .await?;
    node.reboot().await?;
    let second = says(&node, boot).await?;
    ensure!(second != first);
    ensure!(says(&node, "cat file").await? == "kept");
    let journal = "sudo -n journalctl --boot=-1 --identifier stand-in --output cat";
    ensure!(says(&node, journal).await? == "before the reboot");
    node.power_loss().await?;
    ensure!(says(&node, boot).await? != second);
    ensure!(says(&node, "cat file; systemctl is-active archipelago").await? == "kept\nactive");
    // Who goes by the variables finds it now.
    let port = node.port().to_string();
    ensure!(
        node.env()
            .contains(&("ARCHIPELAGO_NODE_PORT".to_owned(), port))
    );
    node.stop().await?;
    Ok(())
}

async fn disk_keys_rights_and_token_fail_and_are_mended() -> anyhow::Result<()> {
    let node = builder("stand-in-faults")?.start().await?;
    says(&node, "echo before >file").await?;
    node.fill_disk("/home/archipelago").await?;
    let write = "head -c 100000 /dev/zero >big";
    let ran = ssh(&node, write).await?;
    ensure!(
        ran.code != Some(0) && ran.err.contains("No space left on device"),
        "{ran:?}"
    );
    ensure!(says(&node, "cat file").await? == "before");
    node.free_disk("/home/archipelago").await?;
    says(&node, write).await?;

    node.change_host_key().await?;
    let ran = ssh(&node, "true").await?;
    ensure!(
        ran.code == Some(255) && ran.err.contains("Host key verification failed"),
        "{ran:?}"
    );
    node.restore_host_key().await?;
    says(&node, "true").await?;

    node.revoke_sudo().await?;
    let ran = ssh(&node, "sudo -n true").await?;
    ensure!(
        ran.code == Some(1) && ran.err.contains("a password is required"),
        "{ran:?}"
    );
    node.grant_sudo().await?;
    says(&node, "sudo -n true").await?;

    let look = "sudo -n test -e /var/lib/archipelago/secrets/rpc-token && echo there || echo gone";
    node.lose_token().await?;
    ensure!(says(&node, look).await? == "gone");
    node.restore_token().await?;
    ensure!(says(&node, look).await? == "there");
    node.stop().await?;
    Ok(())
}

async fn another_program_takes_the_place_of_the_one_that_runs() -> anyhow::Result<()> {
    let node = builder("stand-in-deploy")?.start().await?;
    let program = program().context("archipelago is not built")?;
    let folder = tempfile::tempdir()?;
    let older = folder.path().join("older");
    // The name of a method: an archipelago without it is an older one, to whoever calls it.
    standin::without(&program, "package.reconcile", &older)?;
    // By its path: on some bases sudo looks for nothing in /usr/local.
    let call = "sudo -n /usr/local/bin/archipelago rpc package.reconcile";
    says(&node, call).await?;
    node.deploy(&older).await?;
    let ran = ssh(&node, call).await?;
    ensure!(
        ran.code != Some(0) && ran.err.contains("package.reconcile"),
        "{ran:?}"
    );
    let missing = standin::without(&program, "no such word in there", &older);
    ensure!(missing.is_err_and(|error| error.to_string().contains("no such word")));
    node.stop().await?;
    Ok(())
}
