//! The server: connections, and the limits of each that axum's own server does not set.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::limits;

/// Pause after a connection could not be taken: mostly there are too many open files, and trying at once would not help.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);
/// How long answers under way may take after the end was asked for.
const ANSWERS_GRACE: Duration = Duration::from_secs(5);

/// Serves until `ending`, and then until the answers under way are written, but not for long.
pub(crate) async fn serve(listener: TcpListener, router: Router, ending: CancellationToken) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME);
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits::CONNECTIONS));
    loop {
        let accepted = async {
            // Never closed.
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        let (slot, stream) = tokio::select! {
            () = ending.cancelled() => break,
            (slot, accepted) = accepted => match accepted {
                Ok((stream, _)) => (slot, stream),
                Err(error) => {
                    if !is_of_the_peer(&error) {
                        tracing::error!(%error, "cannot take a connection");
                        sleep(ACCEPT_AGAIN).await;
                    }
                    continue;
                }
            },
        };
        // Events are small; each is to be sent at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(slot);
        });
    }
    drop(listener);
    if timeout(ANSWERS_GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections are closed with answers under way");
    }
}

/// Errors of one connection, which say nothing about the next.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
