//! Everything the mapping knows, as request bodies read by somebody else's code: strictly valid
//! OTLP, the same in every protocol, and what was logged.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use tracing_otlp::{Compression, Protocol, Telemetry};
use tracing_otlp_collector::{Collector, Signal};
use tracing_otlp_tests::model::{LogRecord, Span};
use tracing_otlp_tests::peers::{Format, Oracle};
use tracing_otlp_tests::scenario;

/// The bodies of one run of the scenario, unpacked: those of logs, and those of spans.
fn bodies(protocol: Protocol) -> [Vec<Vec<u8>>; 2] {
    let collector = Collector::builder().keep_requests(true).start().unwrap();
    let telemetry = scenario::configure(Telemetry::builder().with_environment(|_| None))
        .with_endpoint(collector.endpoint())
        .with_protocol(protocol)
        .with_compression(Compression::None)
        .build()
        .unwrap();
    scenario::run(&telemetry);
    let report = telemetry.shutdown();
    assert_eq!(report.lost(), 0, "{report}");
    [Signal::Logs, Signal::Traces].map(|signal| {
        let requests = collector.requests().into_iter();
        let bodies = requests.filter(|request| request.signal() == signal);
        bodies.map(|request| request.body().to_vec()).collect()
    })
}

/// What the oracle reads in a run's bodies.
fn read(oracle: &Oracle, protocol: Protocol) -> (Vec<LogRecord>, Vec<Span>) {
    let format = match protocol {
        Protocol::HttpJson => Format::Json,
        _ => Format::Protobuf,
    };
    let [logs, spans] = bodies(protocol);
    assert!(!logs.is_empty() && !spans.is_empty());
    let spans = spans
        .iter()
        .flat_map(|body| oracle.spans(format, body).unwrap());
    (oracle.logs_of_each(format, &logs).unwrap(), spans.collect())
}

fn is_as_logged(protocol: Protocol) {
    let Some(oracle) = Oracle::find() else { return };
    let (logs, spans) = read(&oracle, protocol);
    scenario::assert_arrived(&logs, &spans);
}

#[test]
fn http_protobuf_is_as_logged() {
    is_as_logged(Protocol::HttpProtobuf);
}

#[test]
fn http_json_is_as_logged() {
    is_as_logged(Protocol::HttpJson);
}

#[test]
fn grpc_is_as_logged() {
    is_as_logged(Protocol::Grpc);
}

#[test]
fn every_protocol_says_the_same() {
    let Some(oracle) = Oracle::find() else { return };
    let protocols = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];
    let [protobuf, json, grpc] = protocols.map(|protocol| read(&oracle, protocol));
    for (logs, spans) in [&json, &grpc] {
        let (protobuf_logs, protobuf_spans) = (&protobuf.0, &protobuf.1);
        scenario::assert_same(
            &scenario::seen(logs, spans),
            &scenario::seen(protobuf_logs, protobuf_spans),
        );
        scenario::assert_same(
            &scenario::seen_spans(spans),
            &scenario::seen_spans(protobuf_spans),
        );
        // Who speaks is the same too.
        assert_eq!(
            logs[0].origin.resource.len(),
            protobuf_logs[0].origin.resource.len()
        );
        for (key, value) in &protobuf_logs[0].origin.resource {
            assert_eq!(logs[0].origin.resource(key), Some(value), "{key}");
        }
    }
}
