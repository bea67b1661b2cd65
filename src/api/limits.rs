//! How much one caller, or all of them together, may ask for.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Largest body that is read, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// Most calls in one batch.
pub(super) const BATCH_LIMIT: usize = 100;
/// Most calls under way at a time.
pub(super) const CALLS: usize = 64;
/// Most connections open at a time; the next one waits until one of them ends.
pub(super) const CONNECTIONS: usize = 256;
/// A request's head must have come after so long; so must the next request of a connection that is kept open.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(15);
/// A request's body must have come after so long.
pub(super) const BODY_TIME: Duration = Duration::from_secs(15);
/// A scrape of metrics asks podman for so long: Prometheus gives up after ten seconds.
pub(super) const SCRAPE_TIME: Duration = Duration::from_secs(8);

/// Reads a body.
pub(super) async fn read_body(request: Request<Body>) -> Result<Bytes, (StatusCode, String)> {
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect();
    match tokio::time::timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {BODY_LIMIT} bytes"),
        )),
        Ok(Err(error)) => Err((
            StatusCode::BAD_REQUEST,
            format!("the body could not be read: {error}"),
        )),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {BODY_TIME:?}"),
        )),
    }
}
