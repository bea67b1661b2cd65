//! Benches that want a node: each starts a lab, puts archipelago and itself into it, and goes on there.
//!
//! Whoever measures sits beside what is measured, on the node's own podman. The daemon is the one that `cargo bench` built.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use archipelago_lab::Lab;
use archipelago_lab::image::FIXTURE_IMAGE;

/// Tells a bench that it is in the lab.
const HERE: &str = "--in-lab";
/// Where it is there.
const PROGRAM: &str = "/usr/local/bin/archipelago-bench";
/// What it says and how it ended.
const OUTPUT: &str = "/run/archipelago-bench";
/// As for the lab target of the scenarios: fixture images first, and no word from podman on an old cgroup layout.
const DROP_IN: &str =
    "[Unit]\nAfter=lab-images.service\n[Service]\nEnvironment=PODMAN_IGNORE_CGROUPSV1_WARNING=1\n";
/// Containers of one package.
pub(crate) const OF_A_PACKAGE: usize = 5;

/// What a bench finds in its lab.
pub(crate) struct Node {
    /// For people.
    pub(crate) name: &'static str,
    /// The configuration of archipelago.
    pub(crate) config: &'static str,
    /// So many packages of [`OF_A_PACKAGE`] containers each are installed.
    pub(crate) packages: usize,
}

/// Runs `measure` in a lab with `node`; it prints what it found.
pub(crate) fn main(node: &Node, measure: fn() -> Result<(), String>) -> ExitCode {
    archipelago_lab::init();
    let is_given = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let outcome = if is_given(HERE) {
        measure()
    } else if is_given("--bench") {
        outside(node)
    } else {
        // `cargo test --benches` only wants to know that it builds.
        println!("skipped: `cargo bench --bench {}` measures", node.name);
        Ok(())
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn outside(node: &Node) -> Result<(), String> {
    archipelago_lab::die_with_parent().map_err(|error| archipelago_lab::chain(&error))?;
    // May start this program anew with DOCKER_HOST set.
    archipelago_lab::enter().map_err(|error| archipelago_lab::chain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut lab = Lab::builder()
            .name(format!("bench-{}", node.name))
            .program(
                env!("CARGO_BIN_EXE_archipelago"),
                "/usr/local/bin/archipelago",
            )
            .program(this, PROGRAM)
            .file("/etc/archipelago/archipelago.toml", node.config)
            .file(
                "/etc/systemd/system/archipelago.service",
                include_str!("../../systemd/archipelago.service"),
            )
            .file(
                "/etc/systemd/system/archipelago.service.d/lab.conf",
                DROP_IN,
            );
        for package in 0..node.packages {
            let path = format!("/etc/archipelago/apps/bench-{package}.toml");
            lab = lab.file(path, manifest(package));
        }
        let lab = lab
            .start()
            .await
            .map_err(|error| archipelago_lab::chain(&error))?;
        let outcome = inside(&lab, node).await;
        let stopped = lab
            .stop()
            .await
            .map_err(|error| archipelago_lab::chain(&error));
        outcome.and(stopped)
    })
}

async fn inside(lab: &Lab, node: &Node) -> Result<(), String> {
    let chain = |error| archipelago_lab::chain(&error);
    // Type=notify: it is back when the daemon answers.
    lab.succeed(&["systemctl", "start", "archipelago.service"])
        .await
        .map_err(chain)?;
    for package in 0..node.packages {
        let id = format!("bench-{package}");
        lab.succeed(&["archipelago", "install", &id])
            .await
            .map_err(chain)?;
    }
    // An exec in a lab is given two minutes: the bench goes on behind it, and is waited for in shorter turns.
    let begin = format!(
        "setsid sh -c '{PROGRAM} {HERE} >{OUTPUT} 2>&1; echo $? >{OUTPUT}.code' </dev/null >/dev/null 2>&1 & echo $!"
    );
    let pid = lab.succeed(&["sh", "-c", &begin]).await.map_err(chain)?;
    let wait = [
        "timeout",
        "90",
        "tail",
        "-f",
        "--pid",
        pid.trim(),
        "/dev/null",
    ];
    while lab.exec(&wait).await.map_err(chain)?.code != 0 {}
    let read = async |path: &str| {
        let bytes = lab.read_file(path).await.map_err(chain)?;
        Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read(OUTPUT).await?;
    if read(&format!("{OUTPUT}.code")).await?.trim() == "0" {
        print!("{text}");
        Ok(())
    } else {
        Err(text)
    }
}

/// A database, a service on it, and three that need the service.
fn manifest(package: usize) -> String {
    let mut text = format!("id = \"bench-{package}\"\ntitle = \"bench\"\nversion = \"1\"\n");
    for index in 0..OF_A_PACKAGE {
        let needs = match index {
            0 => String::new(),
            1 => format!("\"bench-{package}-0\""),
            _ => format!("\"bench-{package}-1\""),
        };
        let tier = index.min(2);
        // podman's own quick retries would be measured in place of archipelago's.
        text.push_str(&format!(
            "[[containers]]\nname = \"bench-{package}-{index}\"\nimage = \"{FIXTURE_IMAGE}\"\ncommand = [\"serve\", \"8080\"]\ntier = {tier}\ndepends_on = [{needs}]\nrestart = \"no\"\n"
        ));
    }
    text
}

/// Runs a program to its end; its standard output.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program} does not start: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!(
            "{program} {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

/// The value in the middle, by rank: 0.5 is the median.
pub(crate) fn rank(times: &[Duration], part: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a handful of values"
    )]
    let index = (sorted.len() as f64 * part) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Whether an aim is met.
pub(crate) fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "NOT met" }
}

/// The machine's load, as `uptime` says it.
pub(crate) fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_else(|error| error.to_string())
        .trim()
        .to_owned()
}
