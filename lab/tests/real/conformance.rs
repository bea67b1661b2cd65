//! Conformance cases, played on a lab's podman.

use std::time::Duration;

use anyhow::{Context, ensure};
use archipelago_lab::conformance::case::{Case, Step};
use archipelago_lab::conformance::in_lab::InLab;
use archipelago_lab::conformance::player::Side;
use archipelago_lab::conformance::transcript::{Outcome, Transcript};
use archipelago_lab::image::Base;

crate::registry::scenarios![a_case_goes_on_after_a_reboot_and_leaves_nothing_to_the_next,];

fn case(name: &str, steps: &[&str]) -> anyhow::Result<Case> {
    let steps = steps
        .iter()
        .map(|line| Step::parse(line).map_err(|why| anyhow::anyhow!("{line}: {why}")))
        .collect::<anyhow::Result<_>>()?;
    Ok(Case {
        name: name.to_owned(),
        needs: Vec::new(),
        steps,
    })
}

async fn a_case_goes_on_after_a_reboot_and_leaves_nothing_to_the_next() -> anyhow::Result<()> {
    let reboots = case(
        "real::reboots",
        &[
            "file note hello",
            "podman network create net",
            "podman run -d --name a --volume data:/data --volume $DIR:/dir $FIXTURE serve 8080",
            "podman pause a",
            "registry 403",
            "spawn waiting podman wait a",
            "reboot",
            "join waiting",
            "podman inspect --format {{.State.Running}} a",
            "podman start a",
            "until a running",
            "podman exec a /fixture cat /dir/note",
            "podman pull localhost:5001/app:1",
            "kill-process a",
            "until a exited",
            "podman inspect --format {{.State.ExitCode}} a",
            "podman inspect a",
            "podman tag $FIXTURE localhost/other:1",
        ],
    )?;
    let steps = reboots.steps.len();
    let sees = case("real::sees", &["podman ps --all --quiet"])?;
    let mut lab = InLab::start(&Base::preferred()?, Duration::from_secs(60)).await?;
    let mut transcripts: Vec<Transcript> = Vec::new();
    lab.play(&[reboots, sees], &mut |transcript| {
        transcripts.push(transcript);
    })
    .await?;
    ensure!(lab.version().contains('.'), "{}", lab.version());
    lab.stop().await?;

    let [first, second] = transcripts.as_slice() else {
        anyhow::bail!("{} transcripts", transcripts.len());
    };
    ensure!(first.played.len() == steps, "{first:#?}");
    let codes: Vec<i32> = first
        .played
        .iter()
        .map(|played| played.outcome.code)
        .collect();
    // The client that waited was ended by the power cut, and the registry refuses after the boot as it did before.
    let wanted = [0, 0, 0, 0, 0, 0, 0, 137, 0, 0, 0, 0, 125, 0, 0, 0, 0, 0];
    ensure!(codes == wanted, "{codes:?}: {first:#?}");
    let stdout = |step: usize| first.played[step].outcome.stdout.trim();
    ensure!(stdout(8) == "false", "{first:#?}");
    ensure!(stdout(11) == "hello", "{first:#?}");
    ensure!(
        first.played[12].outcome.stderr.contains("denied: m"),
        "{first:#?}"
    );
    ensure!(stdout(15) == "137", "{first:#?}");
    ensure!(stdout(16).contains("\"$DIR\""), "{}", stdout(16));
    let after = |transcript: &Transcript, look: &str| -> anyhow::Result<Outcome> {
        let outcome = transcript.after.get(look).context(look.to_owned())?;
        Ok(outcome.clone())
    };
    let events = after(first, "events")?.stdout;
    ensure!(events.contains("died"), "{events}");
    for look in ["ps", "volumes"] {
        ensure!(after(first, look)?.stdout.trim() != "[]", "{first:#?}");
        ensure!(after(second, look)?.stdout.trim() == "[]", "{second:#?}");
    }
    ensure!(after(first, "networks")?.stdout.contains("\"net\""));
    ensure!(!after(second, "networks")?.stdout.contains("\"net\""));
    ensure!(!after(second, "images")?.stdout.contains("other"));
    // What removing has caused does not count for the next case.
    let events = after(second, "events")?.stdout;
    ensure!(events.is_empty(), "{events}");
    Ok(())
}
