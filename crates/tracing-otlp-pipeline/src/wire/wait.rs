//! Reads how long a destination wants to be left alone.
//!
//! Part of `wire`, for answers that refuse: `Retry-After` of HTTP in both forms (RFC 9110, 10.2.3),
//! and `RetryInfo` of gRPC, which travels in `grpc-status-details-bin`.

use std::time::{Duration, SystemTime};

#[cfg(feature = "grpc")]
use base64::{Engine as _, engine};
use http::{
    HeaderMap,
    header::{DATE, HeaderName, RETRY_AFTER},
};
#[cfg(feature = "grpc")]
use prost::Message;

/// The wait that `Retry-After` asks for. A date is compared with the server's own clock where the
/// answer tells it, so that a wrong clock here does not matter. `None` when it makes no sense.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are as good as forever.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let then = httpdate::parse_http_date(text).ok()?;
    let now = date(headers, &DATE).unwrap_or_else(SystemTime::now);
    Some(then.duration_since(now).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// The wait that a `google.rpc.RetryInfo` asks for.
#[cfg(feature = "grpc")]
pub(super) fn retry_info(trailers: &HeaderMap) -> Option<Duration> {
    let text = trailers.get("grpc-status-details-bin")?.to_str().ok()?;
    // Padding is optional ("gRPC over HTTP2", Binary-Header).
    let bytes = engine::general_purpose::STANDARD_NO_PAD
        .decode(text.trim().trim_end_matches('='))
        .ok()?;
    let status = Status::decode(&*bytes).ok()?;
    let info = status
        .details
        .iter()
        .find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&*info.value)
        .ok()?
        .retry_delay
        .unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(seconds, nanos))
}

/// `google.rpc.Status`, without the code and message that the trailers tell anyway.
#[cfg(feature = "grpc")]
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[cfg(feature = "grpc")]
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[cfg(feature = "grpc")]
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[cfg(feature = "grpc")]
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_nonsense_is_ignored() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:52 GMT", Some(15)),
            // The two obsolete forms, which recipients must accept (RFC 9110, 5.6.7).
            ("Sunday, 06-Nov-94 08:49:52 GMT", Some(15)),
            ("Sun Nov  6 08:49:52 1994", Some(15)),
            // Long ago.
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(
                after(&[("retry-after", text), ("date", date)]),
                expected,
                "{text}"
            );
        }
        assert_eq!(after(&[]), None);
        // Without the server's clock, ours.
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let wait = after(&[("retry-after", &soon)]).unwrap();
        assert!((98..=100).contains(&wait.as_secs()), "{wait:?}");
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn retry_info_is_found_among_the_details() {
        let encode = |seconds, nanos, type_url: &str| {
            let info = RetryInfo {
                retry_delay: Some(Delay { seconds, nanos }),
            };
            Status {
                details: vec![
                    Any {
                        type_url: "type.googleapis.com/google.rpc.DebugInfo".into(),
                        value: vec![1, 2, 3],
                    },
                    Any {
                        type_url: type_url.into(),
                        value: info.encode_to_vec(),
                    },
                ],
            }
            .encode_to_vec()
        };
        let read = |text: &str| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status-details-bin", text.parse().unwrap());
            retry_info(&trailers)
        };
        let known = "type.googleapis.com/google.rpc.RetryInfo";
        for (seconds, nanos, expected) in [
            (7, 500_000_000, Some(Duration::from_millis(7500))),
            (-7, -5, Some(Duration::ZERO)),
            (
                i64::MAX,
                i32::MAX,
                Some(Duration::new(i64::MAX as u64, 999_999_999)),
            ),
        ] {
            let bytes = encode(seconds, nanos, known);
            let padded = engine::general_purpose::STANDARD.encode(&bytes);
            let unpadded = engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
            assert_eq!(read(&padded), expected);
            assert_eq!(read(&unpadded), expected);
        }
        let other = engine::general_purpose::STANDARD.encode(encode(7, 0, "x/other"));
        assert_eq!(read(&other), None);
        assert_eq!(read("!!"), None);
    }
}
