//! A small RPC client, for people and scripts: `archipelago rpc`.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("cannot reach archipelago at {address}; does `archipelago serve` run?")]
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
    /// The request cannot be written.
    #[error("the token is no valid header; check the file `secrets/rpc-token`")]
    BadRequest {
        /// Why.
        source: hyper::http::Error,
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

/// Calls `method` and returns its result.
///
/// # Errors
/// [`ClientError`].
pub async fn call(
    address: SocketAddr,
    token: &str,
    method: &str,
    params: &Value,
) -> Result<Value, ClientError> {
    let broken = |source| ClientError::Broken { address, source };
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| ClientError::Unreachable { address, source })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let driver = tokio::spawn(connection);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let request = Request::post("/rpc/v1")
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|source| ClientError::BadRequest { source })?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let bytes = response
        .into_body()
        .collect()
        .await
        .map_err(broken)?
        .to_bytes();
    driver.abort();
    if status != StatusCode::OK {
        return Err(ClientError::Refused {
            status: status.as_u16(),
            text: String::from_utf8_lossy(&bytes).trim().to_owned(),
        });
    }
    let mut answer: Value =
        serde_json::from_slice(&bytes).map_err(|source| ClientError::Unreadable { source })?;
    match answer.get_mut("error") {
        Some(error) => Err(ClientError::Failed {
            error: error.take(),
        }),
        None => Ok(answer["result"].take()),
    }
}
