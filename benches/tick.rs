//! What a look of the monitor costs, against the bare list call through the same socket and against podman's commands.
//!
//! `cargo bench --bench tick` starts a lab with 200 containers for it. The aims: a look takes at most 1.2 times as long as
//! the bare list call, and at most a third of the CPU of `podman ps` and `podman inspect`. All is paired in one run, one
//! after the other by turns, so that a machine that becomes slow meanwhile is slow for all.

mod in_lab;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use archipelago::container::podman::Podman;
use archipelago::container::runtime::RealExecutor;
use archipelago_lab::image::FIXTURE_IMAGE;
use in_lab::{Node, load, met, ms, rank, run};

const ROUNDS: usize = 30;
const CONTAINERS: usize = 200;
const LABEL: &str = "io.archipelago.package";
/// What a person would ask for them.
const PS: [&str; 4] = [
    "ps",
    "--all",
    "--format=json",
    "--filter=label=io.archipelago.package",
];
const SOCKET: &str = "/run/podman/podman.sock";
const TIME_RATIO: f64 = 1.2;
const CPU_RATIO: f64 = 1.0 / 3.0;
/// Clock ticks of `/proc/PID/stat` in a second, on every Linux that this runs on.
const TICKS: f64 = 100.0;

fn main() -> ExitCode {
    let node = Node {
        name: "tick",
        config: "",
        packages: 0,
    };
    in_lab::main(&node, measure)
}

fn measure() -> Result<(), String> {
    // Its own looks would count as the service's CPU.
    run("systemctl", &["stop", "archipelago.service"])?;
    let label = format!("--label={LABEL}=bench");
    for _ in 0..CONTAINERS {
        let args = ["run", "--detach", "--network=none", &label];
        let command = [FIXTURE_IMAGE, "serve", "8080"];
        run("podman", &[&args[..], &command[..]].concat())?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let podman = Podman::new(Arc::new(RealExecutor)).with_socket(Path::new(SOCKET));
    let look = || {
        let list = runtime.block_on(podman.list(LABEL));
        list.map(|list| list.len())
            .map_err(|error| error.to_string())
    };
    // The first look inspects all.
    let count = look()?;
    let path = format!(
        "/v4.0.0/libpod/containers/json?all=true&filters=%7B%22label%22%3A%5B%22{LABEL}%22%5D%7D"
    );
    let [mut ticks, mut lists, mut listings, mut commands] = [const { Sample::new() }; 4];
    for _ in 0..ROUNDS {
        ticks.measure(|| look().is_ok());
        lists.measure(|| bare(&path).is_ok());
        listings.measure(|| podman_command(&PS).is_some());
        commands.measure(ps_and_inspect);
    }
    println!(
        "{count} containers with the label `{LABEL}`, {ROUNDS} rounds; load {}",
        load()
    );
    for (name, sample) in [
        ("tick (list, and inspect of what changed)", &ticks),
        ("bare list over the same socket", &lists),
        ("podman ps", &listings),
        ("podman ps + podman inspect", &commands),
    ] {
        println!(
            "{name:42} median {:8.2} ms   p95 {:8.2} ms   CPU {:8.2} ms",
            ms(rank(&sample.times, 0.5)),
            ms(rank(&sample.times, 0.95)),
            sample.cpu() * 1e3
        );
    }
    let time = ms(rank(&ticks.times, 0.5)) / ms(rank(&lists.times, 0.5));
    let of_commands = ticks.cpu() / commands.cpu();
    let of_list = ticks.cpu() / lists.cpu();
    println!(
        "tick / bare list, time               {time:.2}   aim {TIME_RATIO:.2}   {}",
        met(time <= TIME_RATIO)
    );
    println!(
        "tick / podman ps + inspect, CPU      {of_commands:.2}   aim {CPU_RATIO:.2}   {}",
        met(of_commands <= CPU_RATIO)
    );
    println!("tick / bare list, CPU                {of_list:.2}");
    println!(
        "bare list / podman ps + inspect, CPU {:.2}",
        lists.cpu() / commands.cpu()
    );
    Ok(())
}

/// Times of one thing: how long each took, and the CPU time of the whole machine's podman processes and of this one.
struct Sample {
    times: Vec<Duration>,
    cpu: f64,
}

impl Sample {
    const fn new() -> Self {
        Self {
            times: Vec::new(),
            cpu: 0.0,
        }
    }

    fn measure(&mut self, work: impl FnOnce() -> bool) {
        let cpu = cpu_of_all();
        let begun = Instant::now();
        let is_good = work();
        self.times.push(begun.elapsed());
        self.cpu += cpu_of_all() - cpu;
        assert!(is_good, "a call failed");
    }

    /// Seconds of CPU a call.
    fn cpu(&self) -> f64 {
        self.cpu / f64::from(u32::try_from(self.times.len()).unwrap_or(u32::MAX))
    }
}

/// CPU seconds that this process, its children that ended, and podman's service have used so far.
fn cpu_of_all() -> f64 {
    let mut ticks = 0.0;
    let this = std::process::id().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return 0.0;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_service = || {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let text = String::from_utf8_lossy(&line).replace('\0', " ");
            text.contains("podman") && text.contains("system service")
        };
        if name != this && !(name.bytes().all(|byte| byte.is_ascii_digit()) && is_service()) {
            continue;
        }
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the name in brackets: state is field 3; utime, stime, cutime and cstime are 14 to 17.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|field| field.parse().ok())
            .collect();
        ticks += fields.iter().sum::<f64>();
    }
    ticks / TICKS
}

/// The least that can be asked: one list, read to its end.
fn bare(path: &str) -> std::io::Result<usize> {
    let mut stream = UnixStream::connect(SOCKET)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: podman\r\n\r\n")?;
    let mut body = Vec::new();
    stream.read_to_end(&mut body)?;
    if body.starts_with(b"HTTP/1.0 200") || body.starts_with(b"HTTP/1.1 200") {
        Ok(body.len())
    } else {
        Err(std::io::Error::other(
            String::from_utf8_lossy(&body).into_owned(),
        ))
    }
}

fn podman_command(args: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("podman")
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(output.stdout)
}

fn ps_and_inspect() -> bool {
    podman_command(&PS).is_some_and(|stdout| {
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&stdout).unwrap_or_default();
        let mut args = vec!["container", "inspect"];
        args.extend(rows.iter().filter_map(|row| row["Id"].as_str()));
        args.len() == CONTAINERS + 2 && podman_command(&args).is_some()
    })
}
