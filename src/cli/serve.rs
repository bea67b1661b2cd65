//! `archipelago serve`: the daemon as a process. Signals, systemd, the listener.

mod mock;

use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::connection::callable;
use super::{CliError, output};
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::container::runtime::{CommandExecutor, RealExecutor};
use crate::daemon::Daemon;
use crate::host::{Host, RealHost};
use crate::watchdog::{self, Watched};

/// Threads that run tasks; a second one answers while the first computes.
const WORKERS: usize = 2;

/// What a daemon runs on.
struct Ground {
    config: Config,
    executor: Arc<dyn CommandExecutor>,
    host: Arc<dyn Host>,
    /// State that goes with the daemon.
    folder: Option<tempfile::TempDir>,
}

/// Runs the daemon on this machine's podman until SIGTERM or SIGINT.
pub(super) fn on_podman(file: Option<PathBuf>) -> Result<(), CliError> {
    log();
    let ground = Ground {
        config: config::load(file)?,
        executor: Arc::new(RealExecutor),
        host: Arc::new(RealHost),
        folder: None,
    };
    block_on(ground, |_, _, _| Ok(()))
}

/// Runs the daemon on a podman in memory until SIGTERM or SIGINT.
pub(super) fn on_mock(file: Option<PathBuf>, pull_ms: u64) -> Result<(), CliError> {
    log();
    block_on(mock::ground(file, pull_ms)?, |address, token, folder| {
        output::text(&mock::welcome(address, token, folder))
    })
}

/// What is told once the daemon answers: where, by what token, and the folder that goes with it.
type Told = fn(SocketAddr, &str, Option<&Path>) -> Result<(), CliError>;

fn block_on(ground: Ground, tell: Told) -> Result<(), CliError> {
    tokio::runtime::Builder::new_multi_thread()
        // It mostly waits for podman: on a large machine a thread a core would be memory for nothing.
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|source| CliError::System {
            doing: "start the runtime",
            source,
        })?
        .block_on(run(ground, tell))
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

async fn run(ground: Ground, tell: Told) -> Result<(), CliError> {
    // Before anything else: a signal during the start must not be lost, and SIGUSR1 would end the process.
    let mut terminate = listen_for(SignalKind::terminate(), "listen for SIGTERM")?;
    let mut interrupt = listen_for(SignalKind::interrupt(), "listen for SIGINT")?;
    let mut look_now = listen_for(SignalKind::user_defined1(), "listen for SIGUSR1")?;
    let Ground {
        config,
        executor,
        host,
        folder,
    } = ground;
    let listen = config.listen;
    let daemon = Daemon::open(config, executor, Arc::new(SystemClock), host)?;
    let (listener, address) = match bind(listen).await {
        Ok(bound) => bound,
        Err(error) => {
            daemon.shutdown().await;
            return Err(error);
        }
    };
    daemon.begin();
    tell_systemd(sd_notify::NotifyState::Ready);
    tracing::info!(listen = %address, past = ?daemon.past(), "ready");
    let folder = folder.as_ref().map(tempfile::TempDir::path);
    tell(address, daemon.token(), folder)?;
    let until_told = async {
        let keep_alive = keep_alive(daemon.watched(callable(address)));
        tokio::pin!(keep_alive);
        loop {
            tokio::select! {
                () = &mut keep_alive => {}
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = look_now.recv() => daemon.look_now(),
            }
        }
        tracing::info!("ending; containers go on running");
        tell_systemd(sd_notify::NotifyState::Stopping);
        daemon.shutdown().await;
    };
    // The server ends with the daemon.
    tokio::join!(daemon.serve(listener), until_told);
    Ok(())
}

fn listen_for(kind: SignalKind, doing: &'static str) -> Result<Signal, CliError> {
    signal(kind).map_err(|source| CliError::System { doing, source })
}

/// The listener, and the address that it has: a port of 0 is whichever is free.
async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), CliError> {
    let fail = |source| CliError::Listen {
        address: listen,
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok((listener, address))
}

/// Tells systemd, where it is systemd that wants to know.
fn tell_systemd(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell systemd how the service is");
    }
}

/// Keeps systemd's watchdog quiet as long as the daemon is well. Never ends.
async fn keep_alive(watched: Watched) {
    match sd_notify::watchdog_enabled() {
        Some(limit) => {
            let tell = || tell_systemd(sd_notify::NotifyState::Watchdog);
            watchdog::keep_alive(limit, async || watched.check().await, tell).await;
        }
        None => pending().await,
    }
}
