//! Which web pages may use the proxy.
//!
//! Those of the configured origins, and programs that are no browsers. Tokens travel in a header that
//! a page has to set, never in cookies, so no answer allows credentials; and no answer says `*`.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};

use crate::Error;
use crate::receive::Answer;

#[derive(Clone, Debug, Default)]
pub(super) struct Origins(Vec<HeaderValue>);

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From<'a> {
    /// No page.
    Nowhere,
    Friend(&'a HeaderValue),
    Stranger,
}

impl Origins {
    /// Reads origins as browsers write them: `https://shop.example`, with a port where it is not the
    /// scheme's own.
    pub(super) fn new(origins: &[String]) -> Result<Self, Error> {
        let read = |origin: &String| {
            let refuse = || {
                Error::configuration(format!(
                    "{origin:?} is no origin; one looks like https://shop.example"
                ))
            };
            let uri: Uri = origin.parse().map_err(|_| refuse())?;
            let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
            // What a browser sends has no path, not even a slash.
            let whole = uri
                .authority()
                .map(|a| format!("{}://{a}", uri.scheme_str().unwrap_or_default()));
            if !is_web || whole.as_ref() != Some(origin) || origin.contains('@') {
                return Err(refuse());
            }
            let origin = origin.to_ascii_lowercase();
            HeaderValue::try_from(origin).map_err(|_| refuse())
        };
        origins.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn from<'a>(&self, headers: &'a HeaderMap) -> From<'a> {
        let mut all = headers.get_all(ORIGIN).iter();
        match (all.next(), all.next()) {
            (None, _) => From::Nowhere,
            (Some(one), None) if self.0.contains(one) => From::Friend(one),
            _ => From::Stranger,
        }
    }
}

/// The answer to a browser that asks whether it may ask.
pub(super) fn preflight() -> Response<Answer> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, content-encoding"),
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
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_origin_is_refused_at_the_start() {
        let read = |origin: &str| Origins::new(&[origin.to_owned()]);
        for origin in [
            "https://shop.example",
            "http://localhost:5173",
            "http://[::1]:80",
        ] {
            assert!(read(origin).is_ok(), "{origin}");
        }
        for origin in [
            "*",
            "null",
            "",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/path",
            "https://u@shop.example",
            "ftp://shop.example",
        ] {
            assert!(
                read(origin).is_err_and(|error| error.is_configuration()),
                "{origin}"
            );
        }
    }
}
