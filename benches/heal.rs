//! From the death of a container's main process to running again: the daemon, by podman's events, against podman alone.
//!
//! `cargo bench --bench heal` starts a lab with a package for it. By turns it kills the main process of a container of that
//! package, which archipelago starts again, and of one of the same image and command that podman restarts by itself
//! (`--restart=always`), and it has `podman start` start a third. The aim: from the kill to running again a median of 2 s.
//! All are paired in one run, so that a machine that becomes slow meanwhile is slow for all.

mod in_lab;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use archipelago_lab::image::FIXTURE_IMAGE;
use in_lab::{Node, load, met, ms, rank, run};

const ROUNDS: usize = 21;
/// A container of the package that nothing else depends on.
const OURS: &str = "bench-0-4";
const PODMANS: &str = "bench-by-podman";
const BY_HAND: &str = "bench-by-hand";
const LIMIT: Duration = Duration::from_secs(150);
/// A container that just ran again is left alone for so long: podman and the daemon come to rest, and the next attempt is due.
const REST: Duration = Duration::from_secs(2);
const MEDIAN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let node = Node {
        name: "heal",
        // Attempts are so far apart: nobody kills a container as often as this bench.
        config: "[health]\ninterval_secs = 1\nmax_restart_attempts = 1000\n\n[install]\nstay_up_secs = 1\n",
        packages: 1,
    };
    in_lab::main(&node, measure)
}

fn measure() -> Result<(), String> {
    for (name, restart) in [(PODMANS, "--restart=always"), (BY_HAND, "--restart=no")] {
        let args = ["run", "--detach", "--name", name, restart, FIXTURE_IMAGE];
        run("podman", &[&args[..], &["serve", "8080"]].concat())?;
    }
    let (mut ours, mut podmans, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        std::thread::sleep(REST);
        ours.push(kill_and_wait(OURS)?);
        std::thread::sleep(REST);
        podmans.push(kill_and_wait(PODMANS)?);
        std::thread::sleep(REST);
        run("podman", &["stop", "--time=0", BY_HAND])?;
        let begun = Instant::now();
        run("podman", &["start", BY_HAND])?;
        starts.push(begun.elapsed());
    }
    println!("{ROUNDS} rounds; load {}", load());
    for (name, times) in [
        ("kill -9 to running, archipelago", &ours),
        ("kill -9 to running, podman --restart=always", &podmans),
        ("podman start by hand", &starts),
    ] {
        println!(
            "{name:44} median {:6.0} ms   p95 {:6.0}   least {:6.0}   most {:6.0}",
            ms(rank(times, 0.5)),
            ms(rank(times, 0.95)),
            ms(rank(times, 0.0)),
            ms(rank(times, 1.0)),
        );
    }
    let median = rank(&ours, 0.5);
    println!(
        "archipelago, median: aim {:.0} ms   {}",
        ms(MEDIAN),
        met(median <= MEDIAN)
    );
    println!(
        "archipelago / podman --restart=always {:.2}",
        ms(median) / ms(rank(&podmans, 0.5))
    );
    println!(
        "archipelago / podman start by hand    {:.2}",
        ms(median) / ms(rank(&starts, 0.5))
    );
    Ok(())
}

/// Kills the main process and waits until podman says that the container runs with another.
fn kill_and_wait(container: &str) -> Result<Duration, String> {
    let file = inspect(container, "{{.PidFile}}")?;
    let pid = inspect(container, "{{.State.Pid}}")?;
    if pid == "0" {
        return Err(format!("`{container}` does not run"));
    }
    let begun = Instant::now();
    run("kill", &["-9", &pid])?;
    loop {
        // To ask podman costs as much as what is measured: it is asked when there is another process.
        if is_another(Path::new(&file), &pid) {
            let now = inspect(container, "{{.State.Status}} {{.State.Pid}}")?;
            if now
                .strip_prefix("running ")
                .is_some_and(|now| now != pid && now != "0")
            {
                return Ok(begun.elapsed());
            }
        }
        if begun.elapsed() > LIMIT {
            return Err(format!("`{container}` does not run again after {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether conmon has written the pid of another process.
fn is_another(file: &Path, pid: &str) -> bool {
    let written = std::fs::read_to_string(file).unwrap_or_default();
    let written = written.trim();
    !written.is_empty() && written != pid
}

fn inspect(container: &str, format: &str) -> Result<String, String> {
    run(
        "podman",
        &["container", "inspect", "--format", format, container],
    )
}
