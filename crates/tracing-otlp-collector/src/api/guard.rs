//! Decides who may ask.
//!
//! A web page of somebody else can send requests to this machine. It may not read the answers: the
//! `Host` must be a name of this machine (a name that was made to point here is refused), and other
//! origins than our own page must be configured.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use super::answer::{Problem, empty};
use super::site::Site;
use crate::receive::Answer;

/// Refuses requests by a name that is not ours.
pub(super) fn check_host(parts: &Parts, site: &Site) -> Result<(), Problem> {
    let authority = parts
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| parts.headers.get(HOST)?.to_str().ok());
    // Who sends none is no browser.
    let Some(authority) = authority else {
        return Ok(());
    };
    let name = name_of(authority);
    // An address cannot have been made to point here by a name server.
    let is_address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .is_ok();
    let is_local =
        name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    let is_configured = site
        .hosts
        .iter()
        .any(|host| host.eq_ignore_ascii_case(name));
    if is_address || is_local || is_configured {
        Ok(())
    } else {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("{name:?} is not a name of this collector; allow it with --allow-host"),
        ))
    }
}

/// The authority without its port.
fn name_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        let end = authority.find(']').map_or(authority.len(), |at| at + 1);
        return &authority[..end];
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name)
}

/// What the `Origin` of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From<'a> {
    /// Our own page, or no page at all.
    Here,
    /// A page that is configured.
    Friend(&'a HeaderValue),
    Stranger,
}

pub(super) fn origin<'a>(parts: &'a Parts, site: &Site) -> From<'a> {
    let Some(value) = parts.headers.get(ORIGIN) else {
        return From::Here;
    };
    let Ok(origin) = value.to_str() else {
        return From::Stranger;
    };
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
    if own.is_some_and(|own| origin.strip_prefix("http://") == Some(own)) {
        From::Here
    } else if site.origins.iter().any(|one| one == origin || one == "*") {
        From::Friend(value)
    } else {
        From::Stranger
    }
}

/// The answer to a browser that asks whether it may ask.
pub(super) fn preflight(from: From<'_>) -> Response<Answer> {
    let From::Friend(_) = from else {
        return empty(StatusCode::FORBIDDEN);
    };
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("content-type, content-encoding, last-event-id"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets a configured page read the answer.
pub(super) fn mark(response: &mut Response<Answer>, from: From<'_>) {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let From::Friend(origin) = from {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}
