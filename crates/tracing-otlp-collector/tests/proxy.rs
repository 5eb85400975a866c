//! The proxy for untrusted clients, on real sockets: who gets through, and what the others hear.

#![cfg(feature = "forward")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;
#[path = "peer/scripted.rs"]
mod scripted;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Version};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use peer::{
    Answer, Ask, JSON, LOGS_JSON, METRICS_JSON, PATIENCE, PROTOBUF, TRACES_JSON, logs, metrics,
    pack, run, traces,
};
use prost::Message as _;
use scripted::{Act, Scripted};
use tracing_otlp_collector::{Collector, Proxy, ProxyBuilder, RateLimit, SessionKeys, Upstream};

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// What no client may ever read.
const SECRET: &str = "upstream-write-token-s3cret";
const ORIGIN: &str = "https://shop.example";

fn keys() -> SessionKeys {
    SessionKeys::new(KEY).unwrap()
}

fn upstream(url: &str) -> Upstream {
    Upstream::new(url)
        .unwrap()
        .with_header("authorization", SECRET)
        .unwrap()
}

fn proxy(to: &str) -> ProxyBuilder {
    Proxy::builder(upstream(to), keys())
}

fn token(session: &str) -> String {
    keys().sign(session, SystemTime::now() + Duration::from_secs(600), None)
}

fn bearer(session: &str) -> String {
    format!("Bearer {}", token(session))
}

fn ask(path: &str, content_type: &str, body: impl Into<bytes::Bytes>) -> Ask {
    Ask::post(path, content_type, body).with("authorization", &bearer("s"))
}

fn hello() -> Ask {
    ask("/v1/logs", PROTOBUF, logs(["hello"]).encode_to_vec())
}

/// Asks, and looks at what holds for every answer.
#[track_caller]
fn send(to: &Proxy, ask: &Ask) -> Answer {
    let answer = run(ask.send(to.local_addr(), Version::HTTP_11));
    let shown = format!("{answer:?} {}", String::from_utf8_lossy(&answer.body));
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(answer.header("vary"), "origin");
    assert!(
        !answer
            .headers
            .contains_key("access-control-allow-credentials")
    );
    answer
}

/// The code and message of a `google.rpc.Status`.
fn told(answer: &Answer) -> (i32, String) {
    if answer.header("content-type") == PROTOBUF {
        let status = Status::decode(&*answer.body).unwrap();
        return (status.code, status.message);
    }
    assert_eq!(answer.header("content-type"), JSON);
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let code = status["code"].as_i64().unwrap();
    let message = status["message"].as_str().unwrap();
    (i32::try_from(code).unwrap(), message.to_owned())
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[test]
fn every_form_arrives_with_our_credentials_and_nothing_of_the_clients_head() {
    let behind = Collector::builder().keep_requests(true).start().unwrap();
    let proxy = proxy(&behind.endpoint()).start().unwrap();
    let forms = [
        ("/v1/logs", PROTOBUF, logs(["hello"]).encode_to_vec()),
        ("/v1/traces", PROTOBUF, traces("GET /").encode_to_vec()),
        ("/v1/metrics", PROTOBUF, metrics().encode_to_vec()),
        ("/v1/logs", JSON, LOGS_JSON.into()),
        ("/v1/traces", JSON, TRACES_JSON.into()),
        ("/v1/metrics", JSON, METRICS_JSON.into()),
    ];
    let smuggled = [
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("proxy-authorization", "Basic abcd"),
        ("x-tenant", "somebody-else"),
        ("authorization2", "Bearer x"),
        ("connection", "authorization, keep-alive"),
    ];
    for (path, content_type, body) in &forms {
        for encoding in ["gzip", "identity"] {
            let mut ask = ask(path, content_type, pack(encoding, body));
            for (name, value) in smuggled {
                ask = ask.with(name, value);
            }
            let answer = send(&proxy, &ask.with("content-encoding", encoding));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("content-type"), *content_type);
            let whole: &[u8] = if *content_type == JSON { b"{}" } else { b"" };
            assert_eq!(answer.body, whole);
        }
    }
    let kept = behind.requests();
    assert_eq!(kept.len(), 12);
    for (index, request) in kept.iter().enumerate() {
        let all: Vec<_> = request.headers().get_all("authorization").iter().collect();
        assert_eq!(all, [SECRET]);
        for (name, _) in smuggled.iter().filter(|(name, _)| *name != "connection") {
            assert_eq!(request.header(name), None, "{name}");
        }
        if index < 6 {
            assert_eq!(request.body(), &forms[index / 2].2);
        }
    }
    assert!(proxy.answered().into_iter().eq([(200, 12)]));
    // Nothing in it, nothing to send.
    assert_eq!(send(&proxy, &ask("/v1/logs", PROTOBUF, "")).status, 200);
    assert_eq!(behind.requests().len(), 12);
}

#[test]
fn without_a_good_token_nothing_gets_through() {
    let behind = Scripted::start(Act::Hang);
    let proxy = proxy(&behind.url()).start().unwrap();
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let good = token("s");
    let claims = good.split('.').nth(1).unwrap();
    let unsigned = format!("{}.{claims}.", part(r#"{"alg":"none"}"#));
    let old = keys().sign("s", SystemTime::now() - Duration::from_secs(60), None);
    let strange = SessionKeys::new("another key of at least 32 bytes!").unwrap();
    let strange = strange.sign("s", SystemTime::now() + Duration::from_secs(60), None);
    let for_others = keys().sign(
        "s",
        SystemTime::now() + Duration::from_secs(60),
        Some("api"),
    );
    for (authorization, challenge) in [
        (String::new(), "Bearer"),
        (good.clone(), "Bearer"),
        (format!("Basic {good}"), "Bearer"),
        ("Bearer ".to_owned(), "Bearer"),
        (
            format!("Bearer {unsigned}"),
            "Bearer error=\"invalid_token\"",
        ),
        (
            format!("Bearer {strange}"),
            "Bearer error=\"invalid_token\"",
        ),
        (
            format!("Bearer {for_others}"),
            "Bearer error=\"invalid_token\"",
        ),
        (format!("Bearer {SECRET}"), "Bearer error=\"invalid_token\""),
        (
            format!("Bearer {old}"),
            "Bearer error=\"invalid_token\", error_description=\"expired\"",
        ),
    ] {
        for (content_type, body) in [(PROTOBUF, vec![]), (JSON, LOGS_JSON.into())] {
            let ask = Ask::post("/v1/logs", content_type, body);
            let answer = send(&proxy, &ask.with("authorization", &authorization));
            assert_eq!(answer.status, 401, "{authorization} {answer:?}");
            assert_eq!(
                answer.header("www-authenticate"),
                challenge,
                "{authorization}"
            );
            assert_eq!(answer.header("content-type"), content_type);
            assert_eq!(told(&answer).0, 16);
            // It is not even repeated to who sent it.
            assert!(authorization.len() < 9 || !told(&answer).1.contains(&authorization[8..]));
        }
    }
    let none = send(
        &proxy,
        &Ask::post("/v1/logs", PROTOBUF, logs(["hello"]).encode_to_vec()),
    );
    assert_eq!(none.status, 401);
    let twice = send(&proxy, &hello().with("authorization", &bearer("other")));
    assert_eq!(twice.status, 401);
    let in_query = Ask::post(&format!("/v1/logs?access_token={good}"), PROTOBUF, vec![]);
    assert_eq!(send(&proxy, &in_query).status, 401);
    assert_eq!((behind.heads().len(), proxy.sessions()), (0, 0));
}

#[test]
fn what_is_no_sound_request_of_otlp_is_refused_in_its_own_form() {
    let behind = Scripted::start(Act::Hang);
    let proxy = proxy(&behind.url()).with_max_body(10_000).start().unwrap();
    let zeros = vec![0; 50_000_000];
    let bomb = ask("/v1/logs", PROTOBUF, pack("gzip", &zeros));
    let small_bomb = ask("/v1/logs", JSON, pack("zstd", &zeros[..5_000_000]));
    let get = Ask {
        method: Method::GET,
        ..hello()
    };
    for (ask, status, code) in [
        (ask("/v1/logs", PROTOBUF, "\u{1}no protobuf"), 400, 3),
        (ask("/v1/logs", JSON, "{\"resourceLogs\":"), 400, 3),
        (
            ask("/v1/logs", PROTOBUF, "no gzip").with("content-encoding", "gzip"),
            400,
            3,
        ),
        (ask("/v1/logs", PROTOBUF, zeros[..10_001].to_vec()), 413, 8),
        (ask("/v1/logs", JSON, zeros[..1_000_000].to_vec()), 413, 8),
        (bomb.clone().with("content-encoding", "gzip"), 413, 8),
        (small_bomb.clone().with("content-encoding", "zstd"), 413, 8),
        (ask("/v1/logs", "text/plain", ""), 415, 3),
        (hello().with("content-encoding", "br"), 415, 12),
        (ask("/v1/profiles", PROTOBUF, ""), 404, 12),
        (ask("/api/logs", JSON, ""), 404, 12),
        (ask("/", JSON, ""), 404, 12),
        (get, 405, 12),
    ] {
        let proxy_of_its_own = Proxy::builder(upstream(&behind.url()), keys());
        let proxy_of_its_own = proxy_of_its_own.with_max_body(10_000).start().unwrap();
        let answer = send(&proxy_of_its_own, &ask);
        assert_eq!(answer.status, status, "{ask:?} {answer:?}", ask = ask.path);
        let asked = ask.headers[0].1.as_str();
        let wanted = if asked == PROTOBUF { PROTOBUF } else { JSON };
        assert_eq!(answer.header("content-type"), wanted);
        assert_eq!(told(&answer).0, code);
    }
    // A body without a length is no way around the limit.
    let mut stream = TcpStream::connect(proxy.local_addr()).unwrap();
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: p\r\ncontent-type: {PROTOBUF}\r\nauthorization: {}\r\n\
         transfer-encoding: chunked\r\n\r\n",
        bearer("s")
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..3 {
        stream
            .write_all(format!("1388\r\n{}\r\n", "x".repeat(5000)).as_bytes())
            .unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(status_line(&mut stream), "HTTP/1.1 413 Payload Too Large");
    assert_eq!(behind.heads().len(), 0);
}

fn status_line(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1);
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap().trim_end().to_owned()
}

#[test]
fn a_body_that_trickles_in_is_not_waited_for() {
    let behind = Scripted::start(Act::Hang);
    let timeout = Duration::from_millis(50);
    let proxy = proxy(&behind.url())
        .with_body_timeout(timeout)
        .start()
        .unwrap();
    let mut stream = TcpStream::connect(proxy.local_addr()).unwrap();
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: p\r\ncontent-type: {PROTOBUF}\r\nauthorization: {}\r\n\
         content-length: 100\r\n\r\nx",
        bearer("s")
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(status_line(&mut stream), "HTTP/1.1 408 Request Timeout");
}

/// A proxy whose notices are written down.
fn listening(builder: ProxyBuilder) -> (Proxy, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&said);
    let builder = builder.on_notice(move |line| theirs.lock().unwrap().push(line.to_owned()));
    (builder.start().unwrap(), said)
}

#[test]
fn an_upstreams_troubles_are_told_without_its_words() {
    let gossip = || format!("the token {SECRET} is bad").into_bytes();
    let headers: &[(&str, &str)] = &[("www-authenticate", SECRET), ("x-secret", SECRET)];
    let behind = Scripted::start(Act::Hang);
    let (proxy, said) = listening(proxy(&behind.url()));
    for (act, status, code) in [
        (Act::Say(401, headers, gossip()), 502, 14),
        (Act::Say(403, headers, gossip()), 502, 14),
        (Act::Say(500, headers, gossip()), 502, 14),
        (Act::Say(404, headers, gossip()), 502, 14),
        (
            Act::Say(302, &[("location", "http://127.0.0.1:9/")], gossip()),
            502,
            14,
        ),
        (Act::Say(400, headers, gossip()), 400, 3),
        (Act::Say(413, headers, gossip()), 413, 8),
        (Act::Say(503, headers, gossip()), 503, 14),
        (Act::HangUp, 502, 14),
        (Act::Say(200, &[], vec![]), 200, 0),
    ] {
        behind.then(act.clone());
        let answer = send(&proxy, &hello());
        assert_eq!(answer.status, status, "{act:?} {answer:?}");
        assert!(!answer.headers.contains_key("www-authenticate"));
        assert!(!answer.headers.contains_key("location"));
        if status != 200 {
            let (told, message) = told(&answer);
            assert_eq!(told, code);
            assert!(!message.contains("token"), "{message}");
        }
    }
    // One attempt for each: the client is who tries again.
    assert_eq!(behind.heads().len(), 10);
    let said = said.lock().unwrap();
    assert!(said.iter().all(|line| !line.contains(SECRET)), "{said:?}");
    let url = behind.url();
    assert_eq!(
        said[0],
        format!("{url} cannot be used: it does not accept our credentials")
    );
    assert_eq!(said.last().unwrap(), &format!("{url} can be used again"));
    assert_eq!(said[1], format!("{url} cannot be used: HTTP 500"));
}

#[test]
fn an_upstream_that_is_busy_says_when_to_come_back() {
    let behind = Scripted::start(Act::Say(429, &[("retry-after", "7")], vec![]));
    let proxy = proxy(&behind.url()).start().unwrap();
    let answer = send(&proxy, &hello());
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, "7")
    );
}

#[test]
fn an_upstream_that_is_not_there_or_hangs_is_a_bad_gateway() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let unreachable = proxy(&format!("http://{nobody}")).start().unwrap();
    assert_eq!(send(&unreachable, &hello()).status, 502);
    let behind = Scripted::start(Act::Hang);
    let hasty = upstream(&behind.url()).with_timeout(Duration::from_millis(100));
    let (hanging, said) = listening(Proxy::builder(hasty, keys()));
    let answer = send(&hanging, &hello());
    assert_eq!(answer.status, 504);
    assert_eq!(told(&answer).0, 4);
    assert!(said.lock().unwrap()[0].ends_with("no answer in time"));
}

#[test]
fn a_partial_success_is_passed_on_in_the_form_of_the_question() {
    let body = r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#;
    let json: &[(&str, &str)] = &[("content-type", JSON)];
    let behind = Scripted::start(Act::Say(200, json, body.into()));
    let proxy = proxy(&behind.url()).start().unwrap();
    let json_of = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
    let answer = send(&proxy, &ask("/v1/logs", JSON, LOGS_JSON));
    assert_eq!(answer.status, 200);
    assert_eq!(json_of(&answer.body), json_of(body.as_bytes()));
    let answer = send(&proxy, &hello());
    let partial = ExportLogsServiceResponse::decode(answer.body)
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!(
        (partial.rejected_log_records, &*partial.error_message),
        (2, "too old")
    );
    let metrics = send(&proxy, &ask("/v1/metrics", JSON, METRICS_JSON));
    assert_eq!(
        json_of(&metrics.body)["partialSuccess"]["rejectedDataPoints"],
        "2"
    );
    // A message that gives the token away is not worth it.
    let body = format!(r#"{{"partialSuccess":{{"errorMessage":"hello {SECRET}"}}}}"#);
    behind.then(Act::Say(200, json, body.into()));
    assert_eq!(send(&proxy, &ask("/v1/logs", JSON, LOGS_JSON)).body, "{}");
}

#[test]
fn a_session_that_sends_too_much_is_told_when_to_come_back() {
    let behind = Scripted::start(Act::Say(200, &[], vec![]));
    let time = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&time);
    let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let one = NonZeroU32::new(1).unwrap();
    let bytes = |n| NonZeroUsize::new(n).unwrap();
    let length = logs(["hello"]).encoded_len();
    let proxy = proxy(&behind.url())
        .with_rate(
            RateLimit::default()
                .with_requests(one, NonZeroU32::new(2).unwrap())
                .with_bytes(bytes(length), bytes(5 * length)),
        )
        .with_clock(move || start + Duration::from_millis(theirs.load(Ordering::SeqCst)))
        .start()
        .unwrap();
    let session = |name: &str| {
        let token = keys().sign(name, start + Duration::from_secs(3600), None);
        format!("Bearer {token}")
    };
    let ask = |name: &str, content_type, body: Vec<u8>| {
        Ask::post("/v1/logs", content_type, body).with("authorization", &session(name))
    };
    let small = |name| ask(name, PROTOBUF, logs(["hello"]).encode_to_vec());
    assert_eq!(send(&proxy, &small("a")).status, 200);
    assert_eq!(send(&proxy, &small("a")).status, 200);
    let answer = send(&proxy, &small("a"));
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (429, "1")
    );
    let status = Status::decode(&*answer.body).unwrap();
    assert_eq!(status.code, 8);
    assert_eq!(
        status.details[0].type_url,
        "type.googleapis.com/google.rpc.RetryInfo"
    );
    // A field for the delay, and in it one second.
    assert_eq!(status.details[0].value, [0x0a, 2, 0x08, 1]);
    let answer = send(&proxy, &ask("a", JSON, LOGS_JSON.into()));
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(status["details"][0]["retryDelay"], "1s");
    // The others are not concerned, whatever token they have.
    assert_eq!(send(&proxy, &small("b")).status, 200);
    time.store(999, Ordering::SeqCst);
    assert_eq!(send(&proxy, &small("a")).status, 429);
    time.store(1000, Ordering::SeqCst);
    assert_eq!(send(&proxy, &small("a")).status, 200);

    // Packed ten times, it still costs what it is unpacked.
    let texts = ["hello"; 1];
    let many = (0..10)
        .flat_map(|_| logs(texts).encode_to_vec())
        .collect::<Vec<u8>>();
    let packed = ask("c", PROTOBUF, pack("gzip", &many)).with("content-encoding", "gzip");
    assert_eq!(send(&proxy, &packed).status, 200);
    let answer = send(&proxy, &small("c"));
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((5..=6).contains(&wait), "{wait}");
    time.fetch_add(wait * 1000, Ordering::SeqCst);
    assert_eq!(send(&proxy, &small("c")).status, 200);
    // The same clock ends the token.
    time.store(3_600_000 + 30_000, Ordering::SeqCst);
    assert_eq!(send(&proxy, &small("d")).status, 401);
}

#[test]
fn sessions_are_forgotten_before_they_are_too_many() {
    let behind = Scripted::start(Act::Say(200, &[], vec![]));
    let most = NonZeroUsize::new(10).unwrap();
    let proxy = proxy(&behind.url())
        .with_max_sessions(most)
        .start()
        .unwrap();
    for number in 0..50 {
        let ask = Ask::post("/v1/logs", PROTOBUF, vec![]);
        let ask = ask.with("authorization", &bearer(&format!("session {number}")));
        assert_eq!(send(&proxy, &ask).status, 200);
    }
    assert!((5..=10).contains(&proxy.sessions()), "{}", proxy.sessions());
}

#[test]
fn only_configured_pages_may_use_it() {
    let behind = Scripted::start(Act::Say(200, &[], vec![]));
    let proxy = proxy(&behind.url())
        .with_allowed_origin(ORIGIN)
        .start()
        .unwrap();
    let preflight = |origin: &str| {
        let ask = Ask {
            method: Method::OPTIONS,
            ..Ask::get("/v1/logs")
        };
        ask.with("origin", origin)
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "authorization")
    };
    let answer = send(&proxy, &preflight(ORIGIN));
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    let allowed = answer.header("access-control-allow-headers");
    assert!(allowed.contains("authorization") && allowed.contains("content-encoding"));

    let answer = send(&proxy, &hello().with("origin", ORIGIN));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(
        answer.header("access-control-expose-headers"),
        "retry-after"
    );
    // Its page has to be able to read why it is refused, too.
    let refused = Ask::post("/v1/logs", PROTOBUF, vec![]).with("origin", ORIGIN);
    let answer = send(&proxy, &refused);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);

    let sent = behind.heads().len();
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "https://shop.example:444",
        "https://sub.shop.example",
        "null",
        "*",
        "",
    ] {
        for ask in [preflight(origin), hello().with("origin", origin)] {
            let answer = send(&proxy, &ask);
            assert_eq!(answer.status, 403, "{origin}");
            for name in answer.headers.keys() {
                assert!(
                    !name.as_str().starts_with("access-control"),
                    "{origin} {name}"
                );
            }
        }
    }
    let twice = hello()
        .with("origin", ORIGIN)
        .with("origin", "https://evil.example");
    assert_eq!(send(&proxy, &twice).status, 403);
    assert_eq!(behind.heads().len(), sent);
    // Who is no page has no origin.
    let answer = send(&proxy, &hello());
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[test]
fn what_cannot_be_allowed_or_bound_does_not_start() {
    let everybody = proxy("http://127.0.0.1:9").with_allowed_origin("*").start();
    assert!(everybody.unwrap_err().is_configuration());
    let held = Collector::start().unwrap();
    let error = proxy("http://127.0.0.1:9")
        .with_address(held.local_addr())
        .start()
        .unwrap_err();
    assert!(error.is_address_in_use());
    assert!(Upstream::new("shop.example").is_ok_and(|upstream| {
        // Without a scheme it would do for gRPC only.
        Proxy::builder(upstream, keys()).start().is_err()
    }));
}

#[test]
fn it_works_over_http_2_too_and_tells_that_it_is_well() {
    let behind = Collector::start().unwrap();
    let proxy = proxy(&behind.endpoint()).start().unwrap();
    let to: SocketAddr = proxy.local_addr();
    let answer = run(hello().send(to, Version::HTTP_2));
    assert_eq!(answer.status, 200);
    assert_eq!(send(&proxy, &Ask::get("/healthz")).status, 200);
    let body = ExportLogsServiceRequest::default().encode_to_vec();
    assert_eq!(
        run(ask("/v1/logs", PROTOBUF, body).send(to, Version::HTTP_2)).status,
        200
    );
    assert_eq!(behind.logs().len(), 1);
}
