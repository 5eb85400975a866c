//! Our exporter → a real collector → its file exporter → somebody else's reading of the file.

use std::time::Duration;

use tracing_otlp_collector::{
    Collector, CollectorConfig, CollectorProcess, Destination, Files, ProcessState, RestartPolicy,
};
use tracing_otlp_tests::http;
use tracing_otlp_tests::model::{LogRecord, Span, Value};
use tracing_otlp_tests::peers::{Format, Oracle, Otelcol};
use tracing_otlp_tests::quickstart;
use tracing_otlp_tests::victim::{Victim, assert_delivered};

use crate::support::{Folder, PATIENCE, signal};

const VICTIM: &str = env!("CARGO_BIN_EXE_victim");

#[test]
fn over_http_protobuf_everything_arrives_at_the_collector() {
    arrives(
        "http-gzip",
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
    );
}

#[test]
fn over_http_protobuf_with_zstd_everything_arrives_at_the_collector() {
    arrives("http-zstd", &[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")]);
}

#[test]
fn over_http_json_everything_arrives_at_the_collector() {
    arrives("json", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
}

#[test]
fn over_grpc_everything_arrives_at_the_collector() {
    arrives("grpc-gzip", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
}

#[test]
fn over_grpc_with_zstd_everything_arrives_at_the_collector() {
    let zstd = ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd");
    arrives(
        "grpc-zstd",
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), zstd],
    );
}

fn arrives(name: &str, variables: &[(&str, &str)]) {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let Some(oracle) = Oracle::find() else { return };
    let folder = Folder::new(name);
    let file = folder.file("telemetry.jsonl");
    let collector = owned(&otelcol, &file).spawn().unwrap();
    let is_grpc = variables.contains(&("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"));
    let endpoint = if is_grpc {
        collector.grpc_endpoint()
    } else {
        collector.http_endpoint()
    };
    let printed = quickstart::run(&endpoint, variables);
    collector.shutdown().unwrap();
    let (logs, spans) = read(&oracle, &file);
    quickstart::check(&printed, &logs, &spans);
}

fn owned(otelcol: &Otelcol, file: &str) -> tracing_otlp_collector::CollectorProcessBuilder {
    CollectorProcess::builder()
        .with_binary(&otelcol.new)
        .with_start_timeout(PATIENCE)
        .with_grace(Duration::from_secs(20))
        .with_config(CollectorConfig::new().with_destination(Destination::file(file)))
}

/// Our files are for the real collector's `otlpjsonfile` receiver, which decodes each line as its OTLP receiver
/// decodes a body of JSON.
#[test]
fn each_line_of_the_files_that_our_receiver_writes_is_a_request_to_the_real_one() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let Some(oracle) = Oracle::find() else { return };
    let folder = Folder::new("our-files");
    let ours = Collector::builder()
        .with_files(Files::in_dir(folder.path().join("ours")))
        .start()
        .unwrap();
    let printed = quickstart::run(&ours.endpoint(), &[]);
    ours.shutdown().unwrap();
    let file = folder.file("telemetry.jsonl");
    let collector = owned(&otelcol, &file).spawn().unwrap();
    for entry in std::fs::read_dir(folder.path().join("ours")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let Some((signal, _)) = name.split_once('-') else {
            continue;
        };
        for line in std::fs::read_to_string(entry.path()).unwrap().lines() {
            let path = format!("/v1/{signal}");
            let json = [("content-type", "application/json")];
            let answer =
                http::post(collector.http_address(), &path, &json, line.as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{line}");
        }
    }
    collector.shutdown().unwrap();
    let (logs, spans) = read(&oracle, &file);
    quickstart::check(&printed, &logs, &spans);
}

/// What stands in the files that the collector has made of this one.
fn read(oracle: &Oracle, file: &str) -> (Vec<LogRecord>, Vec<Span>) {
    let lines = |signal: &str| {
        let file = file.replace(".jsonl", &format!("-{signal}.jsonl"));
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (mut logs, mut spans) = (Vec::new(), Vec::new());
    for line in lines("logs") {
        logs.extend(oracle.logs(Format::Json, line.as_bytes()).unwrap());
    }
    for line in lines("traces") {
        spans.extend(oracle.spans(Format::Json, line.as_bytes()).unwrap());
    }
    (logs, spans)
}

/// Each number once, and each pointing at the one span.
fn all_of(count: i64, logs: &[LogRecord], spans: &[Span]) {
    let mut numbers: Vec<_> = logs
        .iter()
        .map(|log| match log.attribute("number") {
            Some(Value::Int(number)) => *number,
            other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
    assert_eq!(spans.len(), 1);
    assert!(logs.iter().all(|log| log.span_id == spans[0].span_id));
}

#[test]
fn a_collector_that_was_killed_and_came_back_gets_what_waited_for_it() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let Some(oracle) = Oracle::find() else { return };
    let folder = Folder::new("killed");
    let file = folder.file("telemetry.jsonl");
    // Away for long enough that the first attempts fail, however slow the machine.
    let policy = RestartPolicy::default().with_first_wait(Duration::from_secs(3));
    let collector = owned(&otelcol, &file).with_restart(policy).spawn().unwrap();
    signal(collector.pid().unwrap(), "KILL");
    let is_away = |state| state == ProcessState::Restarting;
    collector.wait_for_state(is_away, PATIENCE).unwrap();
    let run = Victim::new(VICTIM, &["outlives-its-collector", "700", "700"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_endpoint())
        .succeed();
    assert_delivered(&run.last(), 700, 1);
    assert_eq!(collector.restarts(), 1);
    collector.shutdown().unwrap();
    let (logs, spans) = read(&oracle, &file);
    all_of(700, &logs, &spans);
}

#[test]
fn a_collector_that_comes_back_after_the_program_gets_what_was_spooled() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let Some(oracle) = Oracle::find() else { return };
    let folder = Folder::new("spooled");
    let (file, spool) = (folder.file("telemetry.jsonl"), folder.file("spool"));
    let collector = owned(&otelcol, &file).spawn().unwrap();
    let (endpoint, address) = (collector.http_endpoint(), collector.http_address());
    signal(collector.pid().unwrap(), "KILL");
    drop(collector);

    let victim = |records, deliveries| {
        let mode = ["outlives-its-collector", records, deliveries, &spool];
        Victim::new(VICTIM, &mode)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .succeed()
    };
    let run = victim("700", "0");
    let report = run.last();
    assert_eq!(report["elsewhere"], 700, "in the spool: {report:#}");
    assert_eq!(report["lost"], 0, "{report:#}");

    let config = CollectorConfig::new()
        .with_http_address(address)
        .with_destination(Destination::file(&file));
    let collector = owned(&otelcol, &file).with_config(config).spawn().unwrap();
    let report = victim("1", "701").last();
    assert_eq!(report["recovered"], 700, "{report:#}");
    assert_eq!(report["delivered"], 701, "{report:#}");
    collector.shutdown().unwrap();
    let (logs, spans) = read(&oracle, &file);
    assert_eq!(logs.len(), 701);
    assert_eq!(spans.len(), 2);
    for span in &spans {
        let of_it: Vec<_> = logs
            .iter()
            .filter(|log| log.span_id == span.span_id)
            .cloned()
            .collect();
        let count = if of_it.len() == 1 { 1 } else { 700 };
        all_of(count, &of_it, std::slice::from_ref(span));
    }
}
