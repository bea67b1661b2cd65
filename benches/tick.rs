//! What a look of the monitor costs, against the bare list call through the same socket and against podman's commands.
//!
//! `cargo bench --bench tick -- SOCKET` (or `ARCHIPELAGO_BENCH_SOCKET`) asks the podman that listens there, as root
//! `/run/podman/podman.sock`; its command line must lead to the same podman. The containers that are there are looked at
//! and not changed: make some first, labelled `io.archipelago.package`. All is paired in one run, one after the other by
//! turns, so that a machine that becomes slow meanwhile is slow for all.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use archipelago::container::podman::Podman;
use archipelago::container::runtime::RealExecutor;

const ROUNDS: usize = 30;
const LABEL: &str = "io.archipelago.package";
/// Clock ticks of `/proc/PID/stat` in a second, on every Linux that this runs on.
const TICKS: f64 = 100.0;

fn main() -> ExitCode {
    let socket = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .or_else(|| std::env::var("ARCHIPELAGO_BENCH_SOCKET").ok());
    let Some(socket) = socket.map(PathBuf::from) else {
        println!("skipped: `cargo bench --bench tick -- SOCKET` names podman's socket");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let podman = Podman::new(Arc::new(RealExecutor)).with_socket(&socket);
    let look = || {
        let list = runtime.block_on(podman.list(LABEL));
        list.map(|list| list.len())
            .map_err(|error| error.to_string())
    };
    let count = match look() {
        Ok(count) => count,
        Err(error) => {
            eprintln!("podman cannot be asked: {error}");
            return ExitCode::FAILURE;
        }
    };
    let path = format!(
        "/v4.0.0/libpod/containers/json?all=true&filters=%7B%22label%22%3A%5B%22{}%22%5D%7D",
        LABEL
    );
    let mut ticks = Sample::default();
    let mut lists = Sample::default();
    let mut commands = Sample::default();
    for _ in 0..ROUNDS {
        ticks.measure(|| look().is_ok());
        lists.measure(|| bare(&socket, &path).is_ok());
    }
    for _ in 0..ROUNDS / 6 {
        commands.measure(by_command);
    }
    println!("{count} containers with the label `{LABEL}`, {ROUNDS} rounds");
    for (name, sample) in [
        ("tick (list, and inspect of what changed)", &ticks),
        ("bare list over the same socket", &lists),
        ("podman ps + podman inspect", &commands),
    ] {
        println!(
            "{name:42} median {:8.2} ms   CPU {:8.2} ms",
            sample.median().as_secs_f64() * 1e3,
            sample.cpu() * 1e3
        );
    }
    println!(
        "tick / bare list: {:.2}x time",
        ticks.median().as_secs_f64() / lists.median().as_secs_f64()
    );
    println!(
        "tick / podman ps + inspect: {:.2} of the CPU",
        ticks.cpu() / commands.cpu()
    );
    ExitCode::SUCCESS
}

/// Times of one thing: how long each took, and the CPU time of the whole machine's podman processes and of this one.
#[derive(Default)]
struct Sample {
    times: Vec<Duration>,
    cpu: f64,
    failed: usize,
}

impl Sample {
    fn measure(&mut self, work: impl FnOnce() -> bool) {
        let cpu = cpu_of_all();
        let begun = Instant::now();
        let is_good = work();
        self.times.push(begun.elapsed());
        self.cpu += cpu_of_all() - cpu;
        self.failed += usize::from(!is_good);
        assert_eq!(self.failed, 0, "a call failed");
    }

    fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        times[times.len() / 2]
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
fn bare(socket: &std::path::Path, path: &str) -> std::io::Result<usize> {
    let mut stream = UnixStream::connect(socket)?;
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

fn by_command() -> bool {
    let podman = |args: &[&str]| {
        let output = Command::new("podman")
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        output.ok().filter(|output| output.status.success())
    };
    let filter = format!("--filter=label={LABEL}");
    podman(&["ps", "--all", "--format=json", &filter]).is_some_and(|output| {
        let rows: Vec<serde_json::Value> =
            serde_json::from_slice(&output.stdout).unwrap_or_default();
        let mut args = vec!["container", "inspect"];
        args.extend(rows.iter().filter_map(|row| row["Id"].as_str()));
        args.len() == 2 || podman(&args).is_some()
    })
}
