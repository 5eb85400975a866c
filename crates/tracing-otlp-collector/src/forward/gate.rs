//! Whom the proxy lets through, and what becomes of them.
//!
//! From cheap to dear: origin, path and form, token, rate; only then is a body read, unpacked and
//! checked, and sent once. Nothing of the client's head is sent on: the upstream's headers are the
//! configured ones.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tracing_otlp_pipeline::{Courier, Parcel, Reply, SeverityBand};

use super::answers::{No, accepted, response};
use super::cors::{self, From, Origins};
use super::rate::Sessions;
use super::token::SessionKeys;
use super::upstream;
use crate::receive::{Announced, Answer, Format, Reader, Service, discard};

pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
pub(super) type Say = Arc<dyn Fn(&str) + Send + Sync>;

pub(super) struct Gate {
    pub(super) origins: Origins,
    pub(super) keys: SessionKeys,
    pub(super) audience: Option<String>,
    pub(super) sessions: Sessions,
    pub(super) reader: Reader,
    pub(super) courier: Courier,
    pub(super) body_timeout: Duration,
    /// For the upstream's answer, the wait for a turn included.
    pub(super) timeout: Duration,
    pub(super) turns: Semaphore,
    pub(super) clock: Clock,
    pub(super) say: Say,
    pub(super) url: String,
    /// What was wrong with the upstream at last.
    pub(super) trouble: Mutex<Option<String>>,
    pub(super) answered: Mutex<BTreeMap<u16, u64>>,
}

impl Service for Gate {
    const CONNECTIONS: usize = CONNECTIONS;

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Answer> {
        let (parts, mut incoming) = request.into_parts();
        let from = self.origins.from(&parts.headers);
        let format = Format::of(&parts.headers);
        let mut response = match from {
            From::Stranger => No::stranger().answer(format),
            From::Friend(_) if parts.method == Method::OPTIONS => cors::preflight(),
            _ if parts.uri.path() == "/healthz" && parts.method == Method::GET => health(),
            _ => match self.pass(&parts, &mut incoming).await {
                Ok(response) => response,
                Err(no) => {
                    discard(&parts, &mut incoming).await;
                    no.answer(format)
                }
            },
        };
        cors::mark(&mut response, from);
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered.entry(response.status().as_u16()).or_default() += 1;
        drop(answered);
        response
    }
}

impl Gate {
    async fn pass(&self, parts: &Parts, incoming: &mut Incoming) -> Result<Response<Answer>, No> {
        let announced = Reader::announced(parts)?;
        let token = bearer(&parts.headers).ok_or_else(No::no_token)?;
        let now = (self.clock)();
        let session = self.keys.verify(token, now, self.audience.as_deref())?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let admitted = self.sessions.admit(&session.0, now);
        admitted.map_err(No::too_fast)?;
        let body = timeout(self.body_timeout, self.reader.read(incoming)).await;
        let body = body.map_err(|_| No::too_slow())??;
        let arrived = body.0.len();
        let unpacked = self.reader.unpack(announced, body);
        // Also what turns out to be a bomb or no OTLP has to be paid for.
        let bytes = unpacked.as_ref().map_or(arrived, |(bytes, _)| bytes.len());
        self.sessions.charge(&session.0, bytes, now);
        let checked = Reader::check(announced, unpacked?)?;
        let Announced { signal, format, .. } = announced;
        if checked.records == 0 {
            return Ok(accepted(signal, Some(format), 0, ""));
        }
        let parcel = Parcel::new(upstream::signal(signal), checked.body.clone())
            .with_records(SeverityBand::Info, checked.records);
        match self.send(parcel).await? {
            Reply::Accepted {
                rejected, message, ..
            } => Ok(accepted(signal, Some(format), rejected, &message)),
            other => Err(No::of_reply(&other)),
        }
    }

    /// One attempt: the client has the data, and learns whether to send it again.
    async fn send(&self, parcel: Parcel) -> Result<Reply, No> {
        let until = Instant::now() + self.timeout;
        let turn = timeout_at(until, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| No::crowded())?;
        let reply = timeout_at(until, self.courier.send(parcel)).await;
        let reply = reply.unwrap_or(Reply::TimedOut);
        self.see(&reply);
        Ok(reply)
    }

    /// Tells people when something is wrong with the upstream, and when it no longer is.
    fn see(&self, reply: &Reply) {
        let trouble = match reply {
            Reply::Unauthorized => Some("it does not accept our credentials".to_owned()),
            Reply::Unreachable { reason, .. } => Some(reason.clone()),
            Reply::TimedOut => Some("no answer in time".to_owned()),
            Reply::Refused { status, .. } => Some(status.clone()),
            // About the request, or nothing that lasts.
            _ => None,
        };
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == trouble {
            return;
        }
        last.clone_from(&trouble);
        drop(last);
        match trouble {
            Some(trouble) => (self.say)(&format!("{} cannot be used: {trouble}", self.url)),
            None => (self.say)(&format!("{} can be used again", self.url)),
        }
    }
}

/// The one token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn health() -> Response<Answer> {
    response(StatusCode::OK, None, Bytes::from_static(b"{}"))
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("upstream", &self.courier)
            .finish_non_exhaustive()
    }
}

const CONNECTIONS: usize = 4096;
