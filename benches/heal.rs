//! From the death of a container's main process to running again: the daemon, by podman's events, against podman alone.
//!
//! `cargo bench --bench heal -- CONTAINER` (or `ARCHIPELAGO_BENCH_CONTAINER`) kills the main process of CONTAINER, a
//! container of an installed package whose `restart` is `"no"` or `"on-failure"`, by turns with one of its own, which podman
//! restarts by itself (`--restart=always`) from the image and command of CONTAINER, and with one that is only started anew by
//! `podman start`. Needs root on the node, or in a lab, where `archipelago serve` runs. Attempts are `health.interval_secs`
//! apart: set it to 1 for this, and `health.max_restart_attempts` to 1000.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const OWN: &str = "archipelago-bench-heal";
const LIMIT: Duration = Duration::from_secs(150);
/// A container that just ran again is left alone for so long: podman and the daemon come to rest.
const REST: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    let container = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .or_else(|| std::env::var("ARCHIPELAGO_BENCH_CONTAINER").ok());
    let Some(container) = container else {
        println!(
            "skipped: `cargo bench --bench heal -- CONTAINER` names a container of an installed package"
        );
        return ExitCode::SUCCESS;
    };
    let outcome = measure(&container);
    drop(podman(&["rm", "--force", "--time=0", OWN]));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(container: &str) -> Result<(), String> {
    let image = podman(&["container", "inspect", "--format={{.ImageName}}", container])?;
    let command = podman(&[
        "container",
        "inspect",
        "--format={{range .Config.Cmd}}{{.}} {{end}}",
        container,
    ])?;
    drop(podman(&["rm", "--force", "--time=0", OWN]));
    let mut args = vec!["run", "--detach", "--name", OWN, "--restart=always", &image];
    args.extend(command.split_whitespace());
    podman(&args)?;
    let (mut healed, mut alone, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        healed.push(kill_and_wait(container)?);
        std::thread::sleep(REST);
        alone.push(kill_and_wait(OWN)?);
        std::thread::sleep(REST);
        podman(&["stop", "--time=0", OWN])?;
        let begun = Instant::now();
        podman(&["start", OWN])?;
        starts.push(begun.elapsed());
    }
    for (name, times) in [
        ("kill -9 to running, archipelago", &mut healed),
        ("kill -9 to running, podman --restart=always", &mut alone),
        ("podman start", &mut starts),
    ] {
        times.sort();
        println!(
            "{name:44} median {:6.0} ms   least {:6.0}   most {:6.0}   of {}",
            times[times.len() / 2].as_secs_f64() * 1e3,
            times[0].as_secs_f64() * 1e3,
            times[times.len() - 1].as_secs_f64() * 1e3,
            times.len()
        );
    }
    Ok(())
}

/// Kills the main process and waits until the container runs with another.
fn kill_and_wait(container: &str) -> Result<Duration, String> {
    let pid = pid_of(container)?;
    if pid == "0" {
        return Err(format!("`{container}` does not run"));
    }
    let begun = Instant::now();
    let killed = Command::new("kill").args(["-9", &pid]).status();
    if !killed.is_ok_and(|status| status.success()) {
        return Err(format!("cannot kill the process {pid} of `{container}`"));
    }
    loop {
        let now = pid_of(container)?;
        if now != "0" && now != pid {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > LIMIT {
            return Err(format!("`{container}` does not run again after {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn pid_of(container: &str) -> Result<String, String> {
    podman(&["container", "inspect", "--format={{.State.Pid}}", container])
}

fn podman(args: &[&str]) -> Result<String, String> {
    let output = Command::new("podman")
        .args(args)
        .output()
        .map_err(|error| format!("podman does not start: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!(
            "podman {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}
