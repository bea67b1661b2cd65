//! A small client of the daemon, for people and scripts: everything that `archipelago` asks goes through it.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// How long a call may take that only asks: podman behind the daemon may take its own time-outs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "cannot reach archipelago at {address}; start it with `systemctl start archipelago`, or look with `systemctl status archipelago` why it does not run"
    )]
    Unreachable {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to archipelago at {address} broke")]
    Broken {
        /// The address.
        address: SocketAddr,
        /// How.
        source: hyper::Error,
    },
    /// No answer came.
    #[error(
        "archipelago at {address} did not answer `{method}` within {} s; `journalctl -u archipelago` may say why", limit.as_secs()
    )]
    TimedOut {
        /// The address.
        address: SocketAddr,
        /// What was asked.
        method: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The request cannot be written.
    #[error("the token is no valid header; check the file `secrets/rpc-token`")]
    BadToken {
        /// Why.
        source: hyper::http::Error,
    },
    /// The token is not the daemon's.
    #[error("archipelago refused the token: {text}")]
    TokenRefused {
        /// What it said.
        text: String,
    },
    /// The service refused the request.
    #[error("archipelago refused the request with status {status}: {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        text: String,
    },
    /// The answer is not JSON-RPC.
    #[error("the answer is no JSON-RPC; is it archipelago that listens there?")]
    Unreadable {
        /// Why.
        source: serde_json::Error,
    },
    /// The method failed.
    #[error("{}", error["message"].as_str().unwrap_or("the call failed"))]
    Failed {
        /// The JSON-RPC error object.
        error: Value,
    },
}

/// Where a daemon is, and its token.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    token: String,
}

impl Client {
    /// A client of the daemon that listens at `address`. Connects with each call.
    #[must_use]
    pub fn new(address: SocketAddr, token: impl Into<String>) -> Self {
        Self {
            address,
            token: token.into(),
        }
    }

    /// Calls `method` and returns its result, however long it takes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&self, method: &str, params: &Value) -> Result<Value, ClientError> {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = self
            .request("POST", "/rpc/v1")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|source| ClientError::BadToken { source })?;
        let open = self.send(request).await?;
        let bytes = open.read().await?;
        let mut answer: Value =
            serde_json::from_slice(&bytes).map_err(|source| ClientError::Unreadable { source })?;
        match answer.get_mut("error") {
            Some(error) => Err(ClientError::Failed {
                error: error.take(),
            }),
            None => Ok(answer["result"].take()),
        }
    }

    /// As [`Client::call`], for what is answered soon.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::TimedOut`] after `limit`.
    pub async fn call_within(
        &self,
        limit: Duration,
        method: &str,
        params: &Value,
    ) -> Result<Value, ClientError> {
        tokio::time::timeout(limit, self.call(method, params))
            .await
            .unwrap_or_else(|_| {
                Err(ClientError::TimedOut {
                    address: self.address,
                    method: method.to_owned(),
                    limit,
                })
            })
    }

    /// Opens a stream of the service, as `/events`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn open(&self, path: &str) -> Result<Open, ClientError> {
        let request = self
            .request("GET", path)
            .body(Full::default())
            .map_err(|source| ClientError::BadToken { source })?;
        self.send(request).await
    }

    fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("authorization", format!("Bearer {}", self.token))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Open, ClientError> {
        let address = self.address;
        let broken = |source| ClientError::Broken { address, source };
        let stream = TcpStream::connect(address)
            .await
            .map_err(|source| ClientError::Unreachable { address, source })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let driver = Driver(tokio::spawn(async move {
            // A broken connection is seen by whoever reads the answer.
            drop(connection.await);
        }));
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let open = Open {
            address,
            response,
            _driver: driver,
        };
        if status == StatusCode::OK {
            return Ok(open);
        }
        let text = String::from_utf8_lossy(&open.read().await?)
            .trim()
            .to_owned();
        Err(if status == StatusCode::UNAUTHORIZED {
            ClientError::TokenRefused { text }
        } else {
            ClientError::Refused {
                status: status.as_u16(),
                text,
            }
        })
    }
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Open {
    address: SocketAddr,
    response: Response<Incoming>,
    _driver: Driver,
}

impl Open {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let address = self.address;
        while let Some(frame) = self.response.body_mut().frame().await {
            let frame = frame.map_err(|source| ClientError::Broken { address, source })?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    async fn read(self) -> Result<Bytes, ClientError> {
        let address = self.address;
        let collected = self.response.into_body().collect().await;
        Ok(collected
            .map_err(|source| ClientError::Broken { address, source })?
            .to_bytes())
    }
}

/// Drives a connection as long as it is held.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
