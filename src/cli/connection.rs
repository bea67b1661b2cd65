//! The way to the daemon: where it listens, by what token, and what is asked of it.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CliError;
use crate::api::TOKEN_FILE;
use crate::client::{Client, ClientError, PATIENCE};
use crate::config;

/// A daemon that can be asked.
pub(super) struct Connection {
    pub(super) client: Client,
    /// The answers themselves are wanted, and not tables.
    pub(super) as_json: bool,
}

impl Connection {
    /// Finds the daemon by the configuration it reads itself; the token is that of its state folder where none is given.
    pub(super) fn open(
        file: Option<PathBuf>,
        token: Option<String>,
        as_json: bool,
    ) -> Result<Self, CliError> {
        let config = config::load(file)?;
        let token = match token {
            Some(token) => token,
            None if config.require_token => {
                let path = config.state_dir.join("secrets").join(TOKEN_FILE);
                std::fs::read_to_string(&path)
                    .map_err(|source| CliError::TokenUnreadable { path, source })?
            }
            None => String::new(),
        };
        Ok(Self {
            client: Client::new(callable(config.listen), token.trim()),
            as_json,
        })
    }

    /// Asks for what is answered soon.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.client.call_within(PATIENCE, method, &params).await
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask_for<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, CliError> {
        let answer = self.ask(method, params).await?;
        read(method, answer)
    }
}

/// Reads the answer to `method`.
pub(super) fn read<T: DeserializeOwned>(
    method: &'static str,
    answer: Value,
) -> Result<T, CliError> {
    serde_json::from_value(answer).map_err(|source| CliError::NotUnderstood { method, source })
}

/// Where a daemon that listens at `address` is called: one that listens everywhere certainly is on loopback.
pub(super) fn callable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_called_on_loopback() {
        let of = |text: &str| callable(text.parse().expect("an address")).to_string();
        assert_eq!(of("0.0.0.0:5678"), "127.0.0.1:5678");
        assert_eq!(of("[::]:5678"), "[::1]:5678");
        assert_eq!(of("192.0.2.7:1"), "192.0.2.7:1");
    }
}
