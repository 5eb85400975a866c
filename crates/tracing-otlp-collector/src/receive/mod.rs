//! Takes OTLP requests from the wire and turns them into records.
//!
//! It is the collector's first stop: `thread` owns the runtime, `serve` accepts connections, `http`
//! and `grpc` speak the two protocols, `body` and `unpack` bound what a request may cost, `decode`
//! reads protobuf and `json` reads JSON. Then `retain` takes over.

mod body;
mod decode;
mod grpc;
mod http;
mod intake;
mod json;
mod refusal;
mod serve;
mod signal;
mod thread;
mod unpack;

pub use signal::{Protocol, Signal};

pub(crate) use intake::Intake;
pub(crate) use thread::ReceiverThread;
