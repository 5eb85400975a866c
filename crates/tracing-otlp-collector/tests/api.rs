//! What the HTTP API answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::net::SocketAddr;

use http::{Method, Version};
use peer::{Ask, JSON, ask, post, records, run, spans};
use serde_json::{Value, json};
use tracing_otlp_collector::{Capacity, Collector};

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const SPAN: &str = "eee19b7ec3c1b174";

fn record(n: u64) -> Value {
    json!({
        "timeUnixNano": (1_700_000_000_000_000_000 + n * 1_000_000_000).to_string(),
        "severityNumber": 9 + n % 3 * 4,
        "body": { "stringValue": format!("record {n}") },
        "attributes": [{ "key": "n", "value": { "intValue": n.to_string() } }],
    })
}

fn ten_records() -> (Collector, SocketAddr) {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    for half in [0..5, 5..10] {
        let half: Vec<_> = half.map(record).collect();
        post(to, "/v1/logs", &records("shop", &half));
    }
    (collector, to)
}

fn bodies(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["record"]["body"]["stringValue"].as_str().unwrap())
        .collect()
}

#[test]
fn records_come_in_pages_newest_first_until_all_were_there() {
    let (_collector, to) = ten_records();
    let mut all = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let page = ask(to, &format!("/api/logs?limit=4&cursor={cursor}"));
        all.extend(bodies(&page).into_iter().map(str::to_owned));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let expected: Vec<_> = (0..10).rev().map(|n| format!("record {n}")).collect();
    assert_eq!((all, pages), (expected, 3));
    let page = ask(to, "/api/logs?order=asc&limit=2&q=n%3E%3D5");
    assert_eq!(bodies(&page), ["record 5", "record 6"]);
    let item = &page["items"][0];
    assert_eq!(item["service"], "shop");
    assert_eq!(item["scope"]["name"], "s");
    assert_eq!(item["link"], "unlinked");
    assert_eq!(item["resource"]["attributes"][0]["key"], "service.name");
    assert_eq!(
        item["record"]["attributes"],
        json!([{ "key": "n", "value": { "intValue": "5" } }])
    );
    let next = page["next"].as_str().unwrap();
    let page = ask(
        to,
        &format!("/api/logs?order=asc&limit=2&q=n%3E%3D5&cursor={next}"),
    );
    assert_eq!(bodies(&page), ["record 7", "record 8"]);
}

#[test]
fn a_time_is_wanted_from_its_first_nanosecond_to_before_its_last() {
    let (_collector, to) = ten_records();
    let page = ask(
        to,
        "/api/logs?from=2023-11-14T22:13:23Z&to=1700000006000000000",
    );
    assert_eq!(bodies(&page), ["record 5", "record 4", "record 3"]);
    assert_eq!(bodies(&ask(to, "/api/logs?from=-15m")), [""; 0]);
}

#[test]
fn a_record_without_a_time_counts_by_when_it_arrived() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    let timeless = json!({ "body": { "stringValue": "timeless" } });
    post(to, "/v1/logs", &records("shop", &[timeless]));
    assert_eq!(bodies(&ask(to, "/api/logs?from=-15m")), ["timeless"]);
    assert_eq!(bodies(&ask(to, "/api/logs?to=-15m")), [""; 0]);
}

#[test]
fn the_histogram_counts_every_record_once() {
    let (_collector, to) = ten_records();
    let histogram = ask(to, "/api/logs/histogram?buckets=3");
    let buckets = histogram["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 3);
    let sum = |name: &str| {
        buckets
            .iter()
            .map(|b| b[name].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        (sum("info"), sum("warn"), sum("error"), sum("fatal")),
        (4, 3, 3, 0)
    );
    assert_eq!(histogram["from"], "1700000000000000000");
}

#[test]
fn keys_and_values_are_completed() {
    let (_collector, to) = ten_records();
    let fields = ask(to, "/api/fields?prefix=re");
    assert_eq!(
        fields["fields"],
        json!([{ "key": "resource.service.name", "source": "resource", "count": 10 }])
    );
    let fields = ask(to, "/api/fields?prefix=N");
    let keys: Vec<_> = fields["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["name", "n"]);
    let values = ask(to, "/api/fields/service/values?prefix=SH");
    assert_eq!(values["values"], json!([{ "value": "shop", "count": 10 }]));
    let values = ask(to, "/api/fields/level/values");
    assert_eq!(values["values"][0], json!({ "value": "info", "count": 4 }));
}

fn trace_with_everything(to: SocketAddr) {
    let time = |n: u64| (1_700_000_000_000_000_000 + n).to_string();
    let mark = |kind: &str| json!({ "key": "logfire.span_type", "value": { "stringValue": kind } });
    post(
        to,
        "/v1/traces",
        &spans(&[
            json!({ "traceId": TRACE, "spanId": SPAN, "name": "GET /", "kind": 2,
                "startTimeUnixNano": time(0), "endTimeUnixNano": time(5_000), "status": { "code": 2 } }),
            // Logfire's early notice of a span that is open, and of one that has ended.
            json!({ "traceId": TRACE, "spanId": "aaaaaaaaaaaaaaaa", "parentSpanId": "bbbbbbbbbbbbbbbb",
                "name": "open", "startTimeUnixNano": time(10), "attributes": [mark("pending_span"),
                { "key": "logfire.pending_parent_id", "value": { "stringValue": SPAN } }] }),
            json!({ "traceId": TRACE, "spanId": "cccccccccccccccc", "parentSpanId": SPAN, "name": "GET /",
                "startTimeUnixNano": time(0), "attributes": [mark("pending_span"),
                { "key": "logfire.pending_parent_id", "value": { "stringValue": "0000000000000000" } }] }),
            // A log record that travels as a span.
            json!({ "traceId": TRACE, "spanId": "dddddddddddddddd", "parentSpanId": SPAN, "name": "hi {x}",
                "startTimeUnixNano": time(20), "endTimeUnixNano": time(20), "attributes": [mark("log"),
                { "key": "logfire.msg", "value": { "stringValue": "hi 1" } },
                { "key": "logfire.level_num", "value": { "intValue": 13 } }] }),
        ]),
    );
    let log = |text: &str, span: &str| {
        json!({ "timeUnixNano": time(30), "severityNumber": 9,
        "body": { "stringValue": text }, "traceId": TRACE, "spanId": span })
    };
    post(
        to,
        "/v1/logs",
        &records(
            "shop",
            &[
                log("in the root", SPAN),
                log("in the open span", "bbbbbbbbbbbbbbbb"),
                log("in a span that never comes", "9999999999999999"),
            ],
        ),
    );
}

#[test]
fn a_trace_has_its_spans_its_records_and_what_is_missing() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    trace_with_everything(to);
    let trace = ask(to, &format!("/api/traces/{TRACE}"));
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2, "{trace}");
    assert_eq!(
        (&spans[0]["state"], &spans[0]["span"]["name"]),
        (&json!("ended"), &json!("GET /"))
    );
    // The open span stands there with its own ids and without an end.
    assert_eq!(spans[1]["state"], "pending");
    assert_eq!(spans[1]["span"]["spanId"], "bbbbbbbbbbbbbbbb");
    assert_eq!(spans[1]["span"]["parentSpanId"], SPAN);
    assert_eq!(spans[1]["span"]["endTimeUnixNano"], "0");
    let logs = trace["logs"].as_array().unwrap();
    let seen: Vec<_> = logs
        .iter()
        .map(|item| {
            let body = item["record"]["body"]["stringValue"].as_str().unwrap();
            (body, item["link"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("hi 1", "linked"),
            ("in the root", "linked"),
            ("in the open span", "pending"),
            // Its span may still come.
            ("in a span that never comes", "pending"),
        ]
    );
    assert_eq!(logs[0]["fromSpan"], true);
    assert_eq!(logs[0]["record"]["severityText"], "WARN");
    assert_eq!(logs[0]["record"]["spanId"], SPAN);
    assert_eq!(trace["missingSpans"], json!(["9999999999999999"]));

    let list = ask(to, "/api/traces");
    let summary = &list["items"][0];
    assert_eq!(summary["traceId"], TRACE);
    assert_eq!(summary["rootName"], "GET /");
    assert_eq!(summary["durationNano"], "5000");
    let numbers =
        ["spans", "logs", "errors", "pending"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(numbers, [2, 4, 1, 1]);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        ask(to, "/api/traces?q=body:open")["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(ask(to, "/api/traces?q=nowhere")["items"], json!([]));

    let audit = ask(to, "/api/audit");
    let counts = ["records", "linked", "unlinked", "pending", "orphaned"]
        .map(|name| audit[name].as_u64().unwrap());
    assert_eq!(counts, [4, 2, 0, 2, 0]);
    let missing =
        run(Ask::get(&format!("/api/traces/{}", "0".repeat(31) + "1")).send(to, Version::HTTP_11));
    assert_eq!(missing.status, 404);
}

#[test]
fn traces_come_in_pages_by_their_newest_activity() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    let span = |n: u8| {
        json!({ "traceId": format!("{n:032x}"), "spanId": SPAN, "name": format!("t{n}"),
        "startTimeUnixNano": "1", "endTimeUnixNano": "2" })
    };
    for n in 1..=5 {
        post(to, "/v1/traces", &spans(&[span(n)]));
    }
    // The oldest is active again.
    let again = json!({ "body": { "stringValue": "again" }, "traceId": format!("{:032x}", 1), "spanId": SPAN });
    post(to, "/v1/logs", &records("shop", &[again]));
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ask(to, &format!("/api/traces?limit=2&cursor={cursor}"));
        for item in page["items"].as_array().unwrap() {
            names.push(item["rootName"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(names, ["t1", "t5", "t4", "t3", "t2"]);
}

#[test]
fn metrics_are_kept_as_series_of_points() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    for n in 1..=3 {
        let point = |route: &str| {
            json!({ "timeUnixNano": n.to_string(), "asInt": (n * 10).to_string(),
            "attributes": [{ "key": "route", "value": { "stringValue": route } }] })
        };
        post(
            to,
            "/v1/metrics",
            &json!({ "resourceMetrics": [{
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
            "scopeMetrics": [{ "metrics": [
                { "name": "requests", "unit": "1", "sum": { "aggregationTemporality": 2, "isMonotonic": true,
                    "dataPoints": [point("/"), point("/orders")] } },
                { "name": "heat", "gauge": { "dataPoints": [{ "timeUnixNano": "1", "asDouble": 36.6 }] } },
            ] }],
        }] }),
        );
    }
    let metrics = ask(to, "/api/metrics");
    let items = metrics["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(
        (&items[0]["name"], &items[0]["type"]),
        (&json!("heat"), &json!("gauge"))
    );
    let requests = &items[1];
    assert_eq!(
        (&requests["temporality"], &requests["monotonic"]),
        (&json!("cumulative"), &json!(true))
    );
    assert_eq!(requests["service"], "shop");
    assert_eq!(requests["series"].as_array().unwrap().len(), 2);
    for series in requests["series"].as_array().unwrap() {
        let points: Vec<_> = series["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["asInt"].as_str().unwrap())
            .collect();
        assert_eq!(points, ["10", "20", "30"]);
    }
    let found = |q: &str| {
        ask(to, &format!("/api/metrics?q={q}"))["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (
            found("name=heat"),
            found("route%3A%2Forders"),
            found("reque"),
            found("nothing")
        ),
        (1, 1, 1, 0)
    );
    assert_eq!(ask(to, "/api/status")["kept"]["dataPoints"], 9);
}

#[test]
fn a_refused_request_is_kept_with_its_reason_and_without_its_secrets() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    let ask_ = Ask::post("/v1/logs", JSON, r#"{"resourceLogs":5}"#)
        .with("authorization", "pylf_v1_secret");
    assert_eq!(run(ask_.send(to, Version::HTTP_11)).status, 400);
    let ask_ = Ask::post("/v1/traces", "text/plain", "x");
    assert_eq!(run(ask_.send(to, Version::HTTP_11)).status, 415);
    let page = ask(to, "/api/rejected");
    let items = page["items"].as_array().unwrap();
    assert_eq!(
        (&items[0]["status"], &items[1]["status"]),
        (&json!(415), &json!(400))
    );
    assert_eq!(items[1]["signal"], "logs");
    assert_eq!(items[1]["protocol"], "http/json");
    assert_eq!(items[1]["headers"]["authorization"], "***");
    assert!(
        items[1]["reason"]
            .as_str()
            .unwrap()
            .contains("expected a list")
    );
    let path = format!("/api/rejected/{}/body", items[1]["id"]);
    let answer = run(Ask::get(&path).send(to, Version::HTTP_11));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(&*answer.body, br#"{"resourceLogs":5}"#);
    assert!(
        !String::from_utf8_lossy(&run(Ask::get("/api/rejected").send(to, Version::HTTP_11)).body)
            .contains("pylf")
    );
}

#[test]
fn questions_that_make_no_sense_are_errors_in_json() {
    let (_collector, to) = ten_records();
    let cases = [
        ("/api/logs?q=(a", 400, "never closed"),
        ("/api/logs?limit=0", 400, "limit"),
        ("/api/logs?limit=many", 400, "number"),
        ("/api/logs?order=up", 400, "asc or desc"),
        ("/api/logs?from=noon", 400, "from"),
        ("/api/logs/stream?q=%22", 400, "quote"),
        ("/api/logs?level=error", 400, "filters go into q"),
        ("/api/status?verbose=1", 400, "no parameter"),
        ("/api/traces/xyz", 400, "32 hex"),
        ("/api/traces/", 404, "/api/traces/"),
        ("/api/rejected/7/body", 404, "not kept"),
        ("/api/nothing", 404, "openapi"),
    ];
    for (path, status, part) in cases {
        let answer = run(Ask::get(path).send(to, Version::HTTP_11));
        assert_eq!(answer.status, status, "{path}");
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{path} {message}");
    }
    let answer = run(Ask::get("/api/logs?q=a+OR+(b").send(to, Version::HTTP_2));
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(error["error"]["position"], 5);
    let answer = run(Ask::post("/api/logs", JSON, "{}").send(to, Version::HTTP_11));
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "GET")
    );
}

#[test]
fn every_described_path_answers_as_described() {
    let (_collector, to) = ten_records();
    trace_with_everything(to);
    run(Ask::post("/v1/logs", JSON, "[").send(to, Version::HTTP_11));
    let document = ask(to, "/api/openapi.json");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let operation = &methods["get"];
        if operation.is_null() || path.ends_with("/stream") {
            continue;
        }
        let id = if path.starts_with("/api/traces") {
            TRACE
        } else {
            "1"
        };
        let asked = path.replace("{id}", id).replace("{key}", "level");
        // What is described is taken; the cases above see that nothing else is.
        let all = operation["parameters"].as_array().into_iter().flatten();
        let asked = all
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .fold(format!("{asked}?"), |asked, name| {
                format!("{asked}{name}=&")
            });
        let answer = run(Ask::get(&asked).send(to, Version::HTTP_11));
        assert_eq!(answer.status, 200, "{asked}");
        let described = operation["responses"]["200"]["content"]
            .as_object()
            .unwrap();
        let (content_type, content) = described.iter().next().unwrap();
        assert_eq!(answer.header("content-type"), content_type);
        if content_type == JSON {
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            holds(&document, &content["schema"], &answer, path);
        }
        let foreign = Ask::get(&asked).with("host", "evil.test");
        assert_is_described(
            &document,
            operation,
            &run(foreign.send(to, Version::HTTP_11)),
        );
    }
    let logs = &document["paths"]["/api/otel/logs"]["post"];
    for (content_type, encoding, body, status) in [
        (JSON, "identity", "{}", 200),
        (JSON, "identity", "[", 400),
        (JSON, "br", "{}", 415),
        ("text/plain", "identity", "{}", 415),
    ] {
        let ask =
            Ask::post("/api/otel/logs", content_type, body).with("content-encoding", encoding);
        let answer = run(ask.send(to, Version::HTTP_11));
        assert_eq!(answer.status, status, "{body}");
        assert_is_described(&document, logs, &answer);
    }
}

/// Whether a description knows this status with this content type, and its body.
fn assert_is_described(document: &Value, operation: &Value, answer: &peer::Answer) {
    let status = answer.status.as_str();
    let content = &operation["responses"][status]["content"][answer.header("content-type")];
    assert!(content.is_object(), "{status} of {}", operation["summary"]);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    holds(document, &content["schema"], &body, status);
}

#[cfg(feature = "forward")]
#[test]
fn what_is_said_of_forwarding_is_described() {
    use tracing_otlp_collector::{Collector, Forward, Upstream};
    let behind = Collector::start().unwrap();
    let forward = Forward::to(Upstream::new(&behind.endpoint()).unwrap());
    let collector = Collector::builder().with_forward(forward).start().unwrap();
    let document = ask(collector.local_addr(), "/api/openapi.json");
    let status = ask(collector.local_addr(), "/api/status");
    assert_eq!(status["forward"]["logs"]["lost"], 0);
    let schema = &document["components"]["schemas"]["Status"];
    holds(&document, schema, &status, "/api/status");
}

/// Whether a value has what its schema requires and nothing that it does not name.
fn holds(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.strip_prefix('#').unwrap()).unwrap();
        return holds(document, schema, value, place);
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        assert!(
            !value[name].is_null() || is_nullable(&schema["properties"][name]),
            "{place}.{name} is missing"
        );
    }
    if value.is_null() && is_nullable(schema) {
        return;
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inside) in value.as_object().unwrap() {
            let schema = properties
                .get(name)
                .unwrap_or_else(|| panic!("{place}.{name} is not described"));
            holds(document, schema, inside, &format!("{place}.{name}"));
        }
    }
    for inside in value.as_array().into_iter().flatten() {
        holds(document, &schema["items"], inside, &format!("{place}[]"));
    }
    let is_right = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    assert!(is_right, "{place} is {value}, but described as {schema}");
}

fn is_nullable(schema: &Value) -> bool {
    schema["type"]
        .as_array()
        .is_some_and(|types| types.contains(&json!("null")))
}

#[test]
fn only_names_of_this_machine_are_answered() {
    let collector = Collector::builder()
        .with_allowed_host("logs.test")
        .start()
        .unwrap();
    let to = collector.local_addr();
    let status = |host: &str| {
        let ask = Ask::get("/api/status").with("host", host);
        run(ask.send(to, Version::HTTP_11)).status.as_u16()
    };
    for host in [
        "127.0.0.1",
        "localhost:4318",
        "LOCALHOST",
        "[::1]:80",
        "192.168.0.7:1",
        "logs.test:99",
        "app.localhost",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "evil.test",
        "evil.test:4318",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "",
    ] {
        assert_eq!(status(host), 403, "{host}");
    }
    let page = run(Ask::get("/")
        .with("host", "evil.test")
        .send(to, Version::HTTP_11));
    assert_eq!(page.status, 403);
}

#[test]
fn other_origins_need_to_be_configured() {
    let collector = Collector::builder()
        .with_allowed_origin("http://app.test:3000")
        .start()
        .unwrap();
    let to = collector.local_addr();
    let body = records(
        "web",
        &[json!({ "body": { "stringValue": "from a page" } })],
    )
    .to_string();
    let send = |origin: &str| {
        let ask = Ask::post("/api/otel/logs", JSON, body.clone()).with("origin", origin);
        let answer = run(ask.send(to, Version::HTTP_11));
        (
            answer.status.as_u16(),
            answer.header("access-control-allow-origin").to_owned(),
        )
    };
    assert_eq!(
        send("http://app.test:3000"),
        (200, "http://app.test:3000".to_owned())
    );
    assert_eq!(send(&format!("http://{to}")), (200, String::new()));
    assert_eq!(send("http://evil.test"), (403, String::new()));
    assert_eq!(send("null"), (403, String::new()));
    assert_eq!(collector.logs().len(), 2);
    let preflight = |path: &str, origin: &str| {
        let ask = Ask {
            method: Method::OPTIONS,
            ..Ask::get(path)
        };
        let answer = run(ask.with("origin", origin).send(to, Version::HTTP_11));
        (
            answer.status.as_u16(),
            answer.header("access-control-allow-origin").to_owned(),
        )
    };
    assert_eq!(
        preflight("/api/otel/logs", "http://app.test:3000"),
        (204, "http://app.test:3000".to_owned())
    );
    assert_eq!(
        preflight("/api/otel/logs", "http://evil.test"),
        (403, String::new())
    );
    // Reading is answered, but not to be read by a stranger's page.
    let answer = run(Ask::get("/api/status")
        .with("origin", "http://evil.test")
        .send(to, Version::HTTP_11));
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[test]
fn the_page_comes_with_a_policy_and_is_not_sent_twice() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        let answer = run(Ask::get(path).send(to, Version::HTTP_11));
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, content_type),
            "{path}"
        );
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'self'")
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.body.is_empty());
        let again = Ask::get(path).with("if-none-match", answer.header("etag"));
        let again = run(again.send(to, Version::HTTP_11));
        assert_eq!(
            (again.status.as_u16(), again.body.len()),
            (304, 0),
            "{path}"
        );
    }
    assert_eq!(
        run(Ask::get("/healthz").send(to, Version::HTTP_2)).body,
        "ok"
    );
    assert_eq!(
        run(Ask::get("/other").send(to, Version::HTTP_11)).status,
        404
    );
}

#[test]
fn every_address_speaks_everything_and_a_taken_port_is_replaced() {
    let taken = Collector::start().unwrap();
    let collector = Collector::builder()
        .with_address(taken.local_addr())
        .with_another_address("127.0.0.1:0".parse().unwrap())
        .with_free_ports_if_taken(true)
        .with_capacity(Capacity::default())
        .start()
        .unwrap();
    let addresses = collector.local_addrs();
    assert_eq!(addresses.len(), 2);
    assert_ne!(addresses[0], taken.local_addr());
    assert_eq!(collector.local_addr(), addresses[0]);
    for to in addresses {
        post(*to, "/v1/logs", &records("shop", &[record(1)]));
        assert_eq!(
            ask(*to, "/api/status")["listening"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }
    assert_eq!(collector.logs().len(), 2);
    let refused = Collector::builder()
        .with_address(taken.local_addr())
        .start();
    assert!(refused.unwrap_err().is_address_in_use());
}
