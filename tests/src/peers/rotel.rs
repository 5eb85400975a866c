//! Rotel: a third-party OTLP agent, receiving over HTTP and gRPC, printing what it received.
//!
//! It stands where a collector would: a test points an exporter at [`Rotel::http_endpoint`] or
//! [`Rotel::grpc_endpoint`] and asks for [`Rotel::logs`] and [`Rotel::spans`].
//!
//! The one thing to know: those two first post a marker of their own and wait until it is printed.
//! The agent handles a signal in order, so everything that it had acknowledged before is in the
//! answer, and "nothing more arrived" needs no waiting either.
//!
//! It takes HTTP/protobuf, HTTP/JSON and gRPC, plain or gzip. It ignores `Content-Encoding: zstd`,
//! and answers 400 to JSON with an empty `arrayValue` or `AnyValue` or with `"NaN"`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1 as logs;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message;

use super::{SETUP, in_venv, missing, printed};
use crate::child::{self, Child, GaveUp};
use crate::http;
use crate::model::{LogRecord, Span};

/// A running agent on two free ports of the loopback interface; killed when dropped.
#[derive(Debug)]
pub struct Rotel {
    child: Child,
    http: SocketAddr,
    grpc: SocketAddr,
    markers: AtomicU64,
}

impl Rotel {
    /// Starts the agent, if it is installed, and returns when both ports answer.
    ///
    /// # Panics
    ///
    /// When it is not installed and `TRACING_OTLP_REQUIRE_PEERS=1`; when it is and does not start.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// As [`Rotel::start`], with more arguments for the agent's command line.
    ///
    /// # Panics
    ///
    /// As [`Rotel::start`].
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        let Some(program) = in_venv("bin/rotel-agent") else {
            missing("rotel (PyPI rotel)", SETUP);
            return None;
        };
        let mut reasons = Vec::new();
        // Between finding a free port and the agent's taking it, somebody else may take it.
        for _ in 0..5 {
            let (http, grpc) = free_addresses();
            let mut command = child::command(&program);
            for (name, _) in std::env::vars_os() {
                if name.to_string_lossy().starts_with("ROTEL_") {
                    command.env_remove(name);
                }
            }
            command
                .args(["start", "--exporter", "blackhole"])
                .args(["--otlp-http-endpoint", &http.to_string()])
                .args(["--otlp-grpc-endpoint", &grpc.to_string()])
                .args(["--otlp-grpc-max-recv-msg-size-mib", "64"])
                .args(["--debug-log", "logs", "--debug-log", "traces"])
                .args(["--debug-log-verbosity", "detailed"])
                .args(arguments);
            let child = Child::spawn(&mut command).expect("the agent's program can be started");
            let mut rotel = Self {
                child,
                http,
                grpc,
                markers: AtomicU64::new(0),
            };
            match rotel.ready() {
                Ok(()) => return Some(rotel),
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        panic!("rotel does not start:\n{}", reasons.join("\n"));
    }

    /// `http://HOST:PORT`, without a path.
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// `http://HOST:PORT` of the gRPC receiver.
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// The address of the HTTP receiver.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The address of the gRPC receiver.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// Every log record that the agent acknowledged before this call, in its order.
    ///
    /// # Panics
    ///
    /// When the agent stops answering.
    pub fn logs(&self) -> Vec<LogRecord> {
        let marker = self.marker();
        let record = logs::LogRecord {
            event_name: marker.clone(),
            // A record without a body and attributes cannot be mistaken for anybody's.
            ..logs::LogRecord::default()
        };
        let scope = logs::ScopeLogs {
            log_records: vec![record],
            ..logs::ScopeLogs::default()
        };
        let resource = logs::ResourceLogs {
            scope_logs: vec![scope],
            ..logs::ResourceLogs::default()
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![resource],
        };
        let lines = self.after(
            "/v1/logs",
            &request.encode_to_vec(),
            &format!("EventName: {marker}"),
        );
        let mut records = printed::logs(&lines);
        records.retain(|record| !record.event_name.starts_with(MARKER));
        records
    }

    /// Every span that the agent acknowledged before this call, in its order.
    ///
    /// # Panics
    ///
    /// When the agent stops answering.
    pub fn spans(&self) -> Vec<Span> {
        let marker = self.marker();
        let span = trace::Span {
            trace_id: vec![0xfe; 16],
            span_id: vec![0xfe; 8],
            name: marker.clone(),
            ..trace::Span::default()
        };
        let scope = trace::ScopeSpans {
            spans: vec![span],
            ..trace::ScopeSpans::default()
        };
        let resource = trace::ResourceSpans {
            scope_spans: vec![scope],
            ..trace::ResourceSpans::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![resource],
        };
        let name = format!("    Name           : {marker}");
        let lines = self.after("/v1/traces", &request.encode_to_vec(), &name);
        let mut spans = printed::spans(&lines);
        spans.retain(|span| !span.name.starts_with(MARKER));
        spans
    }

    /// Waits until `enough` likes the log records printed so far, and returns them. For senders
    /// that give no sign when they are done; otherwise flush the sender and call [`Rotel::logs`].
    ///
    /// # Errors
    ///
    /// When the deadline passes first; it shows what the agent printed.
    pub fn wait_for_logs(
        &self,
        timeout: Duration,
        mut enough: impl FnMut(&[LogRecord]) -> bool,
    ) -> Result<Vec<LogRecord>, GaveUp> {
        let theirs = |lines: &[String]| {
            let mut records = printed::logs(lines);
            records.retain(|record| !record.event_name.starts_with(MARKER));
            records
        };
        // A record is complete with its last line; nothing new can be there before one.
        let looked = |lines: &[String]| {
            let last = lines.last().is_none_or(|line| line.starts_with("Flags: "));
            last && enough(&theirs(lines))
        };
        self.child
            .wait_for_stdout(timeout, looked)
            .map(|lines| theirs(&lines))
    }

    /// Waits until `enough` likes the lines printed so far, and returns them.
    ///
    /// # Errors
    ///
    /// When the deadline passes first; it shows what the agent printed.
    pub fn wait_for(
        &self,
        timeout: Duration,
        enough: impl FnMut(&[String]) -> bool,
    ) -> Result<Vec<String>, GaveUp> {
        self.child.wait_for_stdout(timeout, enough)
    }

    /// What the agent has printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.child.stdout()
    }

    /// Kills the agent as an outage would. Its ports then refuse connections.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Both ports answer and it is still our agent that lives.
    fn ready(&mut self) -> Result<(), GaveUp> {
        let deadline = Instant::now() + PATIENCE;
        for address in [self.http, self.grpc] {
            while TcpStream::connect_timeout(&address, PATIENCE).is_err() {
                if self.child.has_exited() || Instant::now() >= deadline {
                    self.child.kill();
                    // Its output ends, so this gives up at once, with the agent's words.
                    return self.child.wait_for_stdout(PATIENCE, |_| false).map(drop);
                }
                // A refused connection comes back at once: leave the agent some room to start.
                let _ = self.child.wait(Duration::from_millis(5));
            }
        }
        if self.child.has_exited() {
            return self.child.wait_for_stdout(PATIENCE, |_| false).map(drop);
        }
        Ok(())
    }

    fn marker(&self) -> String {
        format!("{MARKER}{}.", self.markers.fetch_add(1, Ordering::Relaxed))
    }

    /// Posts a marker and returns the lines up to the end of its document.
    fn after(&self, path: &str, body: &[u8], line: &str) -> Vec<String> {
        let headers = [("Content-Type", "application/x-protobuf")];
        let answer = http::post(self.http, path, &headers, body).expect("the agent answers");
        assert_eq!(answer.status, 200, "the agent takes the marker");
        let mut seen = 0;
        let printed = |lines: &[String]| {
            let found = lines[seen..].iter().position(|printed| printed == line);
            // Look at each line once: a test may have sent a million of them.
            let Some(at) = found else {
                seen = lines.len();
                return false;
            };
            // The end of a log record is its flags; the spans before the marker are complete.
            path.ends_with("traces") || lines[seen + at..].iter().any(|l| l.starts_with("Flags: "))
        };
        match self.child.wait_for_stdout(PATIENCE, printed) {
            Ok(lines) => lines,
            Err(gave_up) => panic!("the marker does not come out of the agent: {gave_up}"),
        }
    }
}

fn free_addresses() -> (SocketAddr, SocketAddr) {
    // Both are held until both are known, so that they differ.
    let one = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let two = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = |listener: &TcpListener| listener.local_addr().expect("a bound address");
    (address(&one), address(&two))
}

const MARKER: &str = "tracing-otlp-tests.marker.";
const PATIENCE: Duration = Duration::from_secs(30);
