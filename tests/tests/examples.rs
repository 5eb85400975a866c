//! The examples as a user runs them: what they print, what they send, and how they end.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value as Json;
use tracing_otlp_collector::Collector;
use tracing_otlp_tests::child::{self, Child};
use tracing_otlp_tests::collected;
use tracing_otlp_tests::directory::Directory;
use tracing_otlp_tests::http::{self, Answer};
use tracing_otlp_tests::model::{LogRecord, Value};

const PATIENCE: Duration = Duration::from_secs(60);

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A program that has ended.
#[derive(Debug)]
struct Ran {
    status: ExitStatus,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

fn run(command: &mut Command) -> Ran {
    let mut child = Child::spawn(command).unwrap();
    let status = child.wait(PATIENCE).unwrap();
    Ran {
        status,
        stdout: child.stdout(),
        stderr: child.stderr(),
    }
}

fn example(name: &str) -> Command {
    child::command(child::example(name))
}

/// Where nobody listens: a privileged port without a service, which no other test can be given.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn quickstart_links_every_record_and_takes_the_callers_trace_in() {
    let ran = run(&mut example("quickstart"));
    assert!(ran.status.success(), "{ran:#?}");
    assert!(ran.stderr.is_empty(), "{ran:#?}");

    let audit = ran.stdout.iter().rfind(|line| !line.is_empty()).unwrap();
    let count = |name: &str| -> u64 {
        let pairs = audit.split(' ').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(key, _)| *key == name);
        found.next().unwrap().1.parse().unwrap()
    };
    let counts = ["records", "linked", "unlinked", "orphaned"].map(count);
    // 5, 5 and 3 in the three requests; "listening" and "stopped" outside.
    assert_eq!(counts, [15, 13, 2, 0], "{audit}");

    let has = |what: &str| ran.stdout.iter().any(|line| line == what);
    assert!(
        has(&format!("GET /orders/2 -> 200, trace {TRACE}")),
        "{ran:#?}"
    );
    // The caller's span is somewhere else, so its children are roots here, not orphans.
    assert!(
        has(&format!("trace {TRACE} · 5 spans · 5 records")),
        "{ran:#?}"
    );
    let answers: Vec<_> = ["/orders/1 -> 200", "/orders/13 -> 500"]
        .iter()
        .map(|answer| format!("GET {answer}, trace "))
        .filter_map(|start| ran.stdout.iter().find_map(|line| line.strip_prefix(&start)))
        .collect();
    assert_eq!(answers.len(), 2, "{ran:#?}");
    for trace in answers {
        assert_eq!(trace.len(), 32, "{trace}");
        let heading = format!("trace {trace} · ");
        assert!(
            ran.stdout.iter().any(|line| line.starts_with(&heading)),
            "{ran:#?}"
        );
    }
}

#[test]
fn axum_service_is_configured_by_environment_and_flushed_by_sigterm() {
    let collector = Collector::start().unwrap();
    let mut service = Child::spawn(
        example("axum_service")
            .env("PORT", "0")
            .env("OTEL_SERVICE_NAME", "till")
            .env("OTEL_RESOURCE_ATTRIBUTES", "service.version=7")
            .env(ENDPOINT, collector.endpoint())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .env("TRACING_OTLP_CONSOLE", "json"),
    )
    .unwrap();
    let lines = service
        .wait_for_stderr(PATIENCE, |lines| port(lines).is_some())
        .unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&lines).unwrap()));

    let get = |path: &str, headers: &[(&str, &str)]| -> Answer {
        http::request("GET", address, path, headers, b"").unwrap()
    };
    let called = get("/orders/7", &[("traceparent", TRACEPARENT)]);
    assert_eq!(called.status, 200);
    assert_eq!(called.header("x-trace-id"), Some(TRACE));
    let order: Json = serde_json::from_slice(&called.body).unwrap();
    assert_eq!(order["id"], 7);
    let uncalled = get("/orders/13", &[]);
    assert_eq!(uncalled.status, 500);
    let own_trace = uncalled.header("x-trace-id").unwrap().to_owned();
    assert_eq!(own_trace.len(), 32);
    assert_ne!(own_trace, TRACE);
    let unsampled = get(
        "/orders/8",
        &[(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        )],
    );
    assert_eq!(
        unsampled.header("x-trace-id"),
        Some("0af7651916cd43dd8448eb211c80319c")
    );

    service.terminate().unwrap();
    let status = service.wait(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "{:#?}", service.stderr());

    // Nothing is waited for: the process has ended, so what it flushed is here.
    let (logs, spans) = (collected::logs(&collector), collected::spans(&collector));
    let audit = collector.audit();
    assert!(audit.is_clean(), "{audit:?}");
    // 5 and 3 in the sampled requests; 5 in the unsampled one, "listening" and "stopped".
    assert_eq!((audit.linked, audit.unlinked, audit.spans), (8, 7, 9));
    let traces = |trace: &str| logs.iter().filter(|log| log.trace_id == trace).count();
    assert_eq!((traces(TRACE), traces(&own_trace)), (5, 3));
    let root = spans
        .iter()
        .find(|span| span.trace_id == TRACE && span.name == "GET /orders/{id}")
        .unwrap();
    assert_eq!((&*root.parent_span_id, root.kind), ("00f067aa0ba902b7", 2));
    assert_eq!(
        root.attribute("http.response.status_code"),
        Some(&200.into())
    );
    for origin in logs
        .iter()
        .map(|log| &log.origin)
        .chain(spans.iter().map(|span| &span.origin))
    {
        assert_eq!(origin.resource("service.name"), Some(&"till".into()));
        assert_eq!(origin.resource("service.version"), Some(&"7".into()));
    }

    // Every line of the console is a record, with the same ids; where a trace is not sampled, only
    // the console says which it was.
    let stderr = service.stderr();
    assert_eq!(stderr.len(), logs.len(), "{stderr:#?}");
    let mut exported: Vec<_> = logs.iter().map(exported_as).collect();
    let mut printed: Vec<_> = stderr.iter().map(|line| printed_as(line)).collect();
    exported.sort();
    printed.sort();
    assert_eq!(exported, printed);
}

/// The port that the JSON line "listening" names.
fn port(lines: &[String]) -> Option<u16> {
    lines.iter().find_map(|line| {
        let line: Json = serde_json::from_str(line).ok()?;
        let port = line["fields"]["port"].as_u64()?;
        (line["message"] == "listening").then(|| port.try_into().ok())?
    })
}

/// Level, scope, message and ids.
type Line = [String; 5];

fn exported_as(log: &LogRecord) -> Line {
    [
        log.severity_text.clone(),
        log.origin.scope_name.clone(),
        log.body.as_str().unwrap().to_owned(),
        log.trace_id.clone(),
        log.span_id.clone(),
    ]
}

fn printed_as(line: &str) -> Line {
    let line: Json = serde_json::from_str(line).unwrap();
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let mut ids = ["trace_id", "span_id"].map(text);
    if ids[0] == "0af7651916cd43dd8448eb211c80319c" {
        ids = [String::new(), String::new()];
    }
    let [trace_id, span_id] = ids;
    [
        text("level"),
        text("target"),
        text("message"),
        trace_id,
        span_id,
    ]
}

#[test]
fn axum_service_that_cannot_have_its_port_ends_with_the_reason() {
    let collector = Collector::start().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = run(example("axum_service")
        .env("PORT", port)
        .env(ENDPOINT, collector.endpoint())
        .env("TRACING_OTLP_CONSOLE", "off"));
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    assert!(
        ran.stderr.iter().any(|line| line.contains("AddrInUse")),
        "{ran:#?}"
    );
}

/// What `emit` prints last, checked against itself.
fn emit(arguments: &[&str], variables: &[(&str, &str)]) -> Json {
    let ran = run(example("emit")
        .args(arguments)
        .envs(variables.iter().copied()));
    assert!(ran.status.success(), "{ran:#?}");
    let result: Json = serde_json::from_str(ran.stdout.last().unwrap()).unwrap();
    for account in [&result, &result["spans"]] {
        let count = |key: &str| account[key].as_u64().unwrap();
        assert_eq!(
            count("emitted"),
            count("delivered") + count("lost"),
            "{result:#}"
        );
        let reasons = account["by_reason"].as_object().unwrap();
        let by_reason = reasons.values().map(|count| count.as_u64().unwrap());
        assert_eq!(by_reason.sum::<u64>(), count("lost"), "{result:#}");
    }
    if arguments.contains(&"--embedded") {
        assert_eq!(result["received"], result["delivered"], "{result:#}");
    } else {
        assert!(result.get("received").is_none(), "{result:#}");
    }
    result
}

/// Emitted, delivered and lost.
fn counts(account: &Json) -> [u64; 3] {
    ["emitted", "delivered", "lost"].map(|key| account[key].as_u64().unwrap())
}

#[test]
fn emit_counts_small_paced_runs_exactly() {
    for (arguments, records, spans) in [
        ("--records 100 --rate 2000", 100, 1),
        ("--records 0", 0, 0),
        ("--records 1 --threads 8 --fields 20", 1, 1),
        (
            "--records 50 --threads 3 --rate 1000 --spans 0 --fields 0",
            50,
            0,
        ),
        // 125 a thread are two sets of spans, three deep.
        (
            "--records 250 --threads 2 --rate 5000 --spans 3 --seed 7",
            250,
            12,
        ),
    ] {
        let mut arguments: Vec<_> = arguments.split(' ').collect();
        arguments.push("--embedded");
        let result = emit(&arguments, &[]);
        assert_eq!(counts(&result), [records, records, 0], "{arguments:?}");
        assert_eq!(counts(&result["spans"]), [spans, spans, 0], "{arguments:?}");
        assert_eq!(result["received"], records);
    }
}

#[test]
fn emit_numbers_its_records_over_threads_and_runs() {
    let collector = Collector::start().unwrap();
    for from in ["0", "50"] {
        let result = emit(
            &["--records", "50", "--threads", "3", "--from", from],
            &[(ENDPOINT, &collector.endpoint())],
        );
        assert_eq!(counts(&result), [50, 50, 0]);
    }
    let logs = collected::logs(&collector);
    let number = |log: &LogRecord| -> u64 {
        let body = log.body.as_str().unwrap();
        body.strip_prefix("record ").unwrap().parse().unwrap()
    };
    let mut numbers: Vec<_> = logs.iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn emit_keeps_its_pace() {
    let arguments = ["--records", "200", "--rate", "400", "--embedded"];
    let result = emit(&arguments, &[]);
    // The last of 200 is due after 199/400 of a second.
    assert!(result["seconds"].as_f64().unwrap() >= 0.4975, "{result:#}");
    assert_eq!(counts(&result), [200, 200, 0]);
}

#[test]
fn emit_at_full_speed_leaves_nothing_uncounted() {
    let arguments = ["--records", "20000", "--threads", "4", "--embedded"];
    let result = emit(&arguments, &[]);
    let summaries = |result: &Json| result["summaries"].as_u64().unwrap();
    assert_eq!(result["emitted"], 20_000 + summaries(&result), "{result:#}");
    // A queue of eight makes sure that some are lost, and known to be.
    let result = emit(&arguments, &[("OTEL_BLRP_MAX_QUEUE_SIZE", "8")]);
    assert_eq!(result["emitted"], 20_000 + summaries(&result), "{result:#}");
    assert_ne!(result["lost"], 0, "{result:#}");
    assert_eq!(
        result["by_reason"]["queue_full"], result["lost"],
        "{result:#}"
    );
}

#[test]
fn emit_sends_to_the_configured_endpoint() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();
    for (protocol, before) in [("http/protobuf", 0), ("http/json", 30), ("grpc", 60)] {
        let result = emit(
            &["--records", "30", "--rate", "3000", "--fields", "5"],
            &[
                (ENDPOINT, &endpoint),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ],
        );
        assert_eq!(counts(&result), [30, 30, 0], "{protocol}: {result:#}");
        assert_eq!(collector.logs().len(), before + 30, "{protocol}");
    }
    assert!(collector.audit().is_clean(), "{:?}", collector.audit());
    assert_eq!(collector.audit().linked, 90);
    // Integer, float, bool, string and Debug, as what they are.
    for log in collected::logs(&collector) {
        let kind = |key: &str| match log.attribute(key) {
            Some(Value::Int(_)) => "int",
            Some(Value::Double(_)) => "double",
            Some(Value::Bool(_)) => "bool",
            Some(Value::String(_)) => "string",
            other => panic!("{key} is {other:?}"),
        };
        assert_eq!(
            ["i0", "f1", "b2", "s3", "d4"].map(kind),
            ["int", "double", "bool", "string", "string"]
        );
        assert_eq!(log.attribute("i5"), None, "five fields were asked for");
    }
}

#[test]
fn emit_admits_that_everything_was_lost() {
    let result = emit(&["--records", "20"], &[(ENDPOINT, NOBODY)]);
    assert_eq!(counts(&result), [20, 0, 20], "{result:#}");
    assert_eq!(counts(&result["spans"]), [1, 0, 1], "{result:#}");
}

#[test]
fn emit_refuses_bad_arguments_clearly() {
    for (arguments, named) in [
        ("--threads 0", "--threads"),
        ("--threads 1025", "--threads"),
        ("--spans 65", "--spans"),
        ("--fields 21", "--fields"),
        ("--records many", "--records"),
        ("--rate -1", "-1"),
        ("--seed", "--seed"),
        ("--settle soon", "--settle"),
        ("--record 5", "--record"),
        ("surplus", "surplus"),
    ] {
        let ran = run(example("emit").args(arguments.split(' ')));
        assert_eq!(ran.status.code(), Some(2), "{arguments}: {ran:#?}");
        assert!(ran.stdout.is_empty(), "{arguments}: {ran:#?}");
        let said = ran.stderr.join("\n");
        assert!(said.starts_with("error:"), "{arguments}: {said}");
        assert!(said.contains(named), "{arguments}: {said}");
    }
}

#[test]
fn a_bad_variable_ends_a_program_before_it_starts() {
    let ran = run(example("emit")
        .args(["--records", "1"])
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier/pigeon"));
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    let said = ran.stderr.join("\n");
    assert!(
        said.contains("OTEL_EXPORTER_OTLP_PROTOCOL") && said.contains("carrier/pigeon"),
        "{said}"
    );
}

#[test]
fn registry_by_hand_exports_beside_fmt() {
    let collector = Collector::start().unwrap();
    let ran = run(example("registry_by_hand")
        .env(ENDPOINT, collector.endpoint())
        .env("RUST_LOG", "registry_by_hand=debug")
        .env("NO_COLOR", "1"));
    assert!(ran.status.success(), "{ran:#?}");
    assert!(ran.stdout.is_empty(), "{ran:#?}");
    assert_eq!(ran.stderr.len(), 2, "{ran:#?}");
    assert!(
        ran.stderr[0].contains(" INFO greet{user_id=7}: registry_by_hand: hello"),
        "{ran:#?}"
    );

    let logs = collected::logs(&collector);
    let bodies: Vec<_> = logs.iter().map(|log| log.body.as_str().unwrap()).collect();
    assert_eq!(bodies, ["hello", "its record has user_id too"]);
    let severities: Vec<_> = logs.iter().map(|log| log.severity_number).collect();
    assert_eq!(severities, [9, 5]);
    for log in &logs {
        assert_eq!(log.attribute("user_id"), Some(&7.into()));
        assert_eq!(log.origin.scope_name, "registry_by_hand");
        assert_eq!(log.origin.resource("service.name"), Some(&"by-hand".into()));
    }
    let audit = collector.audit();
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!((audit.linked, audit.spans), (2, 1));
}

#[test]
fn registry_by_hand_ends_with_an_error_when_telemetry_was_lost() {
    let ran = run(example("registry_by_hand").env(ENDPOINT, NOBODY));
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    let said = ran.stderr.join("\n");
    assert!(
        said.contains("telemetry was lost: logs: 2 emitted, 0 delivered, 2 lost"),
        "{said}"
    );
}

#[test]
fn logfire_gets_the_raw_token() {
    let ran = run(&mut example("logfire"));
    assert!(ran.status.success(), "{ran:#?}");
    let counts = "logs: 1 emitted, 1 delivered, 0 lost; spans: 1 emitted, 1 delivered, 0 lost";
    assert!(ran.stdout[0].starts_with(counts), "{ran:#?}");
    let mut requests: Vec<_> = ran.stdout[1..]
        .iter()
        .map(|line| {
            let (signal, rest) = line.split_once(": ").unwrap();
            let (bytes, token) = rest.split_once(" bytes, authorization: ").unwrap();
            assert!(bytes.parse::<usize>().unwrap() > 0);
            (signal, token)
        })
        .collect();
    requests.sort_unstable();
    assert_eq!(
        requests,
        [
            ("logs", "pylf_v1_us_example"),
            ("traces", "pylf_v1_us_example")
        ]
    );
}

#[test]
fn logfire_spools_where_the_environment_says() {
    let directory = Directory::new();
    let ran = run(example("logfire").env("TRACING_OTLP_SPOOL_DIRECTORY", directory.path()));
    assert!(ran.status.success(), "{ran:#?}");
    let said = |line: &String| line.starts_with("tracing-otlp:");
    assert!(!ran.stderr.iter().any(said), "{ran:#?}");
    assert!(directory.path().is_dir());
}

#[test]
fn logfire_of_an_unknown_region_is_refused_without_showing_the_token() {
    let ran = run(example("logfire").env("LOGFIRE_TOKEN", "pylf_v1_mars_s3cr3t"));
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    let said = ran.stderr.join("\n") + &ran.stdout.join("\n");
    assert!(said.contains("unknown Logfire region"), "{said}");
    assert!(!said.contains("s3cr3t"), "{said}");
}

#[test]
fn quickstart_at_every_level_records_itself_and_not_its_telemetry() {
    for level in ["debug", "trace"] {
        let ran = run(example("quickstart").env("RUST_LOG", level));
        assert!(ran.status.success(), "{level}: {ran:#?}");
        let audit = ran.stdout.iter().rfind(|line| !line.is_empty()).unwrap();
        assert!(audit.ends_with(" orphaned=0"), "{level}: {audit}");
        let heading = ran.stdout.iter().find(|line| line.contains(TRACE)).unwrap();
        assert!(heading.starts_with("GET /orders/2"), "{heading}");
        // What SDK and exporter say of themselves stays out.
        let own = ["code.module.name=opentelemetry", "ExportBatch", "Telemetry"];
        for line in &ran.stdout {
            assert!(own.iter().all(|own| !line.contains(own)), "{level}: {line}");
        }
    }
}
