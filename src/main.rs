//! The `archipelago` command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use archipelago::client::ClientError;
use archipelago::clock::SystemClock;
use archipelago::config::{self, Config, ConfigError};
use archipelago::container::runtime::RealExecutor;
use archipelago::daemon::{Daemon, StartError};
use archipelago::host::RealHost;
use clap::{Parser, Subcommand};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Anything that has no code of its own.
const EXIT_FAILURE: u8 = 1;
/// The command line is wrong (clap's own code).
const EXIT_USAGE: u8 = 2;
/// An RPC call was answered with an error.
const EXIT_CALL_FAILED: u8 = 3;
/// The service cannot be reached, or refused the token.
const EXIT_UNREACHABLE: u8 = 4;
/// The configuration is bad (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;
/// Another daemon runs on the same state folder (`EX_TEMPFAIL` of sysexits.h).
const EXIT_ALREADY_RUNNING: u8 = 75;

/// Installs, starts, watches, heals, stops and removes packages of podman containers.
///
/// Exit codes: 0 success; 1 failure; 2 wrong command line; 3 an RPC call was answered with an error; 4 the service
/// cannot be reached or refused the token; 75 another daemon runs on the state folder; 78 bad configuration.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, env = "ARCHIPELAGO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon. SIGTERM and SIGINT end it and leave containers running; SIGUSR1 makes it look at once.
    Serve,
    /// Call a method of the running daemon and print its result as JSON.
    Rpc {
        /// As `package.list`.
        method: String,
        /// Parameters: a JSON object.
        #[arg(default_value = "{}")]
        params: String,
        /// The token; read from `secrets/rpc-token` of the state folder where absent.
        #[arg(long, env = "ARCHIPELAGO_TOKEN", hide_env_values = true)]
        token: Option<String>,
    },
    /// Print the version.
    Version,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Version => {
            println!("archipelago {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Command::Serve => serve(cli.config),
        Command::Rpc {
            method,
            params,
            token,
        } => rpc(cli.config, &method, &params, token),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() {
        EXIT_CONFIG
    } else if let Some(StartError::AlreadyRunning(_)) = error.downcast_ref() {
        EXIT_ALREADY_RUNNING
    } else if let Some(error) = error.downcast_ref() {
        match error {
            ClientError::Failed { .. } => EXIT_CALL_FAILED,
            ClientError::Unreachable { .. }
            | ClientError::Broken { .. }
            | ClientError::Refused { .. } => EXIT_UNREACHABLE,
            ClientError::BadRequest { .. } | ClientError::Unreadable { .. } => EXIT_FAILURE,
        }
    } else if error.is::<serde_json::Error>() {
        EXIT_USAGE
    } else {
        EXIT_FAILURE
    }
}

fn serve(file: Option<PathBuf>) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let config = config::load(file)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(run(config))
}

async fn run(config: Config) -> anyhow::Result<()> {
    // Before anything else: a signal during the start must not be lost, and SIGUSR1 would end the process.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut look_now = signal(SignalKind::user_defined1()).context("cannot listen for SIGUSR1")?;
    let listen = config.listen;
    let daemon = Daemon::open(
        config,
        Arc::new(RealExecutor),
        Arc::new(SystemClock),
        Arc::new(RealHost),
    )?;
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            daemon.shutdown().await;
            return Err(error)
                .with_context(|| format!("cannot listen on {listen}; set another `listen`"));
        }
    };
    daemon.begin();
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "cannot tell systemd that the service is ready");
    }
    tracing::info!(%listen, past = ?daemon.past(), "ready");
    let until_told = async {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = look_now.recv() => daemon.look_now(),
            }
        }
        tracing::info!("ending; containers go on running");
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
            tracing::warn!(%error, "cannot tell systemd that the service ends");
        }
        daemon.shutdown().await;
    };
    // The server ends with the daemon.
    tokio::join!(daemon.serve(listener), until_told);
    Ok(())
}

fn rpc(
    file: Option<PathBuf>,
    method: &str,
    params: &str,
    token: Option<String>,
) -> anyhow::Result<()> {
    let config = config::load(file)?;
    let params: Value = serde_json::from_str(params).context("the parameters are no JSON")?;
    let token = match token {
        Some(token) => token,
        None => {
            let path = config
                .state_dir
                .join("secrets")
                .join(archipelago::api::TOKEN_FILE);
            std::fs::read_to_string(&path).with_context(|| {
                format!(
                    "cannot read the token `{}`; run this as the daemon's user, or give --token",
                    path.display()
                )
            })?
        }
    };
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        // The daemon listens everywhere; it is called where it certainly is.
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(archipelago::client::call(
            address,
            token.trim(),
            method,
            &params,
        ));
    match result {
        Ok(result) => {
            println!("{result:#}");
            Ok(())
        }
        Err(error) => {
            if let ClientError::Failed { error } = &error {
                // All of it, for scripts; the message alone goes to standard error.
                println!("{error:#}");
            }
            Err(error.into())
        }
    }
}
