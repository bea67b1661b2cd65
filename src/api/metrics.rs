//! `GET /metrics`: for Prometheus, whose `authorization` setting sends the token.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::{Context, limits, refuse};
use crate::metrics;

/// `GET /metrics`. Where podman cannot be asked in time, all else is told.
pub(super) async fn serve(State(context): State<Context>) -> Response {
    let packages = match timeout(limits::SCRAPE_TIME, context.packages.entries()).await {
        Ok(Ok(packages)) => Some(packages),
        // The monitor says so too, and with more words.
        Ok(Err(_)) | Err(_) => None,
    };
    let (looks, last_look, operations) = {
        let book = context.packages.book();
        (book.looks, book.last_look, book.operations.len())
    };
    let text = metrics::write(
        &context.meter,
        &metrics::Scrape {
            packages: packages.as_deref(),
            usage: &context.collector.usage(),
            looks,
            last_look,
            operations,
            streams: context.feed.streams(),
            now: context.packages.clock.now(),
        },
    );
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
