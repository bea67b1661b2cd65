//! The status page, `GET /`: static files, embedded. They tell nothing by themselves: what they show comes from
//! `/events` and `/rpc/v1`, with the token. No script or style stands in the HTML, and nothing is loaded from elsewhere,
//! so the strictest content security policy fits.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page: path, media type, content.
type File = (&'static str, &'static str, &'static str);

/// All files.
const FILES: [File; 11] = [
    ("/", HTML, include_str!("index.html")),
    ("/ui/style.css", CSS, include_str!("style.css")),
    ("/ui/icon.svg", SVG, include_str!("icon.svg")),
    ("/ui/main.js", SCRIPT, include_str!("main.js")),
    ("/ui/api.js", SCRIPT, include_str!("api.js")),
    ("/ui/dom.js", SCRIPT, include_str!("dom.js")),
    ("/ui/time.js", SCRIPT, include_str!("time.js")),
    ("/ui/packages.js", SCRIPT, include_str!("packages.js")),
    ("/ui/container.js", SCRIPT, include_str!("container.js")),
    ("/ui/catalog.js", SCRIPT, include_str!("catalog.js")),
    ("/ui/dialogs.js", SCRIPT, include_str!("dialogs.js")),
];

/// The page and its files.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES
        .into_iter()
        .fold(Router::new(), |router, file @ (path, ..)| {
            router.route(path, get(async move || answer(file)))
        })
}

fn answer((_, media_type, content): File) -> Response {
    ([(header::CONTENT_TYPE, media_type)], content).into_response()
}
