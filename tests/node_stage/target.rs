//! The target `node`: green where all is well; otherwise it says what to do, and leaves the node as it was.

use std::time::Duration;

use archipelago_lab::StandIn;
use rustix::process::Signal;

use crate::node::{self, Ours};
use crate::program::{Run, Running, until};
use crate::trial::{Outcome, trials};

trials![
    all_is_green_and_nothing_is_left,
    unfit_nodes_are_refused_and_nothing_is_done,
    users_packages_are_refused_and_untouched,
    a_full_disk_is_told_and_nothing_is_left,
    two_runs_do_not_collide,
    killed_it_is_cleaned_up_by_the_next_run,
    a_link_that_falls_silent_is_told_and_cleaned_up_after,
    a_reboot_in_the_middle_is_told_and_cleaned_up_after,
];

/// What is there at different moments of a run.
const MOMENTS: [(&str, &str); 3] = [
    (
        "it is noted what will be done",
        "test -e /var/lib/archipelago-node-test.json",
    ),
    (
        "the package runs",
        "podman container exists filebrowser && podman ps -q --filter name=filebrowser | grep -q .",
    ),
    (
        "the package was stopped",
        "test \"$(podman inspect --format '{{.State.Running}}' filebrowser)\" = false",
    ),
];
/// How long a run may take to come to such a moment.
const MOMENT: Duration = Duration::from_secs(120);

/// Starts the smoke stage, and waits for a moment of it.
async fn in_the_middle(node: &StandIn, (awaited, script): (&str, &str)) -> Result<Running, String> {
    let running = Run::new(node, "node::smoke").begin().await?;
    match node::until_there(node, awaited, MOMENT, script).await {
        Ok(_) => Ok(running),
        Err(error) => {
            running.signal(Signal::KILL)?;
            Err(format!("{error}\n{}", running.end().await?.said))
        }
    }
}

async fn all_is_green_and_nothing_is_left(node: &mut StandIn) -> Outcome {
    // A package of the user's, which is to notice nothing.
    node::install_users_package(node).await?;
    let (before, theirs) = (Ours::of(node).await?, node::users_package(node).await?);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report = folder.path().join("report");
    let run =
        Run::new(node, "node::").with("ARCHIPELAGO_NODE_REPORT", report.display().to_string());
    run.to_end().await?.passed()?;
    before.is_all_there_is(node).await?;
    let now = node::users_package(node).await?;
    if now != theirs {
        return Err(format!(
            "the user's package was touched: before {theirs}, now {now}"
        ));
    }
    let report = std::fs::read_to_string(report).map_err(|error| error.to_string())?;
    let lines: Vec<serde_json::Value> = report
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{error} in {line}")))
        .collect::<Result<_, _>>()?;
    let passed = lines.iter().filter(|line| line["status"] == "passed");
    let smoke = passed.filter(|line| {
        line["name"]
            .as_str()
            .is_some_and(|name| name.contains("::smoke::"))
    });
    if smoke.count() < 13 {
        return Err(format!("not every item is in the report: {report}"));
    }
    Ok(())
}

async fn unfit_nodes_are_refused_and_nothing_is_done(node: &mut StandIn) -> Outcome {
    let before = Ours::of(node).await?;
    let smoke = |name: &str, value: String| Run::new(node, "node::smoke").with(name, value);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = |name: &str| folder.path().join(name).display().to_string();

    // Of this side.
    let run = smoke("ARCHIPELAGO_NODE", "archipelago@192.168.1.228".into());
    run.to_end()
        .await?
        .failed_saying(&["`192.168.1.228` is not this machine", "ARCHIPELAGO_NODE"])?;
    let run = smoke("ARCHIPELAGO_NODE_KEY", file("none"));
    run.to_end()
        .await?
        .failed_saying(&["is not there", "ARCHIPELAGO_NODE_KEY"])?;
    let run = smoke("ARCHIPELAGO_NODE_PORT", "1".into());
    run.to_end()
        .await?
        .failed_saying(&["cannot be reached", "Connection refused"])?;
    node::make_key(&file("other")).await?;
    let run = smoke("ARCHIPELAGO_NODE_KEY", file("other"));
    run.to_end()
        .await?
        .failed_saying(&["does not let us in", "authorized_keys"])?;

    // Of the node.
    let smoke = || Run::new(node, "node::smoke");
    let chain = |error| archipelago_lab::chain(&error);
    node.change_host_key().await.map_err(chain)?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["another host key", "ssh-keygen -f"])?;
    node.restore_host_key().await.map_err(chain)?;
    node.revoke_sudo().await.map_err(chain)?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["may not use sudo", "NOPASSWD"])?;
    node.grant_sudo().await.map_err(chain)?;
    node.lose_token().await.map_err(chain)?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["no token", "rpc-token"])?;
    node.restore_token().await.map_err(chain)?;
    node::sh(node, "systemctl stop archipelago").await?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["archipelago does not answer", "systemctl status"])?;
    node::sh(node, "systemctl start archipelago").await?;

    // An older daemon.
    let old = folder.path().join("archipelago");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_archipelago"));
    archipelago_lab::standin::without(program, "system.version", &old).map_err(chain)?;
    node.deploy(&old).await.map_err(chain)?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["no method `system.version`", "older", "deploy"])?;
    node.deploy(program).await.map_err(chain)?;

    // Somebody else is there, or the run around this one is not.
    let run = smoke().with("ARCHIPELAGO_NODE_RUN", "around");
    run.to_end()
        .await?
        .failed_saying(&["run `around` does not have the node's lock"])?;
    node::lock(node, "take", "theirs").await?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["the node is busy", "run `theirs` of you@there"])?;
    node::lock(node, "release", "theirs").await?;
    before.is_all_there_is(node).await
}

async fn users_packages_are_refused_and_untouched(node: &mut StandIn) -> Outcome {
    let smoke = || Run::new(node, "node::smoke");
    // Data that was kept of an uninstalled package.
    node::sh(node, "podman volume create filebrowser-data").await?;
    let before = Ours::of(node).await?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["volume filebrowser-data", "somebody's"])?;
    before.is_all_there_is(node).await?;
    node::sh(node, "podman volume rm filebrowser-data").await?;
    // What is not at rest: a restart of the daemon could do anything to it.
    node::install_users_package(node).await?;
    node::sh(node, "podman pause users").await?;
    let before = Ours::of(node).await?;
    smoke()
        .to_end()
        .await?
        .failed_saying(&["`users` is paused", "Wait until"])?;
    before.is_all_there_is(node).await?;
    node::sh(node, "podman unpause users").await?;
    // The package itself.
    node::sh(node, "archipelago install filebrowser").await?;
    let before = Ours::of(node).await?;
    let started = node::sh(
        node,
        "podman inspect --format '{{.State.StartedAt}}' filebrowser",
    )
    .await?;
    smoke().to_end().await?.failed_saying(&[
        "`filebrowser` is installed there already",
        "uninstall it there",
    ])?;
    before.is_all_there_is(node).await?;
    let now = node::sh(
        node,
        "podman inspect --format '{{.State.StartedAt}}' filebrowser",
    )
    .await?;
    if now == started {
        Ok(())
    } else {
        Err("the user's package was restarted".into())
    }
}

async fn a_full_disk_is_told_and_nothing_is_left(node: &mut StandIn) -> Outcome {
    let chain = |error| archipelago_lab::chain(&error);
    let before = Ours::of(node).await?;
    let state = "/var/lib/archipelago";
    node.fill_disk(state).await.map_err(chain)?;
    let ended = Run::new(node, "node::smoke").to_end().await;
    node.free_disk(state).await.map_err(chain)?;
    ended?.failed_saying(&["No space left on device"])?;
    before.is_all_there_is(node).await
}

async fn two_runs_do_not_collide(node: &mut StandIn) -> Outcome {
    let before = Ours::of(node).await?;
    let first = in_the_middle(node, MOMENTS[0]).await?;
    let second = Run::new(node, "node::smoke").to_end().await?;
    let pid = format!("(pid {} there)", first.pid()?);
    second.failed_saying(&["the node is busy", &pid])?;
    first.end().await?.passed()?;
    before.is_all_there_is(node).await
}

async fn killed_it_is_cleaned_up_by_the_next_run(node: &mut StandIn) -> Outcome {
    let before = Ours::of(node).await?;
    let running = in_the_middle(node, MOMENTS[1]).await?;
    let pid = running.pid()?;
    running.signal(Signal::KILL)?;
    running.end().await?.failed_saying(&[])?;
    // Its connection goes with it.
    let gone = async || match node::processes_of(&format!("archipelago-node-{pid}-"))? {
        found if found.is_empty() => Ok(()),
        found => Err(found.join(", ")),
    };
    until("ssh has ended with the run", Duration::from_secs(20), gone).await?;
    // The dead one has the lock until its lease ends.
    let busy = Run::new(node, "node::smoke").to_end().await?;
    busy.failed_saying(&["the node is busy", &format!("(pid {pid} there)")])?;
    node::let_the_lease_end(node).await?;
    let next = Run::new(node, "node::smoke").to_end().await?;
    next.passed()?;
    if !next.said.contains("did not clean up") {
        return Err(format!("it says nothing of what it found: {}", next.said));
    }
    if let Some(folder) = node::folder_of(pid)? {
        return Err(format!("its sockets are left: {folder}"));
    }
    before.is_all_there_is(node).await
}

async fn a_link_that_falls_silent_is_told_and_cleaned_up_after(node: &mut StandIn) -> Outcome {
    let before = Ours::of(node).await?;
    let chain = |error| archipelago_lab::chain(&error);
    // It comes back while the run still tries: that cleans up by itself.
    let running = in_the_middle(node, MOMENTS[1]).await?;
    node.drop_link().await.map_err(chain)?;
    let pid = running.pid()?;
    // The first connection is over when its sockets are in use by nobody.
    let gone = async || match node::processes_of(&format!("archipelago-node-{pid}-"))? {
        found if found.is_empty() => Ok(()),
        found => Err(found.join(", ")),
    };
    let lost = until(
        "the run sees that the connection is lost",
        Duration::from_secs(60),
        gone,
    )
    .await;
    node.restore_link().await.map_err(chain)?;
    let ended = running.end().await?;
    lost.map_err(|error| format!("{error}\n{}", ended.said))?;
    ended.failed_saying(&["the connection to the node was lost"])?;
    if ended.said.contains("still on the node") {
        return Err(format!("it did not clean up: {}", ended.said));
    }
    before.is_all_there_is(node).await?;
    // It does not: the next run does it.
    let running = in_the_middle(node, MOMENTS[2]).await?;
    node.drop_link().await.map_err(chain)?;
    let ended = running.end().await;
    node.restore_link().await.map_err(chain)?;
    ended?.failed_saying(&["was lost", "still on the node", "the next run removes it"])?;
    node::let_the_lease_end(node).await?;
    Run::new(node, "node::smoke").to_end().await?.passed()?;
    before.is_all_there_is_but_connections(node).await
}

async fn a_reboot_in_the_middle_is_told_and_cleaned_up_after(node: &mut StandIn) -> Outcome {
    let before = Ours::of(node).await?;
    let running = in_the_middle(node, MOMENTS[1]).await?;
    node.reboot()
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    let ended = running.end().await?;
    ended.failed_saying(&["the connection to the node was lost"])?;
    if ended.said.contains("still on the node") {
        // A node may take longer to boot than the run waits: then the next one does it.
        Run::new(node, "node::smoke").to_end().await?.passed()?;
    }
    before.is_all_there_is(node).await
}
