//! One attempt, and its outcome: for those whose own client waits for the answer.
//!
//! Uses `wire` without `deliver`. Nothing is kept and nothing tried again: whoever waits still has the
//! data, learns what became of it, and tries again; a queue in between would answer before it knows,
//! or send what its sender sends again.

use std::{fmt, time::Duration};

use super::Parcel;
use crate::{
    deliver::{Verdict, judge},
    encode::{Request, Shape},
    error::Error,
    settings::{DeliverySettings, Destination, Signal},
    wire::{Answer, Status, Transport as _, Wire},
};

/// Carries a request to its destination once.
///
/// It needs a Tokio runtime with I/O and time to run in, and keeps connections open between requests.
/// Telemetry is not suppressed by it: let it run where it is.
pub struct Courier {
    ways: [Option<(Wire, Shape)>; Signal::ALL.len()],
    /// What no answer may repeat.
    secrets: Vec<String>,
}

/// What a destination made of a request.
///
/// Nothing in it was written by the destination but the message of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// It took the request, though perhaps not all of its records (OTLP specification, "Partial
    /// Success").
    #[non_exhaustive]
    Accepted {
        /// How many records it did not take.
        rejected: u64,
        /// What it said about that. A message that repeats a header of the destination is left out.
        message: String,
    },
    /// It calls the request bad.
    Invalid,
    /// It calls the request too large.
    TooLarge,
    /// It does not accept our credentials.
    Unauthorized,
    /// It cannot take requests now.
    #[non_exhaustive]
    Busy {
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It answers with another error.
    #[non_exhaustive]
    Refused {
        /// Such as `HTTP 500`.
        status: String,
    },
    /// There was no answer.
    #[non_exhaustive]
    Unreachable {
        /// What happened.
        reason: String,
    },
    /// There was no answer within the destination's timeout.
    TimedOut,
}

impl Courier {
    /// Knows the way to these destinations, one for each signal.
    ///
    /// # Errors
    ///
    /// [`is_configuration`](Error::is_configuration) when a destination cannot be served by this
    /// build.
    pub fn new(destinations: impl IntoIterator<Item = Destination>) -> Result<Self, Error> {
        let defaults = DeliverySettings::default();
        let mut ways = [const { None }; Signal::ALL.len()];
        let mut secrets = Vec::new();
        for destination in destinations {
            destination.validate()?;
            let timeout = destination.timeout();
            let shape = Shape::of(&destination, defaults.max_request_bytes.get());
            for value in destination.headers().values() {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                // Without "Bearer" it is as secret.
                secrets.extend(value.split_whitespace().map(str::to_owned));
            }
            let connect = defaults.connect_timeout.min(timeout);
            let wire = Wire::new(&destination, timeout, connect)?;
            ways[destination.signal() as usize] = Some((wire, shape));
        }
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        secrets.sort();
        secrets.dedup();
        Ok(Self { ways, secrets })
    }

    /// Sends the request once and waits for the answer, at most as long as the destination's timeout.
    ///
    /// A future that is dropped gives up the attempt; whether the destination took the request is
    /// not known then.
    pub async fn send(&self, parcel: Parcel) -> Reply {
        let Some((wire, shape)) = &self.ways[parcel.signal as usize] else {
            return Reply::Unreachable {
                reason: format!("there is no destination for {}", parcel.signal),
            };
        };
        match fit(parcel, shape).await {
            Ok(request) => self.read(wire.send(&request).await),
            Err(_) => Reply::Invalid,
        }
    }

    fn read(&self, answer: Answer) -> Reply {
        let verdict = judge(&answer);
        match (answer, verdict) {
            (Answer::Accepted { rejected, message }, _) => Reply::Accepted {
                rejected,
                message: if self.secrets.iter().any(|secret| message.contains(secret)) {
                    String::new()
                } else {
                    message
                },
            },
            (Answer::Unreachable(reason), _) => Reply::Unreachable { reason },
            (Answer::TimedOut(_), _) => Reply::TimedOut,
            (Answer::Refused { retry_after, .. }, Verdict::Again { .. }) => {
                Reply::Busy { retry_after }
            }
            (Answer::Refused { .. }, Verdict::TooLarge) => Reply::TooLarge,
            (Answer::Refused { .. }, Verdict::Unauthorized) => Reply::Unauthorized,
            (
                Answer::Refused {
                    // INVALID_ARGUMENT
                    status: Status::Http(400) | Status::Grpc(3),
                    ..
                },
                _,
            ) => Reply::Invalid,
            (Answer::Refused { status, .. }, _) => Reply::Refused {
                status: status.to_string(),
            },
        }
    }
}

/// Gives the request its shape; what takes long is not done on the thread that others wait for.
async fn fit(parcel: Parcel, shape: &Shape) -> Result<Request, String> {
    let is_long = parcel.body.len() > LONG;
    let shape = shape.clone();
    let fit = move || shape.fit_plain(parcel.body, parcel.records);
    if is_long {
        let fitted = tokio::task::spawn_blocking(fit).await;
        return fitted.map_err(|error| error.to_string())?;
    }
    fit()
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.ways.iter().flatten().map(|(wire, _)| wire.url());
        f.debug_struct("Courier")
            .field("urls", &urls.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

const LONG: usize = 64 * 1024;

/// Shorter words, such as `Bearer` or a tenant's name, may stand in any message.
const SHORTEST_SECRET: usize = 8;
