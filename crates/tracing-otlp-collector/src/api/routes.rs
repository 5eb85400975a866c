//! Which question it is.
//!
//! `receive::serve` calls [`answer`] for the paths that [`is_ours`].

use std::sync::Arc;

use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::answer::{Problem, json, of_type};
use super::guard::{self, From};
use super::params::{self, Params};
use super::site::Site;
use super::{assets, openapi, status, stream};
use crate::query::filter::Filter;
use crate::query::scan::{Order, Scan, What};
use crate::query::{audit, fields, histogram, logs, metrics, rejected, traces};
use crate::receive::Answer;

pub(crate) fn is_ours(method: &Method, path: &str) -> bool {
    path.starts_with("/api/")
        || path == "/healthz"
        || (assets::is_asset(path) && matches!(*method, Method::GET | Method::HEAD))
        // Only a browser asks whether it may; OTLP knows no such question.
        || (*method == Method::OPTIONS && path.starts_with("/v1/"))
}

pub(crate) async fn answer(request: Request<Incoming>, site: &Arc<Site>) -> Response<Answer> {
    let (parts, incoming) = request.into_parts();
    let from = guard::origin(&parts, site);
    let mut response = match guard::check_host(&parts, site) {
        Err(problem) => problem.answer(),
        Ok(()) if parts.method == Method::OPTIONS => guard::preflight(from),
        Ok(()) => route(&parts, incoming, from, site)
            .await
            .unwrap_or_else(|problem| problem.answer()),
    };
    guard::mark(&mut response, from);
    response
}

async fn route(
    parts: &Parts,
    incoming: Incoming,
    from: From<'_>,
    site: &Arc<Site>,
) -> Result<Response<Answer>, Problem> {
    let path = parts.uri.path();
    if path.starts_with("/api/") && !ROUTES.iter().any(|route| is_at(route, path)) {
        let message = format!("nothing is at {path}, see /api/openapi.json");
        return Err(Problem::not_found(&message));
    }
    if path == "/api/otel/logs" {
        if parts.method != Method::POST {
            return Ok(wrong_method("POST"));
        }
        if from == From::Stranger {
            let message = "pages of this origin may not send logs here";
            return Err(Problem::new(StatusCode::FORBIDDEN, message));
        }
        return Ok(crate::receive::browser_logs(parts, incoming, &site.intake).await);
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(wrong_method("GET"));
    }
    if path == "/healthz" {
        return Ok(of_type("text/plain; charset=utf-8", "ok"));
    }
    if let Some(asset) = assets::answer(path, &parts.headers) {
        return Ok(asset);
    }
    let params = Params::of(parts.uri.query());
    let path = path.strip_prefix("/api/").unwrap_or_default();
    params.only(parameters(path))?;
    match path {
        "openapi.json" => return Ok(json(openapi::description())),
        "status" => return Ok(json(status::status(site))),
        "rejected" => return Ok(json(rejected::page(&site.store.rejected()))),
        "logs/stream" => return stream::stream(parts, &params, site),
        _ => {}
    }
    if let Some(id) = path
        .strip_prefix("rejected/")
        .and_then(|rest| rest.strip_suffix("/body"))
    {
        let kept = site.store.rejected();
        let found = kept.into_iter().find(|one| one.id.to_string() == id);
        let found = found.ok_or_else(|| Problem::not_found("this request is not kept"))?;
        return Ok(of_type("application/octet-stream", found.body));
    }
    let question = question(path, &params)?;
    let filter = params.filter()?;
    let turn = Arc::clone(&site.turns).acquire_owned().await;
    let site = Arc::clone(site);
    let answer = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        question.answer(&filter, params.now, &site)
    });
    match answer.await {
        Ok(answer) => answer.map(json),
        Err(_) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the question could not be answered",
        )),
    }
}

/// What may stand behind the question mark. What does not is refused: who asks for `level=error` must not
/// take everything for the answer.
fn parameters(path: &str) -> &'static [&'static str] {
    match path {
        "logs" => &["q", "from", "to", "order", "limit", "cursor"],
        "logs/stream" => &["q", "since", "after"],
        "logs/histogram" => &["q", "from", "to", "buckets"],
        "traces" => &["q", "from", "to", "limit", "cursor"],
        "metrics" => &["q", "limit"],
        "audit" => &["q", "from", "to"],
        _ if path.starts_with("fields") => &["q", "prefix"],
        _ => &[],
    }
}

/// A question that the store has to be gone through for.
enum Question {
    Logs {
        from: u64,
        to: u64,
        order: Order,
        cursor: Option<u64>,
        limit: usize,
    },
    Histogram {
        from: Option<u64>,
        to: Option<u64>,
        buckets: u64,
    },
    Fields {
        prefix: String,
    },
    Values {
        key: String,
        prefix: String,
    },
    Traces {
        from: u64,
        to: u64,
        cursor: Option<u64>,
        limit: usize,
    },
    Trace {
        id: [u8; 16],
    },
    Metrics {
        limit: usize,
    },
    Audit {
        from: u64,
        to: u64,
    },
}

fn question(path: &str, params: &Params) -> Result<Question, Problem> {
    let prefix = || params.get("prefix").unwrap_or_default().to_owned();
    let from = || Ok::<_, Problem>(params.time("from")?.unwrap_or(0));
    let to = || Ok::<_, Problem>(params.time("to")?.unwrap_or(u64::MAX));
    Ok(match path {
        "logs" => Question::Logs {
            from: from()?,
            to: to()?,
            order: match params.get("order") {
                None | Some("desc") => Order::NewestFirst,
                Some("asc") => Order::OldestFirst,
                Some(_) => return Err(Problem::bad("order is asc or desc")),
            },
            cursor: params.number("cursor")?,
            limit: params.limit(100, 1000)?,
        },
        "logs/histogram" => Question::Histogram {
            from: params.time("from")?,
            to: params.time("to")?,
            buckets: params.number("buckets")?.unwrap_or(60),
        },
        "fields" => Question::Fields { prefix: prefix() },
        "traces" => Question::Traces {
            from: from()?,
            to: to()?,
            cursor: params.number("cursor")?,
            limit: params.limit(50, 500)?,
        },
        "metrics" => Question::Metrics {
            limit: params.limit(100, 1000)?,
        },
        "audit" => Question::Audit {
            from: from()?,
            to: to()?,
        },
        _ => {
            if let Some(key) = path
                .strip_prefix("fields/")
                .and_then(|rest| rest.strip_suffix("/values"))
            {
                // A plus in a path is a plus.
                let key = params::decode(&key.replace('+', "%2B"));
                return Ok(Question::Values {
                    key,
                    prefix: prefix(),
                });
            }
            let Some(id) = path.strip_prefix("traces/") else {
                return Err(Problem::not_found("nothing is here"));
            };
            let id = u128::from_str_radix(id, 16)
                .ok()
                .filter(|_| id.len() == 32)
                .ok_or_else(|| Problem::bad("a trace id has 32 hex digits"))?;
            Question::Trace {
                id: id.to_be_bytes(),
            }
        }
    })
}

impl Question {
    fn answer(self, filter: &Filter, now: u64, site: &Site) -> Result<Vec<u8>, Problem> {
        let store = &*site.store;
        let scan = |what| Scan::new(store, filter, what, now);
        let between = |what, from, to| Scan {
            from,
            to,
            ..scan(what)
        };
        Ok(match self {
            Self::Logs {
                from,
                to,
                order,
                cursor,
                limit,
            } => logs::page(&between(What::Logs, from, to), order, cursor, limit),
            Self::Histogram { from, to, buckets } => {
                histogram::histogram(&mut scan(What::Logs), from, to, buckets)
            }
            Self::Fields { prefix } => fields::keys(&scan(What::Both), &prefix),
            Self::Values { key, prefix } => fields::values(&scan(What::Both), &key, &prefix),
            Self::Traces {
                from,
                to,
                cursor,
                limit,
            } => {
                let all = Filter::everything();
                let everything = Scan {
                    from,
                    to,
                    ..Scan::new(store, &all, What::Both, now)
                };
                traces::page(&between(What::Both, from, to), &everything, cursor, limit)
            }
            Self::Trace { id } => {
                let all = Filter::everything();
                let scan = Scan::new(store, &all, What::Both, now);
                traces::one(&scan, &id, store.counts())
                    .ok_or_else(|| Problem::not_found("nothing of this trace is kept"))?
            }
            Self::Metrics { limit } => metrics::page(&scan(What::Metrics), limit),
            Self::Audit { from, to } => {
                audit::audit(&between(What::Logs, from, to), store.counts())
            }
        })
    }
}

fn wrong_method(allowed: &'static str) -> Response<Answer> {
    let message = format!("this takes {allowed}");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, message).answer();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Whether a path is of this form, in which `{…}` stands for one segment.
fn is_at(route: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == found => {}
            (Some(wanted), Some(found)) if wanted.starts_with('{') && !found.is_empty() => {}
            _ => return false,
        }
    }
}

/// Everything below `/api`; a test holds the description against it.
pub(super) const ROUTES: &[&str] = &[
    "/api/audit",
    "/api/fields",
    "/api/fields/{key}/values",
    "/api/logs",
    "/api/logs/histogram",
    "/api/logs/stream",
    "/api/metrics",
    "/api/openapi.json",
    "/api/otel/logs",
    "/api/rejected",
    "/api/rejected/{id}/body",
    "/api/status",
    "/api/traces",
    "/api/traces/{id}",
];
