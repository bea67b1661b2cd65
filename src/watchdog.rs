//! systemd's watchdog: told that all is well only after it was seen that it is.
//!
//! A bare timer would go on while the rest is stuck. What is looked at is what the daemon is for: the health monitor's
//! loop makes progress, and the service answers a request over its own socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::chain::chain;
use crate::client::{Client, ClientError};
use crate::health_monitor::{Overdue, Pulse};

/// Something is stuck.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    /// The health monitor.
    #[error(transparent)]
    Monitor(#[from] Overdue),
    /// The service does not answer.
    #[error("the service does not answer")]
    Service {
        /// How the request failed.
        source: ClientError,
    },
}

/// What a watchdog looks at.
#[derive(Debug, Clone)]
pub struct Watched {
    pulse: Pulse,
    client: Client,
}

impl Watched {
    /// The monitor with this pulse, and the service at `address`.
    #[must_use]
    pub fn new(pulse: Pulse, address: SocketAddr) -> Self {
        Self {
            pulse,
            // `/health` needs no token.
            client: Client::new(address, ""),
        }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// [`Stuck`]: the first thing that is not well.
    pub async fn check(&self) -> Result<(), Stuck> {
        self.pulse.check()?;
        match self.client.open("/health").await {
            Ok(_) => Ok(()),
            // A refusal is an answer: too many requests at a time, for one.
            Err(ClientError::Refused { .. } | ClientError::TokenRefused { .. }) => Ok(()),
            Err(source) => Err(Stuck::Service { source }),
        }
    }
}

/// Checks three times within `limit`, systemd's `WatchdogSec=`, and tells it each time that all is well. A check that fails,
/// or takes too long, is logged, and nothing is told: when nothing has been told for `limit`, systemd restarts the daemon.
/// Never ends.
pub async fn keep_alive(
    limit: Duration,
    check: impl AsyncFn() -> Result<(), Stuck>,
    mut tell: impl FnMut(),
) {
    let every = limit / 3;
    let mut tick = interval(every);
    // After a pause, as of a suspended machine, one check is enough.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match timeout(every, check()).await {
            Ok(Ok(())) => tell(),
            Ok(Err(error)) => {
                tracing::error!(
                    error = chain(&error),
                    "not well; systemd is not told otherwise"
                );
            }
            Err(_) => {
                tracing::error!("no answer from the service; systemd is not told that all is well")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_service_that_takes_connections_and_never_answers_is_not_well() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let watched = Watched::new(Pulse::default(), address);
        let told = AtomicU32::new(0);
        let tell = || {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let limit = Duration::from_millis(60);
        // The kernel takes the connections: nobody has to accept them.
        let watching = keep_alive(limit, async || watched.check().await, tell);
        assert!(timeout(limit * 3, watching).await.is_err(), "it never ends");
        assert_eq!(told.load(Ordering::Relaxed), 0, "told without an answer");
        let router = axum::Router::new().route("/health", axum::routing::get(async || "ok\n"));
        let server = axum::serve(listener, router).into_future();
        let tell = || {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let watching = keep_alive(limit, async || watched.check().await, tell);
        tokio::select! {
            _ = server => panic!("the server ended"),
            _ = timeout(limit * 3, watching) => {}
        }
        assert!(told.load(Ordering::Relaxed) > 0, "not told with an answer");
    }
}
