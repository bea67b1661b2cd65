//! The HTTP service. Thin: it checks who asks, reads JSON-RPC, calls [`Packages`], writes JSON-RPC.
//!
//! - `POST /rpc/v1`: JSON-RPC 2.0, with the bearer token of `secrets/rpc-token`.
//! - `GET /health`: `ok`, for probes, without a token; it tells nothing else.
//!
//! A browser on the same network must not be made to call this: a `Host` that is neither an IP address nor
//! `localhost` (DNS rebinding) and an `Origin` of another host are refused.

pub mod codes;
mod guard;
mod jsonrpc;
mod rpc;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::package::Packages;
use crate::store::{StoreError, write_private};
use crate::tasks::Tasks;

/// Name of the token's file in `secrets/`.
pub const TOKEN_FILE: &str = crate::catalog::TOKEN_SECRET;
/// Largest body that is read.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// What the handlers work on.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) packages: Arc<Packages>,
    pub(crate) tasks: Tasks,
    pub(crate) token: String,
}

/// The service.
pub(crate) fn router(context: Context) -> Router {
    Router::new()
        .route("/rpc/v1", post(call))
        .route("/health", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(context)
}

async fn call(State(context): State<Context>, headers: HeaderMap, body: Bytes) -> Response {
    let refuse = |status: StatusCode, text: String| (status, format!("{text}\n")).into_response();
    if let Err(text) = guard::check_origin(&headers) {
        return refuse(StatusCode::FORBIDDEN, text);
    }
    if context.packages.config.require_token && !guard::has_token(&headers, &context.token) {
        let file = context.packages.secret_file(TOKEN_FILE);
        let text = format!(
            "missing or wrong token; send `Authorization: Bearer TOKEN` with the content of {}",
            file.display()
        );
        return refuse(StatusCode::UNAUTHORIZED, text);
    }
    let answer = jsonrpc::answer(&context, &body).await;
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, answer.to_string()).into_response()
}

/// The token: that of the last start, or, where that is missing or empty, a new one.
pub(crate) fn load_or_make_token(packages: &Packages) -> Result<String, StoreError> {
    let path = packages.secret_file(TOKEN_FILE);
    let fail = |doing| {
        let path = path.clone();
        move |source| StoreError {
            doing,
            path,
            source,
        }
    };
    match std::fs::read_to_string(&path) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(fail("read")(source)),
    }
    let token = crate::package::generate_secret().map_err(fail("get random bytes for"))?;
    write_private(&path, token.as_bytes())?;
    Ok(token)
}
