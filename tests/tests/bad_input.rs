//! Settings that are wrong, settings that contradict each other, and values that do harm.
//!
//! A bad setting is one error that names it, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::Value;
use tracing_otlp_collector::{Collector, Protocol, StoredLog, StoredSpan};
use tracing_otlp_tests::places::Refusing;
use tracing_otlp_tests::victim::{PATIENCE, Run, Victim, assert_balanced, assert_delivered};

/// What must never be shown.
const SECRET: &str = "hunter2";

fn victim(mode: &[&str]) -> Victim {
    Victim::new(env!("CARGO_BIN_EXE_victim"), mode)
}

fn configured(collector: &Collector) -> Victim {
    victim(&["configured"]).to(collector)
}

// ---- one error that names it

/// Variable, bad value.
const BAD: &[(&str, &str)] = &[
    ("RUST_LOG", "a=b=c"),
    ("RUST_LOG", "[[["),
    ("TRACING_OTLP_CONSOLE", "yes"),
    ("OTEL_RESOURCE_ATTRIBUTES", "nameless"),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=1,=2"),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=%FF"),
    ("OTEL_PROPAGATORS", "b3"),
    ("OTEL_PROPAGATORS", "tracecontext,none"),
    ("OTEL_LOGS_EXPORTER", "zipkin"),
    ("OTEL_TRACES_EXPORTER", "zipkin"),
    ("OTEL_TRACES_SAMPLER", "sometimes"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://localhost"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:99999"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b/"),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "/v1/logs"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http:/localhost"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http"),
    ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/xml"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "protobuf"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "lz4"),
    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "br"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "1"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
    ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "-1"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1.5"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"),
    ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/etc/key.pem"),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/etc/c.pem"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "soon"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "0"),
    ("OTEL_BLRP_EXPORT_TIMEOUT", "-5"),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "0"),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "99999999999999999999999"),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "9999999999999999"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "16777217"),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "0"),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "32769"),
    ("OTEL_BSP_SCHEDULE_DELAY", "x"),
    ("OTEL_BSP_EXPORT_TIMEOUT", "x"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "x"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many"),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1"),
    ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "lots"),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1KiB"),
    ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1"),
];

/// `init` failed with one error that names this, nothing was installed, and the next one works.
fn assert_refused(run: &Run, collector: &Collector, name: &str, value: Option<&str>) {
    let told = run.told();
    assert_eq!(told.len(), 2, "{name}: {run:#?}");
    let refusal = &told[0];
    assert_eq!(refusal["variable"], name, "{refusal:#}");
    let error = refusal["error"].as_str().unwrap();
    assert!(error.starts_with(&format!("{name}=")), "{error}");
    assert!(!error.contains('\n') && !error.ends_with('.'), "{error}");
    if let Some(value) = value {
        assert_eq!(refusal["value"], value, "{refusal:#}");
        assert!(error.contains(&format!("{value:?}")), "{error}");
    }
    assert_eq!(refusal["already_set"], false, "{refusal:#}");
    assert_eq!(refusal["subscriber"], false, "{refusal:#}");
    assert_eq!(refusal["log"], "OFF", "{refusal:#}");
    assert_delivered(&told[1], 1, 0);
    assert!(run.stderr.is_empty(), "{name}: {run:#?}");
    assert!(!format!("{run:?}").contains(SECRET), "{name}: {run:#?}");
    let logs = collector.logs();
    let bodies: Vec<_> = logs.iter().map(StoredLog::body_str).collect();
    assert_eq!(bodies, [Some("right at last")], "{name}");
    collector.clear();
}

/// Runs with one bad variable.
fn refused(collector: &Collector, name: &str, value: impl AsRef<OsStr>) -> Run {
    victim(&["refused", &collector.endpoint()])
        .env(name, value)
        .succeed()
}

#[test]
fn a_bad_value_is_one_error_that_names_it_and_nothing_stays_behind() {
    let collector = Collector::start().unwrap();
    for (name, value) in BAD {
        let run = refused(&collector, name, value);
        assert_refused(&run, &collector, name, Some(value));
    }
}

#[test]
fn a_bad_argument_of_a_sampler_is_named() {
    let collector = Collector::start().unwrap();
    for sampler in ["traceidratio", "parentbased_traceidratio"] {
        for value in ["half", "1.5", "-0.1", "NaN"] {
            let run = victim(&["refused", &collector.endpoint()])
                .env("OTEL_TRACES_SAMPLER", sampler)
                .env("OTEL_TRACES_SAMPLER_ARG", value)
                .succeed();
            assert_refused(&run, &collector, "OTEL_TRACES_SAMPLER_ARG", Some(value));
        }
    }
}

#[test]
fn a_bad_value_is_found_where_it_does_not_matter_today() {
    let collector = Collector::start().unwrap();
    for other in ["OTEL_SDK_DISABLED=true", "OTEL_BLRP_MAX_QUEUE_SIZE=9"] {
        let (name, value) = other.split_once('=').unwrap();
        let run = victim(&["refused", &collector.endpoint()])
            .env(name, value)
            .env("OTEL_TRACES_SAMPLER", "sometimes")
            .succeed();
        assert_refused(&run, &collector, "OTEL_TRACES_SAMPLER", Some("sometimes"));
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_refused() {
    let collector = Collector::start().unwrap();
    let mut names: Vec<&str> = BAD.iter().map(|(name, _)| *name).collect();
    names.extend(["OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_HEADERS"]);
    names.extend(["OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"]);
    names.dedup();
    for name in names {
        let run = refused(&collector, name, OsStr::from_bytes(b"caf\xe9"));
        assert_refused(&run, &collector, name, Some("\u{fffd}"));
    }
}

#[test]
fn secrets_in_bad_headers_and_endpoints_are_masked() {
    let collector = Collector::start().unwrap();
    for what in ["", "LOGS_", "TRACES_"] {
        let name = format!("OTEL_EXPORTER_OTLP_{what}HEADERS");
        for value in [
            "authorization hunter2",
            "content-length=5,x-key=hunter2",
            "x-key=hunter2,hunter2",
            "=hunter2",
            "x-key=hunter2%FF",
            "x key=hunter2",
            "x-key=hunter2%0A",
            "hunter2:=x",
        ] {
            let run = refused(&collector, &name, value);
            assert_refused(&run, &collector, &name, Some("***"));
        }
        let name = format!("OTEL_EXPORTER_OTLP_{what}ENDPOINT");
        for value in [
            "ftp://me:hunter2@localhost",
            "http://me:hunter2@localhost:99999",
            "http://me:hunter2@/?key=hunter2",
            "https//me:hunter2@localhost",
            "me:hunter2@localhost:4318",
            "http://localhost:99999/?token=hunter2",
            "http://localhost:99999/#hunter2",
            "http://me:hun/hunter2@localhost:99999",
            "http://me:hunter2#@localhost",
        ] {
            let run = refused(&collector, &name, value);
            assert_refused(&run, &collector, &name, None);
        }
    }
}

#[test]
fn bad_settings_in_code_are_named_after_their_method() {
    for (what, name) in [
        ("filter", "with_filter"),
        ("endpoint", "with_endpoint"),
        ("scheme", "with_endpoint"),
        ("header", "with_header"),
        ("header-name", "with_header"),
    ] {
        let run = victim(&["refused-in-code", what]).succeed();
        assert_eq!(run.last()["variable"], name, "{run:#?}");
        assert!(!format!("{run:?}").contains(SECRET), "{run:#?}");
    }
    let run = victim(&["refused-in-code", "deadline"]).succeed();
    assert!(run.last()["error"].is_string(), "{run:#?}");
}

#[test]
fn nothing_public_shows_a_secret() {
    let collector = Collector::start().unwrap();
    let port = collector.local_addr().port();
    let refusing = Refusing::start().address();
    for endpoint in [
        format!("http://me:{SECRET}@127.0.0.1:{port}/?key={SECRET}"),
        format!("http://me:{SECRET}@{refusing}/?key={SECRET}"),
    ] {
        for console in ["off", "json", "text"] {
            let run = victim(&["shown", &endpoint])
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
                .env("OTEL_EXPORTER_OTLP_HEADERS", format!("x-token={SECRET}"))
                .env("TRACING_OTLP_CONSOLE", console)
                .env("RUST_LOG", "trace")
                .succeed();
            assert_eq!(run.told().len(), 7, "{run:#?}");
            assert!(!format!("{run:?}").contains(SECRET), "{run:#?}");
        }
    }
}

// ---- which one counts

#[test]
fn empty_is_unset() {
    let collector = Collector::start().unwrap();
    let mut run = configured(&collector);
    let general = ["OTEL_EXPORTER_OTLP_ENDPOINT"];
    let mut names: Vec<&str> = BAD.iter().map(|(name, _)| *name).collect();
    names.extend(["OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME"]);
    names.extend(["OTEL_TRACES_SAMPLER_ARG", "OTEL_EXPORTER_OTLP_HEADERS"]);
    names.extend(["OTEL_EXPORTER_OTLP_LOGS_HEADERS"]);
    for (number, name) in names.iter().filter(|n| !general.contains(n)).enumerate() {
        run = run.env(name, if number % 2 == 0 { "" } else { " \t" });
    }
    let run = run.env("TRACING_OTLP_CONSOLE", "off").succeed();
    assert_delivered(&run.last(), 1, 1);
    let logs = collector.logs();
    assert_eq!(
        logs[0].resource_attr_str("service.name"),
        Some("unknown_service:victim")
    );
}

#[test]
fn an_empty_variable_of_a_signal_leaves_the_general_one() {
    let collector = Collector::builder().keep_requests(true).start().unwrap();
    let run = configured(&collector)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-who=general")
        .env("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "")
        .succeed();
    assert_delivered(&run.last(), 1, 1);
    for request in collector.requests() {
        assert_eq!(request.header("x-who"), Some("general"));
    }
}

#[test]
fn a_signals_own_variable_beats_the_general_one() {
    let logs = Collector::builder().keep_requests(true).start().unwrap();
    let traces = Collector::builder().keep_requests(true).start().unwrap();
    let nowhere = Refusing::start();
    let run = victim(&["configured"])
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}", nowhere.address()),
        )
        .env(
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            logs.endpoint() + "/v1/logs",
        )
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces.endpoint())
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        .env("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "zstd")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-who=general")
        .env("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-whose=traces")
        .succeed();
    assert_delivered(&run.last(), 1, 1);

    let (logs, traces) = (logs.requests(), traces.requests());
    assert_eq!((logs.len(), traces.len()), (1, 1));
    assert_eq!(logs[0].protocol(), Protocol::HttpJson);
    assert_eq!(logs[0].content_encoding(), Some("zstd"));
    assert_eq!(logs[0].header("x-who"), Some("general"));
    assert_eq!(traces[0].protocol(), Protocol::Grpc);
    assert!(matches!(
        traces[0].content_encoding(),
        None | Some("identity")
    ));
    assert_eq!(traces[0].header("x-whose"), Some("traces"));
    assert_eq!(traces[0].header("x-who"), None);
}

#[test]
fn code_beats_the_environment() {
    let collector = Collector::builder().keep_requests(true).start().unwrap();
    let nowhere = format!("http://{}", Refusing::start().address());
    let run = victim(&["in-code", &collector.endpoint()])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &nowhere)
        .env("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &nowhere)
        .env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-who=environment,x-too=kept")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        .env("OTEL_SERVICE_NAME", "from-environment")
        .env("OTEL_RESOURCE_ATTRIBUTES", "service.name=x,region=eu")
        .env("OTEL_TRACES_SAMPLER", "always_off")
        .env("RUST_LOG", "off")
        .env("TRACING_OTLP_CONSOLE", "json")
        .succeed();
    assert_delivered(&run.last(), 1, 1);
    assert!(run.stderr.is_empty(), "{run:#?}");
    for request in collector.requests() {
        assert_eq!(request.protocol(), Protocol::HttpProtobuf);
        assert_eq!(request.content_encoding(), None);
        assert_eq!(request.header("x-who"), Some("code"));
        assert_eq!(request.header("x-too"), Some("kept"));
    }
    let log = &collector.logs()[0];
    assert_eq!(log.resource_attr_str("service.name"), Some("from-code"));
    assert_eq!(log.resource_attr_str("region"), Some("eu"));
}

#[test]
fn grpc_takes_host_and_port_and_insecure_says_what_that_means() {
    for (insecure, delivered) in [("", true), ("true", true), ("false", false)] {
        let collector = Collector::start().unwrap();
        let run = victim(&["configured"])
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                collector.local_addr().to_string(),
            )
            .env("OTEL_EXPORTER_OTLP_INSECURE", insecure)
            .succeed();
        let report = run.last();
        assert_balanced(&report);
        assert_eq!(report["delivered"] == 1, delivered, "{insecure}: {run:#?}");
        assert_eq!(collector.counts().logs == 1, delivered, "{insecure}");
        let https = run.said().iter().any(|line| line.contains("https://"));
        assert_eq!(https, !delivered, "{insecure}: {run:#?}");
    }
}

#[test]
fn the_name_of_the_service_beats_the_attributes_of_the_resource() {
    let collector = Collector::start().unwrap();
    configured(&collector)
        .env("OTEL_SERVICE_NAME", "shop")
        .env("OTEL_RESOURCE_ATTRIBUTES", "service.name=x,team=a%2Cb")
        .succeed();
    let received = collector.snapshot();
    assert_eq!(
        received.logs[0].resource_attr_str("service.name"),
        Some("shop")
    );
    assert_eq!(received.logs[0].resource_attr_str("team"), Some("a,b"));
    assert_eq!(
        received.spans[0].resource_attr_str("service.name"),
        Some("shop")
    );
}

#[test]
fn limits_of_the_environment_hold() {
    let collector = Collector::start().unwrap();
    configured(&collector)
        .env("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "9")
        .env("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
        .env("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "1")
        .succeed();
    let log = &collector.logs()[0];
    assert_eq!(log.attributes().len(), 1, "{log:#?}");
    assert_eq!(log.attr_str("text"), Some("0123"));
}

#[test]
fn a_disabled_sdk_sends_nothing_and_prints_all_the_same() {
    for value in ["true", "TRUE", " True "] {
        let collector = Collector::start().unwrap();
        let run = configured(&collector)
            .env("OTEL_SDK_DISABLED", value)
            .env("TRACING_OTLP_CONSOLE", "json")
            .succeed();
        assert_delivered(&run.last(), 0, 0);
        assert_eq!(collector.counts().requests(), 0);
        assert_eq!(run.stderr.len(), 1, "{run:#?}");
        let line: Value = serde_json::from_str(&run.stderr[0]).unwrap();
        assert_eq!(line["message"], "working");
    }
    // Source: specification, "Boolean": everything else is false.
    for value in ["1", "yes", "false"] {
        let collector = Collector::start().unwrap();
        let run = configured(&collector)
            .env("OTEL_SDK_DISABLED", value)
            .succeed();
        assert_delivered(&run.last(), 1, 1);
    }
}

#[test]
fn logs_can_stay_at_home() {
    let collector = Collector::start().unwrap();
    let run = configured(&collector)
        .env("OTEL_LOGS_EXPORTER", "none")
        .succeed();
    assert_delivered(&run.last(), 0, 1);
    let counts = collector.counts();
    assert_eq!((counts.logs, counts.spans), (0, 1));
}

#[test]
fn records_of_traces_that_nobody_exports_carry_no_ids() {
    for settings in [
        &[("OTEL_TRACES_EXPORTER", "none")][..],
        &[("OTEL_TRACES_SAMPLER", "always_off")],
        &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")],
        &[
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ],
        &[
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.0"),
        ],
    ] {
        for protocol in ["http/protobuf", "http/json", "grpc"] {
            let collector = Collector::start().unwrap();
            let mut victim = configured(&collector).env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
            for (name, value) in settings {
                victim = victim.env(name, value);
            }
            assert_delivered(&victim.succeed().last(), 1, 0);
            let log = &collector.logs()[0];
            assert_eq!((log.trace_id_hex(), log.span_id_hex()), (None, None));
            assert_eq!(log.flags(), 0);
            assert_eq!(
                collector.audit().to_string(),
                "records=1 linked=0 unlinked=1 orphaned=0",
                "{settings:?}"
            );
        }
    }
}

#[test]
fn propagators_are_chosen() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    for (chosen, trace, baggage) in [
        (None, true, true),
        (Some("tracecontext,baggage"), true, true),
        (Some("baggage, tracecontext , baggage"), true, true),
        (Some("tracecontext"), true, false),
        (Some("baggage"), false, true),
        (Some("none"), false, false),
    ] {
        let collector = Collector::start().unwrap();
        let mut victim = victim(&["propagates"]).to(&collector);
        if let Some(chosen) = chosen {
            victim = victim.env("OTEL_PROPAGATORS", chosen);
        }
        let told = victim.succeed().last();
        assert_eq!(told["trace"] == TRACE, trace, "{chosen:?}: {told:#}");
        assert_eq!(told["traceparent"].is_string(), trace, "{chosen:?}");
        assert_eq!(told["baggage"] == "tenant=blue", baggage, "{chosen:?}");
        let spans = collector.spans();
        assert_eq!(
            spans[0].parent_span_id_hex().as_deref(),
            trace.then_some("b7ad6b7169203331")
        );
        assert_eq!(
            collector.logs()[0].span_id_hex(),
            spans[0].span_id_hex(),
            "{chosen:?}"
        );
    }
}

// ---- what is said to people

#[test]
fn an_outage_is_one_line_when_it_begins_and_one_when_it_ends() {
    for protocol in ["http/protobuf", "grpc"] {
        // A port of an address where nobody else listens while ours do not.
        let host = if cfg!(target_os = "linux") { 2 } else { 1 };
        let builder = Collector::builder().with_address(([127, 0, 0, host], 0).into());
        let address = builder.start().unwrap().local_addr();
        let endpoint = format!("http://{address}");
        let start = || {
            let builder = Collector::builder().with_address(address);
            builder.start().unwrap()
        };
        let mut child = victim(&["sees-an-outage"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .start();
        let saw = |count: usize| {
            child
                .wait_for_stdout(PATIENCE, |lines| lines.len() >= count)
                .unwrap();
        };
        saw(1);
        let collector = start();
        saw(2);
        collector.shutdown().unwrap();
        saw(3);
        let again = start();
        assert!(child.wait(PATIENCE).unwrap().success());
        let lines = child.stderr();
        let starts = [
            format!("tracing-otlp: cannot deliver logs to {endpoint}"),
            format!("tracing-otlp: delivering logs to {endpoint}"),
            format!("tracing-otlp: cannot deliver logs to {endpoint}"),
            format!("tracing-otlp: delivering logs to {endpoint}"),
        ];
        // Either signal may be the first to notice.
        let lines: Vec<_> = lines.iter().map(|l| l.replace("traces", "logs")).collect();
        let as_expected = lines.len() == starts.len()
            && lines
                .iter()
                .zip(&starts)
                .all(|(line, s)| line.starts_with(s));
        assert!(as_expected, "{protocol}: {lines:#?}");

        let report: Value = serde_json::from_str(child.stdout().last().unwrap()).unwrap();
        assert_balanced(&report);
        // All was tried again until it arrived, so there is nothing to say at the end.
        assert_eq!(report["lost"], 0, "{report:#}");
        assert_eq!(report["spans"]["lost"], 0, "{report:#}");
        let received = collector.counts().logs + again.counts().logs;
        assert_eq!(report["delivered"], received, "{report:#}");
    }
}

#[test]
fn a_stderr_that_takes_nothing_harms_nobody() {
    let refusing = Refusing::start();
    let closed = || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        Stdio::from(OwnedFd::from(ours))
    };
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for mode in ["configured", "hostile-values", "panics-in-a-thread"] {
        for console in ["json", "text", "auto"] {
            for stderr in [closed(), full()] {
                let output = victim(&[mode])
                    .env(
                        "OTEL_EXPORTER_OTLP_ENDPOINT",
                        format!("http://{}", refusing.address()),
                    )
                    .env("TRACING_OTLP_CONSOLE", console)
                    .into_command()
                    .stderr(stderr)
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{mode} {console}: {output:?}");
            }
        }
    }
}

// ---- values that do harm

/// Runs the mode with every console and filter; what arrived is looked at with `look`.
fn survives(mode: &str, endless: bool, look: impl Fn(&[&str], &Collector)) {
    for console in ["off", "json", "text"] {
        for level in ["info", "trace"] {
            let collector = Collector::start().unwrap();
            let run = victim(&[mode])
                .to(&collector)
                .env("TRACING_OTLP_CONSOLE", console)
                .env("RUST_LOG", level)
                .succeed();
            let report = run.last();
            assert_balanced(&report);
            // Only what logs itself without end is cut; that is counted, and told in one record.
            let cut = report["by_reason"]["reentrant"].as_u64().unwrap_or(0);
            let summaries = report["summaries"].as_u64().unwrap();
            assert_eq!(report["lost"], cut, "{report:#}");
            assert_eq!(
                (cut > 0, summaries),
                (endless, endless.into()),
                "{report:#}"
            );
            let said = run.said();
            assert!(said.iter().all(|line| line.starts_with("at shutdown: ")));
            assert_eq!(said.len(), usize::from(endless), "{run:#?}");
            assert!(collector.audit().is_clean(), "{}", collector.audit());
            let logs = collector.logs();
            assert!(logs.iter().all(|log| log.severity_number() < 21));
            let bodies: Vec<_> = logs.iter().filter_map(StoredLog::body_str).collect();
            look(&bodies, &collector);
            if console == "json" {
                let lines = run.stderr.iter().filter(|line| line.starts_with('{'));
                for line in lines.clone() {
                    serde_json::from_str::<Value>(line).unwrap();
                }
                let ours = usize::try_from(summaries).unwrap();
                assert_eq!(lines.count(), bodies.len() - ours, "{run:#?}");
            }
        }
    }
}

fn count(bodies: &[&str], body: &str) -> usize {
    bodies.iter().filter(|known| **known == body).count()
}

#[test]
fn values_of_events_that_log_or_panic_while_shown_harm_nobody() {
    survives("hostile-values", true, |bodies, collector| {
        for body in ["chatty", "bomb", "mute", "endless", "error", "still here"] {
            assert_eq!(count(bodies, body), 1, "{body}: {bodies:#?}");
        }
        for body in ["message chatty", "log chatty"] {
            assert_eq!(count(bodies, body), 1, "{body}: {bodies:#?}");
        }
        // Four of the values log, once each; the endless one is cut.
        assert_eq!(count(bodies, "from inside"), 4, "{bodies:#?}");
        assert_eq!(count(bodies, "deeper"), 1, "{bodies:#?}");
        let spans = collector.spans();
        let names: Vec<_> = spans.iter().map(StoredSpan::name).collect();
        assert_eq!(names, ["work"]);
    });
}

#[test]
fn values_of_spans_that_log_while_shown_harm_nobody() {
    survives("chatty-spans", true, |bodies, collector| {
        assert_eq!(count(bodies, "still here"), 1, "{bodies:#?}");
        assert_eq!(count(bodies, "from inside"), 3, "{bodies:#?}");
        let spans = collector.spans();
        let work = spans.iter().find(|span| span.name() == "work").unwrap();
        for field in ["chatty", "later"] {
            assert_eq!(work.attr_str(field), Some("chatty"));
        }
        assert_eq!(work.attr_str("deeper"), Some("endless"));
    });
}

#[test]
fn values_of_spans_that_panic_while_shown_harm_nobody() {
    survives("exploding-spans", false, |bodies, collector| {
        assert_eq!(count(bodies, "inside"), 1, "{bodies:#?}");
        assert_eq!(count(bodies, "still here"), 1, "{bodies:#?}");
        let received = collector.snapshot();
        let work = received.spans.iter().find(|span| span.name() == "work");
        let work = work.unwrap();
        assert_eq!(work.attr_i64("number"), Some(7));
        for field in ["bomb", "later"] {
            let shown = work.attr_str(field);
            assert_eq!(shown, Some("<panicked while formatting>"), "{field}");
        }
        let mut logs = received.logs.iter();
        let inside = logs.find(|log| log.body_str() == Some("inside")).unwrap();
        assert_eq!(inside.span_id_hex(), work.span_id_hex());
    });
}
