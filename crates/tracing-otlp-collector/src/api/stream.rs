//! Follows the log records as server-sent events.
//!
//! Each reader is a task that holds nothing but its place: the order number it comes to next. What
//! is written for it waits in a channel of a few pieces, so a reader that does not read stops its own
//! task and nobody else. When records have left before it came to them, it is told how many.
//!
//! Order numbers begin anew with each run of the collector, so the id of an event also says which run
//! it is of: a reader that comes back to another run is told so, and begins like a new one.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::answer::Problem;
use super::params::Params;
use super::site::Site;
use crate::Signal;
use crate::query::filter::Filter;
use crate::query::scan::{Go, Order, Scan, What};
use crate::query::write;
use crate::receive::Answer;
use crate::retain::clock;

/// Answers with the stream; a task of its own feeds it.
pub(super) fn stream(
    parts: &Parts,
    params: &Params,
    site: &Arc<Site>,
) -> Result<Response<Answer>, Problem> {
    let last_id = parts
        .headers
        .get("last-event-id")
        .and_then(|id| Place::parse(id.to_str().ok()?));
    let after = match (last_id, params.get("after")) {
        (Some(id), _) => Some(id),
        (None, Some(after)) => {
            Some(Place::parse(after).ok_or_else(|| Problem::bad("after is no order number"))?)
        }
        (None, None) => None,
    };
    let since = params
        .time("since")?
        .unwrap_or(params.now.saturating_sub(HOUR));
    let live_from = site.store.holdings().next;
    let is_of_another_run = after
        .as_ref()
        .is_some_and(|place| !place.is_of(site.started, live_from));
    let at = match after {
        Some(place) if !is_of_another_run => place.seq.saturating_add(1),
        _ => site.store.first_since(SIGNALS, since),
    };
    let (feed, pieces) = mpsc::channel(PIECES);
    let reader = Reader {
        at,
        live_from,
        is_of_another_run,
        replayed: Some(0),
        filter: Arc::new(params.filter()?),
        feed,
    };
    tokio::spawn(reader.run(Arc::clone(site)));
    let mut response = Response::new(Pieces(pieces).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For proxies that would otherwise wait for the end.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

/// The id of an event, `SEQ-RUN`: the order number that it comes to, and the moment at which the run began.
struct Place {
    seq: u64,
    /// `None` when somebody wrote an order number alone.
    run: Option<u64>,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (seq, run) = match text.trim().split_once('-') {
            Some((seq, run)) => (seq, Some(u64::from_str_radix(run, 16).ok()?)),
            None => (text.trim(), None),
        };
        let seq = seq.parse().ok()?;
        Some(Self { seq, run })
    }

    /// Whether this run gave it out, whose next order number is `next`.
    fn is_of(&self, run: u64, next: u64) -> bool {
        self.seq < next && self.run.is_none_or(|of| of == run)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.seq, self.run.unwrap_or_default())
    }
}

struct Reader {
    /// The order number it comes to next.
    at: u64,
    /// Up to here it is told what was before it came.
    live_from: u64,
    /// Whether it comes with a place that this run did not give it.
    is_of_another_run: bool,
    /// How many records it got of those; `None` when that is over.
    replayed: Option<u64>,
    filter: Arc<Filter>,
    feed: mpsc::Sender<Bytes>,
}

/// One step of a reader.
struct Step {
    written: Vec<u8>,
    n: u64,
    at: u64,
    /// Whether there may be more at once.
    is_full: bool,
}

impl Reader {
    async fn run(mut self, site: Arc<Site>) {
        let mut news = site.store.news();
        let mut stopping = site.stopping.subscribe();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        beat.reset();
        if self.is_of_another_run {
            let id = before(self.at, &site);
            let started = clock::rfc3339(site.started);
            let restarted =
                format!("event: restarted\nid: {id}\ndata: {{\"startedAt\":\"{started}\"}}\n\n");
            if !self.send(restarted).await {
                return;
            }
        }
        loop {
            news.mark_unchanged();
            let Some(is_full) = self.step(&site).await else {
                return;
            };
            if is_full {
                continue;
            }
            tokio::select! {
                changed = news.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // What arrives in quick succession goes out together.
                    tokio::time::sleep(PAUSE).await;
                }
                _ = beat.tick() => {
                    let id = before(self.at, &site);
                    let at = id.seq;
                    if !self.send(format!(": beat\nevent: at\nid: {id}\ndata: {{\"seq\":{at}}}\n\n")).await {
                        return;
                    }
                }
                _ = stopping.changed() => return,
                () = self.feed.closed() => return,
            }
        }
    }

    /// Sends what comes next; says whether there may be more, `None` when nobody reads any longer.
    async fn step(&mut self, site: &Arc<Site>) -> Option<bool> {
        if let Some((first, next)) = site.store.missed(SIGNALS, self.at) {
            let missed = next.saturating_sub(first);
            self.at = next;
            let lagged = format!(
                "event: lagged\nid: {}\ndata: {{\"missed\":{missed},\"firstMissed\":{first},\"nextSeq\":{next}}}\n\n",
                before(next, site)
            );
            if !self.send(lagged).await {
                return None;
            }
        }
        let (at, filter, site_) = (self.at, Arc::clone(&self.filter), Arc::clone(site));
        let step = tokio::task::spawn_blocking(move || step(&site_, &filter, at));
        let step = step.await.ok()?;
        self.at = step.at;
        if !step.written.is_empty() && !self.send(step.written).await {
            return None;
        }
        if let Some(n) = self.replayed.as_mut() {
            *n += step.n;
            if self.at >= self.live_from || !step.is_full {
                let (n, id) = (*n, before(self.at, site));
                self.replayed = None;
                let replayed = format!("event: replayed\nid: {id}\ndata: {{\"count\":{n}}}\n\n");
                if !self.send(replayed).await {
                    return None;
                }
            }
        }
        Some(step.is_full)
    }

    /// Waits until the reader takes it; `false` when it is gone or the collector stops.
    async fn send(&self, piece: impl Into<Bytes>) -> bool {
        self.feed.send(piece.into()).await.is_ok()
    }
}

/// The id of an event behind which this order number comes next.
fn before(next: u64, site: &Site) -> Place {
    Place {
        seq: next.saturating_sub(1),
        run: Some(site.started),
    }
}

fn step(site: &Site, filter: &Filter, at: u64) -> Step {
    // Everything that arrived before this moment is looked at, so the place may go on to here.
    let end = site.store.holdings().next;
    let mut scan = Scan::new(&site.store, filter, What::Logs, clock::now());
    scan.deadline = Instant::now() + STEP;
    let mut written = Vec::new();
    let run = format!("-{:x}", site.started);
    let mut n = 0;
    let outcome = scan.run(Order::OldestFirst, at, |item| {
        written.extend_from_slice(b"event: log\nid: ");
        write::number(item.seq(), &mut written);
        written.extend_from_slice(run.as_bytes());
        written.extend_from_slice(b"\ndata: ");
        write::log(item, &mut written);
        written.extend_from_slice(b"\n\n");
        n += 1;
        if n < MOST && written.len() < PIECE {
            Go::On
        } else {
            Go::Enough
        }
    });
    Step {
        written,
        n,
        at: outcome.next.unwrap_or(outcome.reached.max(end).max(at)),
        is_full: outcome.next.is_some(),
    }
}

/// The body of a stream.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

const SIGNALS: &[Signal] = &[Signal::Logs, Signal::Traces];
const HOUR: u64 = 3_600_000_000_000;
/// How many pieces wait for a reader.
const PIECES: usize = 1;
const PIECE: usize = 64 * 1024;
const MOST: u64 = 500;
const STEP: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(20);
const BEAT: Duration = Duration::from_secs(15);
