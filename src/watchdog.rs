//! systemd's watchdog: told that all is well only after it was seen that it is.
//!
//! A bare timer would go on while the rest is stuck. What is looked at is what the daemon is for: the health monitor's
//! loop makes progress, and the service answers a request over its own socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::client::{Client, ClientError};
use crate::health_monitor::{Overdue, Pulse};
use crate::package::chain;

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
                tracing::error!(error = chain(&error), "not well; systemd is not told otherwise");
            }
            Err(_) => {
                tracing::error!("no answer from the service; systemd is not told that all is well")
            }
        }
    }
}
