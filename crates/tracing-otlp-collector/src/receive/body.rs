//! Reads a request's body without letting it grow past the limit.
//!
//! It stands between the connection and `unpack`, and knows nothing of OTLP.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::budget::Held;
use super::decode::exact;
use super::refusal::{Reason, Refusal};

/// Reads up to `limit` bytes; one more refuses the request, and so does a budget that is used up.
pub(super) async fn read(
    body: &mut Incoming,
    limit: usize,
    mut held: Held,
) -> Result<(Bytes, Held), Refusal> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Refusal::too_large(limit));
    }
    // An announcement is a promise of the sender's, not a reason to reserve all of it at once.
    let mut whole =
        Vec::with_capacity(usize::try_from(announced).map_or(RESERVE, |n| n.min(RESERVE)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::new(Reason::Broken, format!("request body ended early: {error}"))
        })?;
        // Trailers carry nothing for us.
        if let Ok(data) = frame.into_data() {
            if data.remaining() > limit - whole.len() {
                return Err(Refusal::too_large(limit));
            }
            if !held.grow(data.remaining()) {
                return Err(Refusal::crowded());
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok((exact(whole), held))
}

/// Reads on for a moment and throws away.
///
/// A sender on HTTP/1 that is still writing when the connection closes sees a reset instead of the
/// answer, so a refusal waits for the rest of the body, within bounds.
pub(super) async fn discard(body: &mut Incoming) {
    let rest = async {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Running out of time or bytes only means that the sender may miss the reason.
    let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
}

const RESERVE: usize = 1024 * 1024;
const DISCARD_BYTES: usize = 128 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(1);
