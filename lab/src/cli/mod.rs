//! The `lab` command: one subcommand a type, the exit codes in one place.

mod bench;
mod conformance;
mod doctor;
mod exit_code;
mod image;
mod labs;
mod node;
mod progress;

use std::process::ExitCode;

use archipelago_lab::Session;
use clap::{Parser, Subcommand};

/// A disposable real podman: one privileged container with systemd as PID 1 that looks like a node.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = exit_code::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a lab and keep it until `lab down`
    Up(labs::Up),
    /// List the labs
    Ls(labs::Ls),
    /// A shell in a lab
    Shell(labs::Which),
    /// Run a command in a lab; its exit code is ours
    Exec(labs::Exec),
    /// Run the podman in a lab; its exit code is ours
    Podman(labs::Podman),
    /// The journal of a lab
    Logs(labs::Logs),
    /// Cut the power of a lab and boot it again
    PowerLoss(labs::Which),
    /// Remove a lab, or all
    Down(labs::Down),
    /// Start a stand-in for a node, reached by ssh, and keep it until `lab node-down`; prints the variables that name it
    NodeUp(node::NodeUp),
    /// Print the variables that name a stand-in that is up
    NodeEnv(node::NodeEnv),
    /// Remove a stand-in for a node
    NodeDown(node::NodeDown),
    /// Judge this host: one line a check, each failure with the command that mends it
    Doctor(doctor::Doctor),
    /// Measure how long a lab takes, against `podman run` of the same image
    Bench(bench::Bench),
    /// Play command lines on real podman and keep what it answered
    Conformance(conformance::Conformance),
    /// Build or name the lab image
    Image(image::Image),
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lab: {error:#}");
            exit_code::of(&error)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Up(up) => entered(async move |session| up.run(&session).await),
        Command::Ls(ls) => entered(async move |session| ls.run(&session).await),
        Command::Shell(which) => entered(async move |session| which.shell(&session).await),
        Command::Exec(exec) => entered(async move |session| exec.run(&session).await),
        Command::Podman(podman) => entered(async move |session| podman.run(&session).await),
        Command::Logs(logs) => entered(async move |session| logs.run(&session).await),
        Command::PowerLoss(which) => entered(async move |session| which.power_loss(&session).await),
        Command::Down(down) => entered(async move |session| down.run(&session).await),
        Command::NodeUp(up) => entered(async move |session| up.run(&session).await),
        Command::NodeEnv(env) => entered(async move |session| env.run(&session).await),
        Command::NodeDown(down) => entered(async move |session| down.run(&session).await),
        Command::Bench(bench) => entered(async move |session| bench.run(&session).await),
        Command::Conformance(conformance) if conformance.emit()? => Ok(ExitCode::SUCCESS),
        Command::Conformance(conformance) => {
            entered(async move |session| conformance.run(&session).await)
        }
        Command::Doctor(doctor) => doctor.run(),
        Command::Image(image) => image.run(),
    }
}

/// Joins the session and runs a command in a runtime until it ends or Ctrl-C comes; what it has started is removed then.
fn entered(
    command: impl AsyncFnOnce(Session) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let session = archipelago_lab::enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            done = command(session) => done,
            _ = tokio::signal::ctrl_c() => {
                eprintln!("lab: interrupted");
                Ok(ExitCode::from(exit_code::INTERRUPTED))
            }
            _ = terminate.recv() => Ok(ExitCode::from(exit_code::TERMINATED)),
        }
    })
}
