//! Runs the proxy until it is told to end, and makes tokens to try it with.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::SystemTime;

use tracing_otlp_collector::{Error, Proxy, RateLimit, SessionKeys, Upstream};

use crate::args;
use crate::out::{Trouble, complain, line};
use crate::serve::{describe, wait_for_the_end};
use crate::upstream::{variable, with_headers};

pub(crate) fn run(args: &args::Proxy) -> Result<ExitCode, Trouble> {
    let failed = |error: Error| Trouble::new(describe(&error));
    let upstream = Upstream::new(&args.upstream)
        .map_err(failed)?
        .with_protocol(args.protocol.into())
        .with_compression(args.compression.into())
        .with_timeout(args.timeout);
    let upstream = with_headers(upstream, &args.header, SECRET_HEADERS)?;
    let url = upstream.url();
    let one = |size| NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
    let rate = RateLimit::default()
        .with_requests(args.requests, args.request_burst)
        .with_bytes(one(args.bytes), one(args.byte_burst));
    let mut builder = Proxy::builder(upstream, keys()?)
        .with_address(args.listen)
        .with_rate(rate)
        .with_max_sessions(args.sessions)
        .with_max_body(args.max_body)
        .on_notice(|notice| complain(notice));
    for origin in &args.allow_origin {
        builder = builder.with_allowed_origin(origin);
    }
    if let Some(audience) = &args.audience {
        builder = builder.with_audience(audience);
    }
    let proxy = builder.start().map_err(failed)?;
    // Nobody has to listen: it is here to pass on.
    match line(format!("Proxy  {} -> {url}", proxy.endpoint())) {
        Ok(()) | Err(Trouble::Closed) => {}
        Err(other) => return Err(other),
    }
    wait_for_the_end()?;
    proxy.shutdown().map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn token(args: &args::Token) -> Result<ExitCode, Trouble> {
    let expires = SystemTime::now().checked_add(args.ttl);
    let expires = expires.ok_or_else(|| Trouble::new("no clock goes that far"))?;
    line(keys()?.sign(&args.session, expires, args.audience.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

fn keys() -> Result<SessionKeys, Trouble> {
    SessionKeys::parse(&variable(KEYS)?)
        .map_err(|error| Trouble::new(format!("{KEYS}: {}", describe(&error))))
}

const KEYS: &str = "TRACING_OTLP_PROXY_KEYS";
const SECRET_HEADERS: &str = "TRACING_OTLP_PROXY_SECRET_HEADERS";
