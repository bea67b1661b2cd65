//! A trial on the target `lab`: a lab of its own, the scenario, and what is kept of a failure.

use std::path::PathBuf;

use archipelago_lab::host::{CgroupFacts, Files};
use archipelago_lab::image::Flavour;
use archipelago_lab::{Lab, lab::LabError};

use super::{Node, Open, PORT, answer};
use crate::lab_registry;
use crate::registry::Scenario;
use crate::stage::Stage;
use crate::target::Need;

/// What a lab needs beside the shipped unit: the fixture images first, and no word from podman on an old cgroup layout.
const DROP_IN: &str =
    "[Unit]\nAfter=lab-images.service\n[Service]\nEnvironment=PODMAN_IGNORE_CGROUPSV1_WARNING=1\n";

/// Why labs on this host cannot give what a scenario needs. Reads facts of the host, touches no engine.
pub(crate) fn cannot(need: Need) -> Option<String> {
    match need {
        // A lab is killed and started again: that works wherever labs do.
        Need::PowerLoss => None,
        // Every lab has it as PID 1.
        Need::Systemd => None,
        // Programs run in it, and one flavour of the image has a registry that answers for docker.io.
        Need::Http | Need::Catalog => None,
        Need::Registry => archipelago_lab::lab::registry_missing(),
        Need::MemoryLimit => match CgroupFacts::read(&Files::host()) {
            Ok(facts) if facts.memory_controller => None,
            Ok(_) => Some(
                "containers' memory cannot be limited here: `cargo lab doctor` says how to mend it"
                    .to_owned(),
            ),
            // Not known is not "no": the trial will tell.
            Err(_) => None,
        },
    }
}

/// Runs a scenario in a fresh lab; on failure keeps all that can be learned of it.
pub(crate) fn run(scenario: &Scenario) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let lab = start(scenario)
            .await
            .map_err(|error| format!("{error:?}\n{}", archipelago_lab::chain(&error)))?;
        let shared = std::sync::Arc::new(tokio::sync::Mutex::new(Open {
            lab: Some(lab),
            way: None,
        }));
        let node = Node {
            lab: shared.clone(),
        };
        let mut stage = Stage::new(Box::new(node));
        let outcome = async {
            answer::of_daemon(&shared).await?;
            (scenario.run)(&mut stage).await
        }
        .await;
        let lab = shared.lock().await.lab.take();
        let Some(lab) = lab else {
            return outcome;
        };
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(format!("{error}\n\n{}", kept(&lab, scenario, &stage).await)),
        };
        let stopped = lab
            .stop()
            .await
            .map_err(|error| archipelago_lab::chain(&error));
        outcome.and(stopped)
    })
}

async fn start(scenario: &Scenario) -> Result<Lab, LabError> {
    let config = format!(
        "listen = \"0.0.0.0:{PORT}\"\n\n[health]\ninterval_secs = {}\nmax_restart_attempts = {}\nslow_lane_secs = {}\nevents = {}\n\n[install]\nstay_up_secs = 1\n",
        scenario.look_every, scenario.attempts, scenario.slow_lane, scenario.events
    );
    let mut builder = Lab::builder();
    if scenario.needs.contains(&Need::Registry) {
        builder = lab_registry::bring(builder);
    }
    if scenario.needs.contains(&Need::Catalog) {
        // It has a registry that answers for docker.io.
        builder = builder.flavour(Flavour::Node);
    }
    builder
        .name(scenario.name().replace("::", "-"))
        .program(
            env!("CARGO_BIN_EXE_archipelago"),
            "/usr/local/bin/archipelago",
        )
        .file("/etc/archipelago/archipelago.toml", config)
        // The unit that is shipped, in place of the one that labs have for whoever brings a daemon by hand.
        .file(
            "/etc/systemd/system/archipelago.service",
            include_str!("../../../systemd/archipelago.service"),
        )
        .file(
            "/etc/systemd/system/archipelago.service.d/lab.conf",
            DROP_IN,
        )
        .publish(PORT)
        .start()
        .await
}

/// Keeps the evidence; says where it lies and what the containers were doing.
async fn kept(lab: &Lab, scenario: &Scenario, stage: &Stage) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("target/lab")
        .join(scenario.name().replace("::", "-"));
    let evidence = match lab.evidence(&folder).await {
        Ok(evidence) => evidence,
        Err(error) => return format!("no evidence: {}", archipelago_lab::chain(&error)),
    };
    let timeline = folder.join("timeline.txt");
    let noted = std::fs::write(&timeline, stage.timeline.join("\n") + "\n");
    let mut text = String::from("what the containers were doing:\n");
    for line in evidence.summary.iter().take(4) {
        text.push_str(&format!("  {line}\n"));
    }
    if evidence.summary.len() > 4 {
        text.push_str(&format!("  and {} more\n", evidence.summary.len() - 4));
    }
    if let Err(error) = noted {
        text.push_str(&format!("no timeline: {error}\n"));
    }
    text.push_str(&format!("evidence: {}", folder.display()));
    text
}
