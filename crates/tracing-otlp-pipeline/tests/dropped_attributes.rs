//! How many attributes a record has lost to limits reaches the wire in the field made for it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest, logs::v1::LogRecord,
};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use support::{PATIENCE, Received, Server};
use tracing_otlp_pipeline::{Compression, Destination, Encoder, Pipeline, Protocol, Signal};

const ENCODERS: [Encoder; 2] = [Encoder::Direct, Encoder::Official];

/// As the layer does it.
const ATTRIBUTE: &str = "otel.dropped_attributes_count";

fn emit(provider: &SdkLoggerProvider, body: &'static str, dropped: Option<AnyValue>) {
    let logger = provider.logger("test");
    let mut record = logger.create_log_record();
    record.set_body(body.into());
    record.add_attribute("kept", 1);
    if let Some(dropped) = dropped {
        record.add_attribute(ATTRIBUTE, dropped);
    }
    logger.emit(record);
}

fn sent(
    encoder: Encoder,
    protocol: Protocol,
    compression: Compression,
    dropped: &[Option<AnyValue>],
) -> Received {
    let server = Server::start([]);
    let destination = Destination::from_base(Signal::Logs, &server.url())
        .unwrap()
        .with_protocol(protocol)
        .with_compression(compression);
    let builder = Pipeline::builder().with_logs(destination);
    let pipeline = builder.with_encoder(encoder).build().unwrap();
    for value in dropped {
        emit(pipeline.logger_provider().unwrap(), "b", value.clone());
    }
    assert!(pipeline.shutdown(PATIENCE).is_complete());
    server.received().remove(0)
}

fn records(request: ExportLogsServiceRequest) -> Vec<LogRecord> {
    request
        .resource_logs
        .into_iter()
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .collect()
}

#[test]
fn the_count_reaches_the_field_and_the_attribute_is_gone() {
    let mut protocols = vec![Protocol::HttpProtobuf];
    if cfg!(feature = "grpc") {
        protocols.push(Protocol::Grpc);
    }
    let mut compressions = vec![Compression::None, Compression::Gzip];
    if cfg!(feature = "zstd") {
        compressions.push(Compression::Zstd);
    }
    for encoder in ENCODERS {
        for protocol in &protocols {
            for compression in &compressions {
                count_reaches_the_field(encoder, *protocol, *compression);
            }
        }
    }
}

fn count_reaches_the_field(encoder: Encoder, protocol: Protocol, compression: Compression) {
    let values = [Some(AnyValue::Int(7)), None, Some(AnyValue::Int(1))];
    let records = records(sent(encoder, protocol, compression, &values).logs());
    let counts: Vec<_> = records.iter().map(|r| r.dropped_attributes_count).collect();
    assert_eq!(counts, [7, 0, 1], "{encoder:?} {protocol} {compression}");
    for record in records {
        let keys: Vec<_> = record.attributes.iter().map(|a| &*a.key).collect();
        assert_eq!(keys, ["kept"]);
        assert!(record.body.is_some() && record.observed_time_unix_nano > 0);
    }
}

#[test]
fn the_count_reaches_json_too() {
    let values = [Some(AnyValue::Int(7)), None];
    for (encoder, compression) in ENCODERS
        .into_iter()
        .zip([Compression::None, Compression::Gzip])
    {
        let json = sent(encoder, Protocol::HttpJson, compression, &values).json();
        let records = &json["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        assert_eq!(records[0]["droppedAttributesCount"], 7);
        assert!(records[1].get("droppedAttributesCount").is_none());
        assert_eq!(records[0]["attributes"].as_array().unwrap().len(), 1);
        assert!(!json.to_string().contains(ATTRIBUTE));
    }
}

#[test]
fn what_is_no_number_is_somebodys_own_attribute_and_stays_theirs() {
    for encoder in ENCODERS {
        let text = Some(AnyValue::String("not a number".into()));
        let sent = sent(
            encoder,
            Protocol::HttpProtobuf,
            Compression::None,
            &[None, text],
        );
        let records = records(sent.logs());
        assert_eq!(records[0].dropped_attributes_count, 0);
        assert_eq!(records[1].attributes.len(), 2);
    }
}
