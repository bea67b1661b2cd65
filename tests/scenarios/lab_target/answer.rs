//! Calls of archipelago in a lab, from outside: where it answers, and by what token.

use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{PORT, Shared, chain};
use crate::http;

/// How long the daemon may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
/// How long a call may take: an install pulls, starts and watches.
const CALL: Duration = Duration::from_secs(120);

/// Where archipelago answers and by what token. Asked once a boot: each question to the lab costs an exec.
#[derive(Debug, Clone)]
pub(super) struct Way {
    address: std::net::SocketAddr,
    token: String,
}

/// Waits until archipelago answers.
pub(super) async fn of_daemon(shared: &Shared) -> Result<(), String> {
    let deadline = Instant::now() + ANSWER;
    loop {
        let last = match call(shared, "system.health", json!({})).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error,
        };
        if Instant::now() > deadline {
            return Err(format!(
                "archipelago did not answer system.health within {} s; last seen: {last}",
                ANSWER.as_secs()
            ));
        }
        tokio::time::sleep(super::LOOK).await;
    }
}

async fn way(shared: &Shared) -> Result<Way, String> {
    let mut guard = shared.lock().await;
    if let Some(way) = &guard.way {
        return Ok(way.clone());
    }
    let lab = guard.lab.as_ref().ok_or("the lab is gone")?;
    let token = lab
        .read_file("/var/lib/archipelago/secrets/rpc-token")
        .await
        .map_err(chain)?;
    let way = Way {
        address: lab.published_port(PORT).await.map_err(chain)?,
        token: String::from_utf8_lossy(&token).trim().to_owned(),
    };
    guard.way = Some(way.clone());
    Ok(way)
}

/// A JSON-RPC call.
pub(super) async fn call(
    shared: &Shared,
    method: &str,
    params: Value,
) -> Result<Result<Value, Value>, String> {
    let Way { address, token } = way(shared).await?;
    let request = http::call(&address.to_string(), &token, method, &params)?;
    let exchange =
        async { http::result_of(http::send(connect(address).await?, request).await?).await };
    tokio::time::timeout(CALL, exchange)
        .await
        .unwrap_or_else(|_| {
            Err(format!(
                "{method} was not answered within {} s",
                CALL.as_secs()
            ))
        })
}

async fn connect(address: std::net::SocketAddr) -> Result<tokio::net::TcpStream, String> {
    let stream = tokio::net::TcpStream::connect(address).await;
    stream.map_err(|error| format!("connect to {address}: {error}"))
}

/// `GET path`; the status, and the body.
pub(super) async fn open(shared: &Shared, path: &str) -> Result<(u16, Body), String> {
    let Way { address, token } = way(shared).await?;
    let request = http::get(&address.to_string(), Some(&token), path)?;
    let open = async {
        let answer = http::send(connect(address).await?, request).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    };
    tokio::time::timeout(CALL, open).await.unwrap_or_else(|_| {
        Err(format!(
            "{path} was not answered within {} s",
            CALL.as_secs()
        ))
    })
}
