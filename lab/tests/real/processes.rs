//! Looking at processes through `/proc`, and waiting for conditions.

use std::time::{Duration, Instant};

use anyhow::bail;
use archipelago_lab::session::owner::Owner;
use rustix::process::{Pid, Signal};

/// How long anything may take that should happen soon; generous, the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// Looks until it is so. `look` says what it saw instead.
pub(crate) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + SOON;
    loop {
        match look().await {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() > deadline => {
                bail!(
                    "awaited for {} s: {what}; last seen: {seen}",
                    SOON.as_secs()
                )
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Processes whose file in `/proc` (`environ` or `cmdline`) holds a text. Not this one, and no zombies: they hold nothing.
pub(crate) fn with(file: &str, text: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| {
                bytes
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
            })
        })
        .collect()
}

/// Processes whose command line begins so, arguments separated by NUL.
pub(crate) fn with_command(beginning: &str) -> Vec<u32> {
    with("cmdline", beginning)
        .into_iter()
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.starts_with(beginning.as_bytes()))
        })
        .collect()
}

/// Pid and command line, for messages.
pub(crate) fn describe(pids: &[u32]) -> String {
    let lines: Vec<String> = pids
        .iter()
        .map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!(
                "{pid} {}",
                String::from_utf8_lossy(&line).replace('\0', " ")
            )
        })
        .collect();
    lines.join("; ")
}

/// Waits for the end of a process that is no child of ours.
pub(crate) async fn until_ended(who: &str, process: &Owner) -> anyhow::Result<()> {
    until(&format!("the end of {who}"), async || {
        if process.is_alive() {
            Err(describe(&[process.pid]))
        } else {
            Ok(())
        }
    })
    .await
}

/// Sends a signal to a process that a test has started.
pub(crate) fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else {
        bail!("{pid} is no pid")
    };
    Ok(rustix::process::kill_process(pid, signal)?)
}
