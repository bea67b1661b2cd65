//! The player in a lab: this very program, started there with a plan.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::case::{Case, FIXTURE, Need};
use super::outside::{Machine, Outside};
use super::player::{Play, PlayError, Progress, looks};
use super::podman::{Podman, words};
use super::protocol::{Line, Plan};
use super::tidy::tidying;
use super::transcript::{Outcome, Transcript};

/// The fixture image as it was at the beginning.
const ARCHIVE: &str = "/var/tmp/fixture.tar";
/// Where `podman login` keeps what it was given.
const LOGINS: &str = "/run/containers/0/auth.json";
/// On cgroup v1 systemd leaves folders for controllers that it could not mount, because another machine, the host, has
/// them elsewhere. podman believes in them and warns at each start of a container; nodes have no such folders.
const ONLY_REAL_CONTROLLERS: &str = r#"
cd /sys/fs/cgroup
[ ! -e cgroup.controllers ] || exit 0
mount -o remount,rw /sys/fs/cgroup
for folder in *; do [ -h "$folder" ] || mountpoint -q "$folder" || rmdir "$folder"; done
for link in *; do [ ! -h "$link" ] || [ -e "$link" ] || rm "$link"; done
mount -o remount,ro /sys/fs/cgroup
"#;
/// How often it is tried to remove what a case left: podman 5.4 needs two times for a container that lost all processes.
const TRIES: usize = 3;
/// The real registry.
const APP: &str = "localhost:5000/app:1";

/// Plays a plan to its end, or to a reboot; returns the exit code.
pub(crate) fn main(plan: PathBuf) -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(play(&plan)),
        Err(error) => Err(PlayError::Wait(error)),
    };
    let last = result.unwrap_or_else(|error| Line::Failed(crate::chain(&error)));
    match say(&last) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("player: {}", crate::chain(&error));
            1
        }
    }
}

fn say(line: &Line) -> Result<(), PlayError> {
    let mut text = serde_json::to_string(line).map_err(|error| PlayError::Wait(error.into()))?;
    text.push('\n');
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(PlayError::Wait)
}

async fn play(path: &Path) -> Result<Line, PlayError> {
    let plan = Plan::read(path).map_err(super::player::io(format!("read `{}`", path.display())))?;
    let podman = Podman::new("podman", plan.limit);
    let shell = Podman::new("/bin/sh", plan.limit);
    must(&shell, &["-ec", ONLY_REAL_CONTROLLERS]).await?;
    say(&Line::Version(podman.version().await?))?;
    if !Path::new(ARCHIVE).exists() {
        must(&podman, &["save", "--quiet", "--output", ARCHIVE, FIXTURE]).await?;
    }
    if plan.untidy
        && let Err(why) = tidy(&podman, None).await?
    {
        return Ok(Line::Spoiled(why));
    }
    let mut resume = plan.resume;
    for case in &plan.cases {
        let needs_registry = case.needs.contains(&Need::Registry);
        if needs_registry {
            start_registry(&podman).await?;
        }
        let play = match resume.take() {
            Some(resume) => Play::resume(&podman, resume).await?,
            None => Play::begin(&podman, Outside::Machine(Machine::default()))?,
        };
        let transcript = match play.play(case).await? {
            Progress::Done(transcript) => transcript,
            Progress::Reboot(resume) => return Ok(Line::Reboot(Box::new(resume))),
        };
        let tidied = tidy(&podman, Some((case, &transcript))).await?;
        say(&Line::Played(Box::new(transcript)))?;
        if let Err(why) = tidied {
            return Ok(Line::Spoiled(why));
        }
    }
    Ok(Line::Done)
}

/// Removes all that a case has made; looks for itself where it is not told what there is. The inner error is the command
/// that failed at last, and what it said.
async fn tidy(
    podman: &Podman,
    played: Option<(&Case, &Transcript)>,
) -> Result<Result<(), String>, PlayError> {
    if Path::new(LOGINS).exists() {
        std::fs::remove_file(LOGINS).map_err(super::player::io(format!("remove `{LOGINS}`")))?;
    }
    let mut known = None;
    if let Some((case, transcript)) = played {
        if case.steps.iter().any(kills_clients) {
            remove_half_made(podman).await?;
        }
        known = Some(transcript.after.clone());
    }
    let mut why = String::new();
    for _ in 0..TRIES {
        let looks = match known.take() {
            Some(looks) => looks,
            None => {
                Outside::Machine(Machine::default()).settle().await;
                remove_half_made(podman).await?;
                looks(podman, "1s").await?
            }
        };
        let tidying = tidying(&looks);
        let load = tidying
            .load
            .then(|| words(&["load", "--quiet", "--input", ARCHIVE]));
        let commands: Vec<Vec<String>> = tidying.commands.into_iter().chain(load).collect();
        if commands.is_empty() {
            return Ok(Ok(()));
        }
        let mut failed = None;
        for argv in commands {
            let Outcome { code, stderr, .. } = podman.run(&argv).await?;
            if code != 0 {
                failed = Some(format!("podman {}: {}", argv.join(" "), stderr.trim()));
            }
        }
        match failed {
            None => return Ok(Ok(())),
            Some(failed) => why = failed,
        }
    }
    Ok(Err(why))
}

/// Whether a client may have been killed in the middle of making something.
fn kills_clients(step: &super::case::Step) -> bool {
    use super::case::Step;
    match step {
        Step::KillClient(..) | Step::Spawn(..) | Step::Reboot => true,
        Step::Podman(_)
        | Step::Join(_)
        | Step::Until(..)
        | Step::UntilRestarted(..)
        | Step::UntilHealthy(..)
        | Step::KillProcess(_)
        | Step::KillMonitor(_)
        | Step::Registry(_)
        | Step::TakePort(_)
        | Step::File(..) => false,
    }
}

/// Removes containers that storage knows and podman does not, which keep their names.
async fn remove_half_made(podman: &Podman) -> Result<(), PlayError> {
    let argv = ["ps", "--all", "--external", "--format", "json"];
    let Some(listed) = podman.ask(&argv).await? else {
        return Ok(());
    };
    let rows: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap_or_default();
    for row in rows {
        if row["State"].as_str() == Some("storage")
            && let Some(id) = row["Id"].as_str()
        {
            podman.run(&words(&["rm", "--force", id])).await?;
        }
    }
    Ok(())
}

/// Starts the real registry, once a boot, and fills it, once a lab.
async fn start_registry(podman: &Podman) -> Result<(), PlayError> {
    if std::net::TcpStream::connect(("localhost", 5000)).is_ok() {
        return Ok(());
    }
    let systemd_run = Podman::new("systemd-run", podman.limit);
    let argv = [
        "--quiet",
        "--unit=registry",
        "/usr/local/bin/registry",
        "serve",
        "/etc/registry.yml",
    ];
    must(&systemd_run, &argv).await?;
    // podman tries again until it listens. Under another name only there: here the image keeps the one that it has.
    must(podman, &["push", "--quiet", FIXTURE, APP]).await
}

/// Runs a command that has to succeed.
async fn must(podman: &Podman, argv: &[&str]) -> Result<(), PlayError> {
    let outcome = podman.run(&words(argv)).await?;
    if outcome.code == 0 {
        return Ok(());
    }
    Err(PlayError::Failed {
        command: format!("{} {}", podman.program.display(), argv.join(" ")),
        code: outcome.code,
        stderr: outcome.stderr,
    })
}
