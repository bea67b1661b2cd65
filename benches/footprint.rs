//! What the daemon costs a node with 50 containers: memory, CPU while nothing happens, and the time to its first answer;
//! beside them what one `podman ps` costs there.
//!
//! `cargo bench --bench footprint` starts a lab for it. The aims: at most 20 MiB resident, 0.1 % of a core while nothing
//! happens, and 50 ms from the start of the process to the first answer over RPC. CPU is counted over one interval of
//! the health monitor, so that one whole look is in it.

mod in_lab;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use in_lab::{Node, load, met, ms, rank, run};

/// The default, and the interval of the monitor.
const IDLE: Duration = Duration::from_secs(120);
/// After the last install; podman and the daemon come to rest.
const REST: Duration = Duration::from_secs(10);
const STARTS: usize = 15;
const LIMIT: Duration = Duration::from_secs(20);
const ADDRESS: &str = "127.0.0.1:5678";
const UNIT: &str = "archipelago.service";
const RSS_MIB: f64 = 20.0;
const IDLE_PER_CENT: f64 = 0.1;
const ANSWER_MS: f64 = 50.0;
/// Clock ticks of `/proc/PID/stat` in a second, on every Linux that this runs on.
const TICKS: f64 = 100.0;

fn main() -> ExitCode {
    let node = Node {
        name: "footprint",
        config: "[install]\nstay_up_secs = 1\n",
        packages: 10,
    };
    in_lab::main(&node, measure)
}

fn measure() -> Result<(), String> {
    std::thread::sleep(REST);
    let containers = run("podman", &["ps", "--quiet"])?.lines().count();
    let pid = run(
        "systemctl",
        &["show", "--property=MainPID", "--value", UNIT],
    )?;
    println!("{containers} containers run; load {}", load());
    let before = Cpu::of(&pid)?;
    std::thread::sleep(IDLE);
    let after = Cpu::of(&pid)?;
    let idle = |ticks: f64| ticks / TICKS / IDLE.as_secs_f64() * 100.0;
    let own = idle(after.own - before.own);
    let with_children = idle(after.with_children() - before.with_children());
    let memory = |key: &str| mib(&pid, key);
    let rss = memory("VmRSS")?;
    println!(
        "daemon, resident          {rss:8.1} MiB   aim {RSS_MIB:5.1}   {}",
        met(rss <= RSS_MIB)
    );
    println!("  of that anonymous       {:8.1} MiB", memory("RssAnon")?);
    println!("  of that the program     {:8.1} MiB", memory("RssFile")?);
    println!("  at most so far          {:8.1} MiB", memory("VmHWM")?);
    println!(
        "daemon, idle, of a core   {own:8.3} %     aim {IDLE_PER_CENT:5.1}   {}",
        met(own <= IDLE_PER_CENT)
    );
    println!("  and its children        {with_children:8.3} %");
    run("systemctl", &["stop", UNIT])?;
    let starts = first_answers();
    run("systemctl", &["start", UNIT])?;
    let (answers, commands) = starts?;
    let times: Vec<Duration> = commands.iter().map(|(time, _)| *time).collect();
    let answer = rank(&answers, 0.5);
    println!(
        "first answer              {:8.1} ms    aim {ANSWER_MS:5.1}   {}   p95 {:.1}   of {}",
        ms(answer),
        met(ms(answer) <= ANSWER_MS),
        ms(rank(&answers, 0.95)),
        answers.len(),
    );
    let peak = commands.iter().map(|(_, peak)| *peak).fold(0.0, f64::max);
    println!(
        "podman ps, time           {:8.1} ms    p95 {:.1}",
        ms(rank(&times, 0.5)),
        ms(rank(&times, 0.95))
    );
    println!("podman ps, resident       {peak:8.1} MiB");
    println!("daemon / podman ps, resident     {:.2}", rss / peak);
    println!(
        "first answer / podman ps, time   {:.2}; load {}",
        ms(answer) / ms(rank(&times, 0.5)),
        load()
    );
    Ok(())
}

/// Starts of the process to its first answer, by turns with `podman ps`: its time, and its memory at most.
#[expect(clippy::type_complexity, reason = "two samples of one loop")]
fn first_answers() -> Result<(Vec<Duration>, Vec<(Duration, f64)>), String> {
    let token = std::fs::read_to_string("/var/lib/archipelago/secrets/rpc-token")
        .map_err(|error| format!("no token: {error}"))?;
    let (mut answers, mut commands) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut daemon = Command::new("/usr/local/bin/archipelago")
            .arg("serve")
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("archipelago does not start: {error}"))?;
        let answered = answered(token.trim(), begun);
        let pid = daemon.id().to_string();
        // Its first look ends before it does.
        let ended = run("kill", &["-TERM", &pid]).and_then(|_| ended(&mut daemon));
        answers.push(answered?);
        ended?;
        commands.push(podman_ps()?);
    }
    Ok((answers, commands))
}

fn answered(token: &str, begun: Instant) -> Result<Duration, String> {
    loop {
        let last = match ask(token) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") && answer.contains("\"result\"") => {
                return Ok(begun.elapsed());
            }
            Ok(answer) => answer,
            Err(error) => error.to_string(),
        };
        if begun.elapsed() > LIMIT {
            return Err(format!("archipelago does not answer; last seen: {last}"));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn ask(token: &str) -> std::io::Result<String> {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"system.health","params":{}}"#;
    let mut stream = TcpStream::connect(ADDRESS)?;
    write!(
        stream,
        "POST /rpc/v1 HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn ended(child: &mut Child) -> Result<(), String> {
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("archipelago ended with {status}"))
    }
}

/// One `podman ps`: its time, and the most memory it was seen with, in MiB.
fn podman_ps() -> Result<(Duration, f64), String> {
    let begun = Instant::now();
    let mut child = Command::new("podman")
        .args(["ps", "--all", "--format=json"])
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("podman does not start: {error}"))?;
    let pid = child.id().to_string();
    let mut peak = 0.0_f64;
    loop {
        if let Ok(seen) = mib(&pid, "VmHWM") {
            peak = peak.max(seen);
        }
        if child
            .try_wait()
            .map_err(|error| error.to_string())?
            .is_some()
        {
            return Ok((begun.elapsed(), peak));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A value of `/proc/PID/status`, in MiB.
fn mib(pid: &str, key: &str) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .map(|kib| kib / 1024.0)
        .ok_or_else(|| format!("{path} says no {key}"))
}

/// Clock ticks that a process has used.
struct Cpu {
    own: f64,
    /// By its children that ended.
    children: f64,
}

impl Cpu {
    fn of(pid: &str) -> Result<Self, String> {
        let path = format!("/proc/{pid}/stat");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // After the name in brackets: state is field 3; utime, stime, cutime and cstime are 14 to 17.
        let fields: Vec<f64> = text
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|field| field.parse().ok())
            .collect();
        let [user, system, user_of_children, system_of_children] = fields[..] else {
            return Err(format!("{path} is not as expected: {text}"));
        };
        Ok(Self {
            own: user + system,
            children: user_of_children + system_of_children,
        })
    }

    fn with_children(&self) -> f64 {
        self.own + self.children
    }
}
