//! HTTP to archipelago, over whatever leads to it.

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

/// A JSON-RPC call.
pub(crate) fn call(
    host: &str,
    token: &str,
    method: &str,
    params: &Value,
) -> Result<Request<Full<Bytes>>, String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    Request::post("/rpc/v1")
        .header("host", host)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| error.to_string())
}

/// `GET path`.
pub(crate) fn get(
    host: &str,
    token: Option<&str>,
    path: &str,
) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::get(path).header("host", host);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request
        .body(Full::default())
        .map_err(|error| error.to_string())
}

/// Sends it over a fresh connection, which ends with the body of the answer.
pub(crate) async fn send<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Body>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|error| archipelago_lab::chain(&error))?;
    Ok(answer.map(Body::new))
}

/// The result or the error object of an answer to a call.
pub(crate) async fn result_of(answer: Response<Body>) -> Result<Result<Value, Value>, String> {
    let status = answer.status();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX)
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    if status != 200 {
        return Err(format!("HTTP {}: {text}", status.as_u16()));
    }
    let mut answer: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{error} in {text}"))?;
    Ok(match answer.get_mut("error") {
        Some(error) => Err(error.take()),
        None => Ok(answer["result"].take()),
    })
}
