//! What the scripts for a node refuse, and what they say then: nothing there is changed, and exit code 2 says that nothing was
//! tested.

use archipelago_lab::StandIn;

use crate::deployed::{Deployed, folder, good, shell};
use crate::script::Script;
use crate::trial::{Outcome, trials};

const NAME: &str = "dev-container-test.sh";
const NOT_LOOPBACK: &str = "192.168.1.228` is not this machine";

trials![
    the_guard_refuses_the_default_address_before_anything_is_sent,
    a_host_that_does_not_answer,
    a_key_that_is_not_accepted,
    a_host_key_that_has_changed,
    a_user_without_sudo,
    a_node_that_somebody_else_has,
    a_disk_that_is_full,
];

/// A cycle that is to be refused, saying all of this, and to leave the node as it was.
async fn refused(node: &StandIn, script: Script, texts: &[&str]) -> Outcome {
    let before = Deployed::on(node).await?;
    script.to_end().await?.with_code(2, texts)?;
    before.is_back_on(node).await
}

async fn the_guard_refuses_the_default_address_before_anything_is_sent(
    node: &mut StandIn,
) -> Outcome {
    // A program in the place of ssh: whoever calls it has sent something.
    let folder = folder()?;
    let called = folder.path().join("called");
    let ssh = folder.path().join("ssh");
    std::fs::write(
        &ssh,
        format!("#!/bin/sh\ntouch {}\nexit 255\n", called.display()),
    )
    .and_then(|()| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755))
    })
    .map_err(|error| error.to_string())?;
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", folder.path().display());
    for (name, arguments) in [
        (NAME, &["--once"][..]),
        ("dev-start.sh", &["9", "--once"]),
        ("run-container-tests.sh", &[]),
    ] {
        for address in [
            None,
            Some("archipelago@192.168.1.228"),
            Some("archipelago@127.0.0.1.example"),
        ] {
            let mut script = Script::without_node(name, arguments)
                .with("PATH", &path)
                .with("ARCHIPELAGO_NODE_KEY", node.key().display().to_string());
            if let Some(address) = address {
                script = script.with("ARCHIPELAGO_NODE", address);
            }
            let said = if address.is_some_and(|address| address.ends_with("example")) {
                "is not this machine"
            } else {
                NOT_LOOPBACK
            };
            script.to_end().await?.with_code(2, &[said])?;
            if called.exists() {
                return Err(format!("`{name}` called ssh for {address:?}"));
            }
        }
    }
    // What could become an option or a command of ssh's.
    for hostile in [
        "-oProxyCommand=x",
        "a@-oProxyCommand=x",
        "a@b c",
        "",
        "a@$(x)",
    ] {
        if !hostile.is_empty() {
            Script::without_node(NAME, &["--once"])
                .with("PATH", &path)
                .with("ARCHIPELAGO_NODE", hostile)
                .to_end()
                .await?
                .with_code(2, &["USER@HOST"])?;
        }
    }
    if called.exists() {
        return Err("a hostile name reached ssh".into());
    }
    Ok(())
}

async fn a_host_that_does_not_answer(node: &mut StandIn) -> Outcome {
    // Nobody listens there: it was given to us and given back.
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.map_err(|error| error.to_string())?.port().to_string();
    let script = Script::new(node, NAME, &["--once"]).with("ARCHIPELAGO_NODE_PORT", port);
    refused(
        node,
        script,
        &["Connection refused", "cannot be reached on port"],
    )
    .await
}

async fn a_key_that_is_not_accepted(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let key = folder.path().join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .map_err(|error| error.to_string())?;
    if !made.success() {
        return Err("ssh-keygen made no key".into());
    }
    let script = Script::new(node, NAME, &["--once"])
        .with("ARCHIPELAGO_NODE_KEY", key.display().to_string());
    refused(
        node,
        script,
        &["does not accept the key", "authorized_keys"],
    )
    .await?;
    let script = Script::new(node, NAME, &["--once"]).with("ARCHIPELAGO_NODE_KEY", "/nowhere");
    refused(
        node,
        script,
        &["there is no key `/nowhere`", "ARCHIPELAGO_NODE_KEY"],
    )
    .await
}

async fn a_host_key_that_has_changed(node: &mut StandIn) -> Outcome {
    node.change_host_key()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    let script = Script::new(node, NAME, &["--once"]);
    refused(
        node,
        script,
        &["is not the one that is known", "ssh-keygen -R"],
    )
    .await
}

async fn a_user_without_sudo(node: &mut StandIn) -> Outcome {
    node.revoke_sudo()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    let script = Script::new(node, NAME, &["--once"]);
    refused(
        node,
        script,
        &["may not use sudo without a password", "/etc/sudoers.d/"],
    )
    .await
}

async fn a_node_that_somebody_else_has(node: &mut StandIn) -> Outcome {
    let lock = include_str!("../../scripts/node/lock.sh");
    let take = format!("sh -s -- take another-run somebody@elsewhere 600 <<'END'\n{lock}\nEND");
    shell(node, &take).await?;
    let script = Script::new(node, NAME, &["--once"]);
    refused(
        node,
        script,
        &["somebody else has the node", "somebody@elsewhere"],
    )
    .await?;
    // One that is waited for, and does not come.
    let script = Script::new(node, "run-container-tests.sh", &["--wait", "6"]);
    refused(
        node,
        script,
        &["is waited for", "somebody else has the node"],
    )
    .await
}

async fn a_disk_that_is_full(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let good = good(&folder)?;
    for full in ["/home", "/usr/local/bin"] {
        node.fill_disk(full)
            .await
            .map_err(|error| archipelago_lab::chain(&error))?;
        let before = Deployed::on(node).await?;
        Script::new(node, NAME, &["--once", "--binary", &good])
            .to_end()
            .await?
            .with_code(1, &["No space left on device", "failed: "])
            .map_err(|error| format!("with {full} full: {error}"))?;
        before
            .is_back_on(node)
            .await
            .map_err(|error| format!("with {full} full: {error}"))?;
        node.free_disk(full)
            .await
            .map_err(|error| archipelago_lab::chain(&error))?;
    }
    Ok(())
}
