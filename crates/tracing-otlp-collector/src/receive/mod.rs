//! Takes OTLP requests from the wire and turns them into records.
//!
//! It is the collector's first stop: `thread` owns the runtime, `serve` accepts connections, `route`
//! says who answers, `http` and `grpc` speak the two protocols, `body` and `unpack` bound what a request may cost, `decode`
//! makes protobuf of JSON and has it checked. Then `retain` takes over.

mod body;
mod budget;
pub(crate) mod decode;
mod grpc;
mod http;
mod intake;
#[cfg(feature = "forward")]
mod once;
mod onward;
mod refusal;
mod route;
mod serve;
mod signal;
mod thread;
mod unpack;

pub use signal::{Protocol, Signal};

pub(crate) use http::browser_logs;
pub(crate) use intake::Intake;
pub(crate) use onward::{Onward, ToOnward};
pub(crate) use serve::Answer;
pub(crate) use thread::ReceiverThread;

#[cfg(feature = "forward")]
pub(crate) use {
    http::Format,
    once::{Announced, Reader, discard},
    refusal::Refusal,
    serve::Service,
    unpack::ACCEPTED as ACCEPTED_ENCODINGS,
};
