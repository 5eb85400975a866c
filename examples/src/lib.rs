//! A small shop over HTTP whose handlers are instrumented: the service of `quickstart` and
//! `axum_service`.
//!
//! Nothing in here knows where telemetry goes. The handlers use `tracing` and `#[instrument]`;
//! one middleware opens the request's span, takes the caller's trace in and gives the trace id
//! back.

#![forbid(unsafe_code)]

use axum::extract::{MatchedPath, Path, Request};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tracing::field::Empty;
use tracing::{Instrument as _, debug, error, info, info_span, instrument, warn};
use tracing_otlp::tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_otlp::{current_ids, exception, nested, propagation};

/// The service's routes, inside the middleware that traces requests.
pub fn shop() -> Router {
    Router::new()
        .route("/", get(|| async { "a small shop: try /orders/1\n" }))
        .route("/orders/{id}", get(order))
        .layer(middleware::from_fn(trace_request))
}

/// One span a request, below the caller's if it sent a `traceparent`.
async fn trace_request(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unknown", |path| path.as_str())
        .to_owned();
    let span = info_span!(
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        url.path = request.uri().path(),
        http.response.status_code = Empty,
    );
    // Before the span is entered: once it has started, its parent stays.
    let _ = span.set_parent(propagation::extract(request.headers()));
    async {
        info!("request received");
        let mut response = next.run(request).await;
        let status = response.status();
        // As i64: the trace layer writes unsigned numbers as text.
        tracing::Span::current().record("http.response.status_code", i64::from(status.as_u16()));
        // A caller that reports a fault can name the trace.
        let trace = current_ids().map(|ids| ids.trace_id().to_string());
        if let Some(value) = trace.and_then(|id| HeaderValue::from_str(&id).ok()) {
            response.headers_mut().insert("x-trace-id", value);
        }
        info!(status = status.as_u16(), "response sent");
        response
    }
    .instrument(span)
    .await
}

/// What the shop knows of an order.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    id: u64,
    customer: &'static str,
    lines: Vec<Line>,
}

/// One line of an order.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    sku: &'static str,
    count: u32,
    price: f64,
}

/// Why there is no order.
#[derive(Debug)]
pub struct LoadError {
    id: u64,
    source: std::io::Error,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot load order {}", self.id)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[instrument]
async fn order(Path(id): Path<u64>) -> Response {
    match load(id).await {
        Ok(order) => {
            info!(
                order = nested(&order),
                total = total(&order),
                "order loaded"
            );
            // The task is the request's: its records stand in the same trace.
            let receipt = tokio::spawn(
                send_receipt(order.customer).instrument(info_span!("receipt", order.id = id)),
            );
            if receipt.await.is_err() {
                warn!("the receipt was not sent");
            }
            Json(order).into_response()
        }
        Err(error) => {
            error!(error = exception(&error), order.id = id, "order not loaded");
            (StatusCode::INTERNAL_SERVER_ERROR, "try again later\n").into_response()
        }
    }
}

#[instrument]
async fn load(id: u64) -> Result<Order, LoadError> {
    let rows = query(id).await.map_err(|source| LoadError { id, source })?;
    info!(rows = rows.len(), cached = false, "rows read");
    Ok(Order {
        id,
        customer: "Ada",
        lines: rows,
    })
}

#[instrument(fields(db.system.name = "memory"))]
async fn query(id: u64) -> std::io::Result<Vec<Line>> {
    tokio::task::yield_now().await;
    debug!("asking the database");
    if id == 13 {
        return Err(std::io::Error::other("connection reset by the database"));
    }
    Ok(vec![
        Line {
            sku: "tea",
            count: 2,
            price: 3.5,
        },
        Line {
            sku: "cup",
            count: 1,
            price: 9.0,
        },
    ])
}

async fn send_receipt(customer: &str) {
    tokio::task::yield_now().await;
    info!(customer, attempts = 1, "receipt sent");
}

fn total(order: &Order) -> f64 {
    order
        .lines
        .iter()
        .map(|line| f64::from(line.count) * line.price)
        .sum()
}
