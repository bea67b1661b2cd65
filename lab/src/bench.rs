//! How long a lab takes, against the least it could take: `podman run` of the same image by hand.
//!
//! Both are measured in turn in one run, so that a machine that gets slower does so for both; what counts is the ratio.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::{self, service};
use crate::image::Base;
use crate::lab::{Lab, LabBuilder, LabError};
use crate::session::owner::{LABEL_LAB, LABEL_OWNER, LABEL_SESSION};
use crate::session::{Session, keeper};

/// A benchmark failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The comparison, which needs podman's command line.
    #[error("`{command}` {what}")]
    Bare {
        /// The command line.
        command: String,
        /// How it ended.
        what: String,
    },
    /// The service in the lab did not answer.
    #[error("`{url}` did not answer with 200 within {} s; last seen: {last}", .deadline.as_secs())]
    NoAnswer {
        /// Where.
        url: String,
        /// How long.
        deadline: Duration,
        /// What was seen last.
        last: String,
    },
}

/// Smallest, middle and largest of several times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The middle; of an even number of times the mean of the two in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one value; of none, not numbers.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self {
            min: at(0),
            median: if sorted.len() % 2 == 1 {
                at(middle)
            } else {
                f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
            },
            max: at(sorted.len().wrapping_sub(1)),
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// The image of both.
    pub image: String,
    /// How often each was done.
    pub runs: usize,
    /// `Lab::start` until the service answers, or until the lab is ready where none was asked for.
    pub lab_ms: Spread,
    /// Of that, until the lab is ready.
    pub ready_ms: Spread,
    /// `podman run` of the image until its last unit before systemd's target has been started.
    pub bare_ms: Spread,
    /// Removing the lab.
    pub stop_ms: Spread,
    /// Lab to bare, pair by pair.
    pub ratio: Spread,
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The base.
    pub base: Base,
    /// How often.
    pub runs: usize,
    /// The lab, with programs and files.
    pub lab: LabBuilder,
    /// Port and path of the service that must answer 200.
    pub answers: Option<(u16, String)>,
}

/// Measures; `progress` is told the number of each pair as it begins. One pair more than asked for is run and not counted.
pub async fn run(
    session: &Session,
    plan: &Plan,
    mut progress: impl FnMut(usize),
) -> Result<Report, BenchError> {
    let docker = engine::connect(&session.endpoint).map_err(LabError::from)?;
    let image = crate::image::build::built(&docker, crate::image::Flavour::Lab, &plan.base)
        .await
        .map_err(LabError::from)?;
    let mut lab_ms = Vec::new();
    let mut ready_ms = Vec::new();
    let mut bare_ms = Vec::new();
    let mut stop_ms = Vec::new();
    for pair in 0..=plan.runs {
        progress(pair);
        let begun = Instant::now();
        let lab = plan.lab.clone().base(plan.base.clone()).start().await?;
        let ready = millis(begun);
        if let Some((port, path)) = &plan.answers {
            answers(&lab, *port, path).await?;
        }
        let answered = millis(begun);
        let stopping = Instant::now();
        lab.stop().await?;
        let stopped = millis(stopping);
        let bare = bare(session, &docker, &image).await?;
        if pair > 0 {
            lab_ms.push(answered);
            ready_ms.push(ready);
            stop_ms.push(stopped);
            bare_ms.push(bare);
        }
    }
    let ratios: Vec<f64> = lab_ms
        .iter()
        .zip(&bare_ms)
        .map(|(lab, bare)| lab / bare)
        .collect();
    Ok(Report {
        image,
        runs: plan.runs,
        lab_ms: Spread::of(&lab_ms),
        ready_ms: Spread::of(&ready_ms),
        bare_ms: Spread::of(&bare_ms),
        stop_ms: Spread::of(&stop_ms),
        ratio: Spread::of(&ratios),
    })
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Asks until it answers 200.
async fn answers(lab: &Lab, port: u16, path: &str) -> Result<(), BenchError> {
    let deadline = Duration::from_secs(20);
    let address = lab.published_port(port).await?;
    let begun = Instant::now();
    loop {
        let last = match ask(address, path).await {
            Ok(head) if head.starts_with("HTTP/1.1 200") => return Ok(()),
            Ok(head) => head,
            Err(error) => error.to_string(),
        };
        if begun.elapsed() > deadline {
            return Err(BenchError::NoAnswer {
                url: format!("http://{address}{path}"),
                deadline,
                last,
            });
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn ask(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 64];
    let count = stream.read(&mut head).await?;
    Ok(String::from_utf8_lossy(&head[..count]).into_owned())
}

/// The same image by podman's own command line; milliseconds until its last unit.
async fn bare(session: &Session, docker: &bollard::Docker, image: &str) -> Result<f64, BenchError> {
    let owner = format!("{LABEL_OWNER}={}", session.owner);
    let lab = format!("{LABEL_LAB}=bare");
    let here = format!("{LABEL_SESSION}={}", session.label());
    let mut command = service::podman_beside(session);
    command.args(["run", "--detach", "--privileged", "--cgroupns", "private"]);
    command.args([
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/tmp",
        "--publish",
        "127.0.0.1::5678",
    ]);
    command.args(["--label", &owner, "--label", &lab, "--label", &here, image]);
    let shown = format!("{:?}", command.as_std());
    let failed = |what: String| BenchError::Bare {
        command: shown.clone(),
        what,
    };
    let begun = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(format!("did not start: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!(
            "ended with {}: {}",
            output.status,
            said.trim_end()
        )));
    }
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let ready = Lab::until_container_is_ready(docker, &id).await;
    let took = millis(begun);
    keeper::remove(docker, &id)
        .await
        .map_err(|error| failed(format!("its container cannot be removed: {error}")))?;
    ready?;
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        let odd = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.min, odd.median, odd.max), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of(&[7.0]).median, 7.0);
        assert!(Spread::of(&[]).median.is_nan());
    }
}
