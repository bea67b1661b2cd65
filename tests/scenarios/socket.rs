//! The socket and the command line give the same values, on real podman: a program in a lab asks for them both ways.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use archipelago::container::podman::Podman;
use archipelago::container::runtime::{CommandExecutor, CommandOutput, ExecuteError, RealExecutor};
use archipelago::container::status::{ContainerState, ContainerStatus, Health};
use archipelago_lab::{Lab, LabError};
use async_trait::async_trait;
use tokio::time::{Instant, sleep};

/// The trial's name.
pub(crate) const NAME: &str = "lab::socket::gives_what_the_command_line_gives";
/// The argument that makes this program the one in the lab.
pub(crate) const PROBE: &str = "--probe-podman";

const PROGRAM: &str = "/usr/local/bin/probe";
const LABEL: &str = "io.archipelago.package";
const SOCKET: &str = "/run/podman/podman.sock";
const DEADLINE: Duration = Duration::from_secs(60);

/// The command line, for everything but what the socket is to answer.
struct NoLooks;

#[async_trait]
impl CommandExecutor for NoLooks {
    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError> {
        if args.first() == Some(&"version") {
            return RealExecutor.execute(program, args).await;
        }
        Err(ExecuteError::DidNotStart {
            program: format!("{program} {}", args.join(" ")),
            source: std::io::ErrorKind::PermissionDenied.into(),
        })
    }
}

/// In the lab: asks both ways until each container is in its state, then compares.
pub(crate) fn probe() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(compare()));
    match outcome {
        Ok(seen) => {
            println!("{seen}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn compare() -> Result<String, String> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        // New ones each time: nothing is remembered.
        let by_command = Podman::new(Arc::new(RealExecutor));
        let by_socket = Podman::new(Arc::new(NoLooks)).with_socket(SOCKET.as_ref());
        let list = async |podman: &Podman| {
            let list = podman.list(LABEL).await;
            list.map_err(|error| format!("{error}: {error:?}"))
        };
        let one = list(&by_command).await?;
        let other = list(&by_socket).await?;
        if one == other && is_settled(&one) {
            // What did not change is not asked for again, and is the same.
            let again = list(&by_socket).await?;
            return if again == one {
                Ok(format!("{} containers, equal", one.len()))
            } else {
                Err(format!("remembered: {again:#?}\nanew: {one:#?}"))
            };
        }
        if Instant::now() > deadline {
            return Err(format!(
                "not equal, or not settled, within {DEADLINE:?}\ncommand line: {one:#?}\nsocket: {other:#?}"
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn is_settled(found: &[ContainerStatus]) -> bool {
    let state_of = |name: &str| {
        let container = found.iter().find(|container| container.name == name)?;
        Some((&container.state, container.exit_code, container.health))
    };
    use ContainerState::{Created, Exited, Paused, Running};
    [
        ("running", (&Running, 0, None)),
        ("healthy", (&Running, 0, Some(Health::Healthy))),
        ("unhealthy", (&Running, 0, Some(Health::Unhealthy))),
        ("paused", (&Paused, 0, None)),
        ("created", (&Created, 0, None)),
        ("exited", (&Exited, 3, None)),
        ("hog", (&Exited, 137, None)),
    ]
    .into_iter()
    .all(|(name, state)| state_of(name) == Some(state))
}

/// Starts a lab, makes containers in every state, and lets the probe compare.
pub(crate) fn run() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let said = |error: LabError| archipelago_lab::chain(&error);
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let lab = Lab::builder()
            .name("socket")
            .program(this, PROGRAM)
            .start()
            .await
            .map_err(said)?;
        let outcome = async {
            let image = archipelago_lab::image::FIXTURE_IMAGE;
            let check = [
                "--health-cmd",
                r#"["/fixture","check"]"#,
                "--health-interval",
                "1s",
                "--health-retries",
                "1",
            ];
            let serve = &["serve", "8080"][..];
            for (name, options, command) in [
                ("running", &[][..], serve),
                ("healthy", &check, serve),
                ("unhealthy", &check, serve),
                ("paused", &[], serve),
                ("exited", &[], &["exit", "3"]),
                ("hog", &["--memory", "64m"], &["oom"]),
            ] {
                let label = format!("{LABEL}={name}");
                let mut argv = vec![
                    "podman", "run", "--detach", "--name", name, "--label", &label,
                ];
                argv.extend(options);
                argv.push(image);
                argv.extend(command);
                lab.succeed(&argv).await.map_err(said)?;
            }
            let label = format!("--label={LABEL}=created");
            lab.succeed(&[
                "podman", "create", "--name", "created", &label, image, "serve", "1",
            ])
            .await
            .map_err(said)?;
            lab.succeed(&["podman", "pause", "paused"])
                .await
                .map_err(said)?;
            lab.succeed(&[
                "podman",
                "exec",
                "unhealthy",
                "/fixture",
                "poke",
                "unhealthy",
            ])
            .await
            .map_err(said)?;
            lab.succeed(&[PROGRAM, PROBE]).await.map_err(said).map(drop)
        }
        .await;
        let stopped = lab.stop().await.map_err(said);
        outcome.and(stopped)
    })
}
