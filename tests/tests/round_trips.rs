//! Everything the mapping knows, over every protocol and compression, to a collector in this
//! process: what arrives is what was logged, typed, and points at spans that arrived.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};

use tracing::{info, info_span};
use tracing_otlp::opentelemetry::trace::TracerProvider as _;
use tracing_otlp::opentelemetry::{Context, KeyValue};
use tracing_otlp::{
    Compression, LayerCounts, Protocol, Telemetry, TelemetryBuilder, UnsampledPolicy,
};
use tracing_otlp_collector::{Collector, ReceivedRequest, Signal};
use tracing_otlp_tests::model::{LogRecord, Value};
use tracing_otlp_tests::{collected, scenario};
use tracing_subscriber::prelude::*;

#[test]
fn http_protobuf_plain() {
    round_trip(Protocol::HttpProtobuf, Compression::None);
}

#[test]
fn http_protobuf_gzip() {
    round_trip(Protocol::HttpProtobuf, Compression::Gzip);
}

#[test]
fn http_protobuf_zstd() {
    round_trip(Protocol::HttpProtobuf, Compression::Zstd);
}

#[test]
fn http_json_plain() {
    round_trip(Protocol::HttpJson, Compression::None);
}

#[test]
fn http_json_gzip() {
    round_trip(Protocol::HttpJson, Compression::Gzip);
}

#[test]
fn http_json_zstd() {
    round_trip(Protocol::HttpJson, Compression::Zstd);
}

#[test]
fn grpc_plain() {
    round_trip(Protocol::Grpc, Compression::None);
}

#[test]
fn grpc_gzip() {
    round_trip(Protocol::Grpc, Compression::Gzip);
}

#[test]
fn grpc_zstd() {
    round_trip(Protocol::Grpc, Compression::Zstd);
}

fn round_trip(protocol: Protocol, compression: Compression) {
    let collector = Collector::builder().keep_requests(true).start().unwrap();
    let layer_counts = Arc::new(OnceLock::<LayerCounts>::new());
    let kept = Arc::clone(&layer_counts);
    let telemetry = scenario::configure(builder())
        .with_log_layer(move |layer| {
            kept.get_or_init(|| layer.counts());
            layer
        })
        .with_endpoint(collector.endpoint())
        .with_protocol(protocol)
        .with_compression(compression)
        .build()
        .unwrap();
    scenario::run(&telemetry);
    let report = telemetry.shutdown();

    scenario::assert_arrived(&collected::logs(&collector), &collected::spans(&collector));
    let (records, spans) = (scenario::records(), scenario::spans());
    assert_eq!(report.logs().emitted(), records.len() as u64, "{report}");
    assert_eq!(report.logs().delivered(), records.len() as u64, "{report}");
    assert_eq!(report.traces().delivered(), spans.len() as u64, "{report}");
    assert_eq!(report.lost(), 0, "{report}");
    let layer_counts = layer_counts.get().unwrap();
    assert_eq!(layer_counts.records(), records.len() as u64);
    assert_eq!(layer_counts.dropped_attributes(), scenario::DROPPED);

    let audit = collector.audit();
    let linked = records
        .iter()
        .filter(|record| record.span.is_some())
        .count();
    assert!(audit.is_clean(), "{audit}: {audit:?}");
    assert_eq!(
        (audit.records, audit.linked, audit.unlinked, audit.orphaned),
        (records.len(), linked, records.len() - linked, 0)
    );
    for request in collector.requests() {
        assert_sent_as(&request, protocol, compression);
    }
}

/// A builder that the process's environment does not reach.
fn builder() -> TelemetryBuilder {
    Telemetry::builder().with_environment(|_| None)
}

/// Content type, encoding and user agent, as OTLP wants them of this protocol.
fn assert_sent_as(request: &ReceivedRequest, protocol: Protocol, compression: Compression) {
    let encoding = match compression {
        Compression::Gzip => Some("gzip"),
        Compression::Zstd => Some("zstd"),
        _ => None,
    };
    assert_eq!(request.refusal(), None);
    assert_eq!(request.content_encoding(), encoding);
    assert_eq!(request.protocol().to_string(), protocol.to_string());
    let (content_type, header) = match protocol {
        Protocol::HttpJson => ("application/json", "content-encoding"),
        Protocol::Grpc => ("application/grpc", "grpc-encoding"),
        _ => ("application/x-protobuf", "content-encoding"),
    };
    let given = request.header("content-type").unwrap();
    assert!(
        given == content_type || given == format!("{content_type}+proto"),
        "{given}"
    );
    assert_eq!(request.header(header), encoding);
    if encoding.is_some() {
        assert!(request.wire_size() < request.body().len(), "it is packed");
    }
    let agent = request.header("user-agent").unwrap();
    assert!(agent.starts_with("OTel-OTLP-Exporter-Rust/"), "{agent}");
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        agent.ends_with(&format!(" tracing-otlp/{version}")),
        "{agent}"
    );
}

/// A builder with these variables and no others.
fn with_variables<const N: usize>(variables: [(&str, String); N]) -> TelemetryBuilder {
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    Telemetry::builder().with_environment(move |name| variables.get(name).cloned())
}

/// One linked record through this telemetry, to its end.
fn greet(telemetry: &Telemetry) {
    let subscriber = tracing_subscriber::registry()
        .with(telemetry.span_layer())
        .with(telemetry.log_layer());
    tracing::subscriber::with_default(subscriber, || {
        info_span!("greet").in_scope(|| info!("hello"));
    });
    let report = telemetry.shutdown();
    assert_eq!(report.lost(), 0, "{report}");
}

#[test]
fn the_environment_says_where_how_and_with_which_headers() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc] {
        let collector = Collector::builder().keep_requests(true).start().unwrap();
        let telemetry = with_variables([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_string()),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd".to_owned()),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none".to_owned()),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Basic%20YTpi%3D,x-tenant=general,x-code=environment".to_owned(),
            ),
            (
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "x-tenant=traces".to_owned(),
            ),
        ])
        .with_header("x-code", "code")
        .build()
        .unwrap();
        greet(&telemetry);

        let requests = collector.requests();
        assert_eq!(requests.len(), 2, "{protocol}");
        for request in requests {
            let of_logs = request.signal() == Signal::Logs;
            let compression = if of_logs {
                Compression::Zstd
            } else {
                Compression::None
            };
            // A body of a few bytes may grow when it is packed, so only the headers are looked at.
            assert_eq!(request.protocol().to_string(), protocol.to_string());
            assert_eq!(
                request.content_encoding(),
                of_logs.then_some(compression.as_str())
            );
            assert_eq!(request.header("x-code"), Some("code"));
            // A signal's own variable takes the place of the general one.
            let (tenant, authorization) = if of_logs {
                ("general", Some("Basic YTpi="))
            } else {
                ("traces", None)
            };
            assert_eq!(request.header("x-tenant"), Some(tenant));
            assert_eq!(request.header("authorization"), authorization);
        }
    }
}

#[test]
fn the_paths_are_those_of_the_endpoint() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", server.local_addr().unwrap());
    let telemetry = with_variables([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{origin}/base/")),
        (
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            format!("{origin}/as/it/is?key=1"),
        ),
    ])
    .build()
    .unwrap();
    let answering = std::thread::spawn(move || -> Vec<String> {
        let mut lines: Vec<_> = (0..2)
            .map(|_| answer(&server.accept().unwrap().0))
            .collect();
        lines.sort_unstable();
        lines
    });
    greet(&telemetry);
    assert_eq!(
        answering.join().unwrap(),
        [
            "POST /as/it/is?key=1 HTTP/1.1",
            "POST /base/v1/traces HTTP/1.1"
        ]
    );
}

/// Answers one request with 200 and hangs up; gives its first line.
fn answer(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut stream = stream;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    first.trim_end().to_owned()
}

#[test]
fn the_resource_is_the_environments_and_the_codes() {
    let collector = Collector::start().unwrap();
    let telemetry = with_variables([
        ("OTEL_SERVICE_NAME", "shop".to_owned()),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=not-this,team=gr%C3%BCn%2C%20blau,deployment.environment.name=test,\
             beaten=environment,pair=a%3Db"
                .to_owned(),
        ),
    ])
    .with_endpoint(collector.endpoint())
    .with_resource_attribute(KeyValue::new("beaten", "code"))
    .with_resource_attribute(KeyValue::new("replicas", 3))
    .build()
    .unwrap();
    greet(&telemetry);

    let (logs, spans) = (collected::logs(&collector), collected::spans(&collector));
    assert_eq!((logs.len(), spans.len()), (1, 1));
    for origin in [&logs[0].origin, &spans[0].origin] {
        for (key, expected) in [
            ("service.name", Value::from("shop")),
            ("team", "grün, blau".into()),
            ("deployment.environment.name", "test".into()),
            ("beaten", "code".into()),
            ("pair", "a=b".into()),
            ("replicas", 3.into()),
            ("telemetry.sdk.name", "opentelemetry".into()),
            ("telemetry.sdk.language", "rust".into()),
            ("telemetry.distro.name", "tracing-otlp".into()),
        ] {
            assert_eq!(origin.resource(key), Some(&expected), "{key}");
        }
        assert!(origin.resource("telemetry.sdk.version").is_some());
        let keys: std::collections::BTreeSet<_> =
            origin.resource.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), origin.resource.len(), "{:?}", origin.resource);
    }
}

#[test]
fn a_service_without_a_name_is_called_after_its_executable() {
    let collector = Collector::start().unwrap();
    let telemetry = builder()
        .with_endpoint(collector.endpoint())
        .build()
        .unwrap();
    greet(&telemetry);
    let logs = collected::logs(&collector);
    let name = logs[0].origin.resource("service.name");
    let name = name.and_then(Value::as_str).unwrap();
    assert!(name.starts_with("unknown_service:round_trips"), "{name}");
}

#[test]
fn the_environments_limits_hold_where_the_code_sets_none() {
    let collector = Collector::start().unwrap();
    let telemetry = with_variables([
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "2".to_owned()),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3".to_owned()),
    ])
    .with_endpoint(collector.endpoint())
    .build()
    .unwrap();
    let subscriber = tracing_subscriber::registry().with(telemetry.log_layer());
    tracing::subscriber::with_default(subscriber, || {
        info!(a = "12345", b = 12345, c = "gone", "a body is no attribute");
    });
    assert_eq!(telemetry.shutdown().lost(), 0);
    let logs = collected::logs(&collector);
    assert_eq!(
        logs[0].attributes,
        [
            ("a".to_owned(), "123".into()),
            ("b".to_owned(), 12345.into())
        ]
    );
    assert_eq!(logs[0].body, "a body is no attribute".into());
}

#[test]
fn the_policy_for_unsampled_traces_is_the_users() {
    for (policy, has_ids, attributes, records) in [
        (UnsampledPolicy::Detach, false, false, 2),
        (UnsampledPolicy::Keep, true, false, 2),
        (UnsampledPolicy::KeepAsAttributes, false, true, 2),
        (UnsampledPolicy::Drop, false, false, 1),
    ] {
        let collector = Collector::start().unwrap();
        let telemetry = with_variables([("OTEL_TRACES_SAMPLER", "always_off".to_owned())])
            .with_endpoint(collector.endpoint())
            .with_log_layer(move |layer| layer.with_unsampled(policy))
            .build()
            .unwrap();
        let subscriber = tracing_subscriber::registry()
            .with(telemetry.span_layer())
            .with(telemetry.log_layer());
        tracing::subscriber::with_default(subscriber, || {
            info_span!("span").in_scope(|| {
                info!("info");
                tracing::warn!("warn");
            });
        });
        let report = telemetry.shutdown();
        assert_eq!(report.lost(), 0, "{report}");
        let logs = collected::logs(&collector);
        assert_eq!(logs.len(), records, "{policy:?}");
        for log in &logs {
            let ids = [&log.trace_id, &log.span_id].map(|id| !id.is_empty());
            assert_eq!(ids, [has_ids; 2], "{policy:?}");
            let named = ["trace_id", "span_id"].map(|key| log.attribute(key).is_some());
            assert_eq!(named, [attributes; 2], "{policy:?}");
            assert_eq!(log.flags, 0, "unsampled");
        }
        assert!(collector.spans().is_empty());
        assert_eq!(
            collector.audit().orphaned,
            if has_ids { 2 } else { 0 },
            "the audit sees what the specification's default leaves behind"
        );
    }
}

#[test]
fn a_context_by_hand_counts_without_a_trace_layer_too() {
    use tracing_otlp::opentelemetry::trace::{TraceContextExt as _, Tracer as _};
    let collector = Collector::start().unwrap();
    let telemetry = builder()
        .with_endpoint(collector.endpoint())
        .build()
        .unwrap();
    let tracer = telemetry.tracer_provider().tracer("by hand");
    let subscriber = tracing_subscriber::registry().with(telemetry.log_layer());
    tracing::subscriber::with_default(subscriber, || {
        let context = Context::new().with_span(tracer.start("by hand"));
        let attached = context.clone().attach();
        info!("inside");
        info!(parent: None, "outside");
        drop(attached);
        context.span().end();
    });
    assert_points(
        &telemetry,
        &collector,
        &[("inside", "by hand")],
        &["outside"],
    );
}

#[test]
fn a_trace_layer_without_context_activation_is_enough() {
    let collector = Collector::start().unwrap();
    let telemetry = builder()
        .with_endpoint(collector.endpoint())
        .build()
        .unwrap();
    let tracer = telemetry.tracer_provider().tracer("mine");
    let trace_layer = tracing_otlp::tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_context_activation(false);
    let subscriber = tracing_subscriber::registry()
        .with(trace_layer)
        .with(telemetry.log_layer());
    tracing::subscriber::with_default(subscriber, || {
        let outer = info_span!("outer");
        outer.in_scope(|| {
            info!("in outer");
            info_span!("inner").in_scope(|| info!("in inner"));
            info!(parent: None, "outside");
        });
        info!(parent: &outer, "explicit");
    });
    assert_points(
        &telemetry,
        &collector,
        &[
            ("in outer", "outer"),
            ("in inner", "inner"),
            ("explicit", "outer"),
        ],
        &["outside"],
    );
}

/// Ends telemetry; then these bodies must point at spans of these names, those at nothing.
fn assert_points(
    telemetry: &Telemetry,
    collector: &Collector,
    inside: &[(&str, &str)],
    outside: &[&str],
) {
    let report = telemetry.shutdown();
    assert_eq!(report.lost(), 0, "{report}");
    let (logs, spans) = (collected::logs(collector), collected::spans(collector));
    let record = |body: &str| -> &LogRecord {
        let found = logs.iter().find(|log| log.body == Value::from(body));
        found.unwrap_or_else(|| panic!("{body} is not among {logs:?}"))
    };
    for (body, name) in inside {
        let (log, span) = (
            record(body),
            spans.iter().find(|span| span.name == *name).unwrap(),
        );
        assert_eq!(
            (&log.trace_id, &log.span_id),
            (&span.trace_id, &span.span_id),
            "{body}"
        );
    }
    for body in outside {
        let log = record(body);
        assert_eq!((&*log.trace_id, &*log.span_id), ("", ""), "{body}");
    }
    assert_eq!(logs.len(), inside.len() + outside.len());
    assert!(collector.audit().is_clean(), "{:?}", collector.audit());
}
