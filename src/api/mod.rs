//! The HTTP service. Thin: it checks who asks, reads JSON-RPC, calls [`Packages`], writes JSON-RPC.
//!
//! | route | what | token |
//! |---|---|---|
//! | `POST /rpc/v1` | JSON-RPC 2.0 | yes |
//! | `GET /events` | what a user interface shows, as server-sent events | yes |
//! | `GET /metrics` | counters and gauges, for Prometheus | yes |
//! | `GET /rpc/v1/schema` | what can be called, as an OpenRPC document | no |
//! | `GET /`, `GET /ui/…` | the status page, which calls the others | no |
//! | `GET /health` | `ok`, for probes; it tells nothing else | no |
//!
//! The token is that of `secrets/rpc-token`, sent as `Authorization: Bearer TOKEN`. Prometheus sends it with
//! `authorization: { credentials_file: … }` in its `scrape_config`.
//!
//! A browser on the same network must not be made to call this: a `Host` that is neither an IP address nor
//! `localhost` (DNS rebinding) and an `Origin` of another host are refused, except where nothing is told.

pub mod codes;
mod events;
mod guard;
mod headers;
mod jsonrpc;
mod limits;
mod metrics;
mod openrpc;
mod rpc;
mod serve;
mod token;
mod ui;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::health_monitor::Monitor;
use crate::metrics::{Collector, Meter};
use crate::package::Packages;
use crate::tasks::Tasks;

pub(crate) use events::Feed;
pub use limits::BODY_LIMIT;
pub(crate) use serve::serve;
pub use token::TOKEN_FILE;
pub(crate) use token::load_or_make as load_or_make_token;

/// What the handlers work on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) packages: Arc<Packages>,
    pub(crate) monitor: Monitor,
    pub(crate) tasks: Tasks,
    pub(crate) token: Arc<str>,
    pub(crate) meter: Meter,
    pub(crate) collector: Arc<Collector>,
    pub(crate) feed: Arc<Feed>,
    /// One permit for each call under way.
    calls: Arc<Semaphore>,
}

impl Context {
    /// What serves these packages. Event streams end at `ending`.
    pub(crate) fn new(
        packages: Arc<Packages>,
        monitor: Monitor,
        tasks: Tasks,
        token: String,
        ending: CancellationToken,
    ) -> Self {
        let meter = packages.meter.clone();
        Self {
            collector: Arc::new(Collector::new(Arc::clone(&packages), meter.clone())),
            feed: Arc::new(Feed::new(Arc::clone(&packages), ending)),
            packages,
            monitor,
            tasks,
            token: token.into(),
            meter,
            calls: Arc::new(Semaphore::new(limits::CALLS)),
        }
    }

    /// What goes on beside the calls: events and metrics. For ever.
    pub(crate) async fn run(&self) {
        tokio::join!(self.feed.run(), self.collector.run());
    }
}

/// The service.
pub(crate) fn router(context: Context) -> Router {
    let with_token = Router::new()
        .route("/rpc/v1", post(call))
        .route("/events", get(events::serve))
        .route("/metrics", get(metrics::serve))
        .layer(from_fn_with_state(context.clone(), require_token));
    let documented = Router::new().route("/rpc/v1/schema", get(openrpc::serve));
    let router = Router::new()
        .merge(with_token)
        .merge(documented)
        .merge(ui::router())
        .layer(from_fn(require_plain_host))
        .route("/health", get(async || "ok\n"))
        .with_state(context);
    headers::set(router)
}

async fn require_plain_host(request: Request, next: Next) -> Response {
    match guard::check_origin(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(text) => refuse(StatusCode::FORBIDDEN, &text),
    }
}

async fn require_token(State(context): State<Context>, request: Request, next: Next) -> Response {
    if !context.packages.config.require_token || guard::has_token(request.headers(), &context.token)
    {
        return next.run(request).await;
    }
    let file = context.packages.secret_file(TOKEN_FILE);
    let text = format!(
        "missing or wrong token; send `Authorization: Bearer TOKEN` with the content of {}",
        file.display()
    );
    let scheme = [(header::WWW_AUTHENTICATE, "Bearer")];
    (scheme, refuse(StatusCode::UNAUTHORIZED, &text)).into_response()
}

async fn call(State(context): State<Context>, request: Request) -> Response {
    let Ok(_permit) = context.calls.try_acquire() else {
        let text = format!("{} calls are under way; try again later", limits::CALLS);
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &text);
    };
    let body = match limits::read_body(request).await {
        Ok(body) => body,
        Err((status, text)) => return refuse(status, &text),
    };
    let answer = jsonrpc::answer(&context, &body).await;
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, answer.to_string()).into_response()
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}
