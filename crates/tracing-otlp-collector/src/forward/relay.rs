//! The plain relay: everything that is received goes on.
//!
//! `intake` passes each accepted request; the pipeline's relay sees it to its end on threads of its
//! own. What it loses it counts and says; the receiver never waits for it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tracing_otlp_pipeline::{
    DeliverySettings, Notice, Parcel, Relay, SeverityBand, Signal as Kind, SignalCounts,
};

use super::upstream::{self, Upstream};
use crate::otlp::to_json::{ObjectWriter, string};
use crate::query::write::number;
use crate::receive::{Onward, ToOnward};
use crate::retain::index::Indexed;
use crate::{Builder, Error, Signal};

type Callback = Arc<dyn Fn(&Notice) + Send + Sync>;

/// What a collector forwards to, and how; see [`Builder::with_forward`].
///
/// Delivery is that of `tracing-otlp-pipeline`: failed requests are tried again for five minutes, up
/// to 200,000 records or 64 MiB wait in memory, and where a spool is set, what would be lost waits on
/// disk.
#[derive(Clone)]
#[must_use]
pub struct Forward {
    upstream: Upstream,
    delivery: DeliverySettings,
    callback: Option<Callback>,
}

impl Forward {
    /// Forwards to this endpoint.
    pub fn to(upstream: Upstream) -> Self {
        Self {
            upstream,
            delivery: DeliverySettings::default(),
            callback: None,
        }
    }

    /// Sets the bounds of delivery: retries, memory, a spool.
    pub fn with_delivery(mut self, settings: DeliverySettings) -> Self {
        self.delivery = settings;
        self
    }

    /// Sets how long the end of the collector may wait for what is still on its way, five seconds
    /// unless set.
    pub fn with_shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.delivery = self.delivery.with_shutdown_deadline(deadline);
        self
    }

    /// Calls back with what people should know, such as an upstream that is down; without it nothing
    /// is said.
    pub fn on_notice(mut self, callback: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.callback = Some(Arc::new(callback));
        self
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("upstream", &self.upstream)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Sends everything that is accepted on to an endpoint too, off by default.
    ///
    /// Senders have their answer when the collector has the request; whatever the endpoint does, they
    /// do not wait for it. How it goes is in `/api/status`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_otlp_collector::{Collector, Forward, Upstream};
    ///
    /// let behind = Collector::start()?;
    /// let relay = Collector::builder()
    ///     .with_forward(Forward::to(Upstream::new(&behind.endpoint())?))
    ///     .start()?;
    /// # Ok::<(), tracing_otlp_collector::Error>(())
    /// ```
    pub fn with_forward(mut self, forward: Forward) -> Self {
        self.onward = Some(Arc::new(forward));
        self
    }
}

impl ToOnward for Forward {
    fn start(&self, listening: &[SocketAddr]) -> Result<Arc<dyn Onward>, Error> {
        let url = self.upstream.url();
        if listening.iter().any(|here| is_here(&url, here)) {
            return Err(Error::configuration(format!(
                "{url} is where this collector listens: it would forward to itself"
            )));
        }
        let mut relay = Relay::builder().with_delivery(self.delivery.clone());
        for destination in self.upstream.destinations() {
            relay = relay.with_destination(destination);
        }
        if let Some(callback) = self.callback.clone() {
            relay = relay.on_notice(move |notice| callback(notice));
        }
        Ok(Arc::new(Running {
            relay: relay.build().map_err(Error::upstream)?,
            url,
            deadline: self.delivery.shutdown_deadline(),
        }))
    }
}

/// Whether a URL leads to this listener, as far as can be seen without asking for names.
fn is_here(url: &str, here: &SocketAddr) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    let is_own = |ip: IpAddr| {
        ip == here.ip() || (here.ip().is_unspecified() && ip.is_loopback()) || ip.is_unspecified()
    };
    let by_name = host.eq_ignore_ascii_case("localhost")
        && (here.ip().is_loopback() || here.ip().is_unspecified());
    port == here.port() && (by_name || host.parse().is_ok_and(is_own))
}

#[derive(Debug)]
struct Running {
    relay: Relay,
    url: String,
    deadline: Duration,
}

impl Onward for Running {
    fn pass(&self, indexed: &Indexed) {
        self.relay.push(parcel(indexed));
    }

    fn status(&self, out: &mut Vec<u8>) {
        let counts = self.relay.counts();
        let mut object = ObjectWriter::new(out);
        string(&self.url, object.member("url"));
        for (name, kind) in [
            ("logs", Kind::Logs),
            ("spans", Kind::Traces),
            ("dataPoints", Kind::Metrics),
        ] {
            write(counts.signal(kind), object.member(name));
        }
        object.end();
    }

    fn end(&self) {
        let _counted = self.relay.shutdown(self.deadline);
    }
}

fn write(counts: &SignalCounts, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    for (name, count) in [
        ("received", counts.emitted() + counts.recovered()),
        ("delivered", counts.delivered()),
        ("pending", counts.pending()),
        ("spooled", counts.spooled()),
        ("lost", counts.lost()),
    ] {
        number(count, object.member(name));
    }
    let mut reasons = ObjectWriter::new(object.member("lostBy"));
    for (reason, count) in counts.by_reason() {
        number(count, reasons.member(reason));
    }
    reasons.end();
    object.end();
}

/// The request as it was checked; what it holds is counted by severity.
fn parcel(indexed: &Indexed) -> Parcel {
    let chunk = &indexed.chunk;
    let parcel = Parcel::new(upstream::signal(chunk.signal), chunk.bytes.clone());
    match chunk.signal {
        Signal::Logs => {
            let mut severities = [0_u64; SeverityBand::ALL.len()];
            for head in &chunk.heads {
                severities[band(head.severity) as usize] += 1;
            }
            severities[SeverityBand::Info as usize] += indexed.left_out;
            let all = SeverityBand::ALL.into_iter().zip(severities);
            all.fold(parcel, |parcel, (band, records)| {
                parcel.with_records(band, records)
            })
        }
        Signal::Traces => {
            let spans = chunk.heads.len() as u64 + indexed.left_out;
            parcel.with_records(SeverityBand::Info, spans)
        }
        Signal::Metrics => parcel.with_records(SeverityBand::Info, chunk.points),
    }
}

/// The band of a severity number.
fn band(severity: u8) -> SeverityBand {
    let index = severity
        .checked_sub(1)
        .map(|number| usize::from(number / 4));
    index
        .and_then(|index| SeverityBand::ALL.get(index).copied())
        .unwrap_or(SeverityBand::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_is_the_collector_itself_is_recognised() {
        let loopback: SocketAddr = "127.0.0.1:4318".parse().unwrap();
        let everywhere: SocketAddr = "0.0.0.0:4318".parse().unwrap();
        for url in [
            "http://127.0.0.1:4318",
            "http://localhost:4318/",
            "http://0.0.0.0:4318",
        ] {
            assert!(
                is_here(url, &loopback) && is_here(url, &everywhere),
                "{url}"
            );
        }
        for url in [
            "http://127.0.0.1:4319",
            "http://otlp.example:4318",
            "http://localhost",
        ] {
            assert!(
                !is_here(url, &loopback) && !is_here(url, &everywhere),
                "{url}"
            );
        }
        assert!(is_here("http://[::1]:80/", &"[::1]:80".parse().unwrap()));
    }
}
