//! Makes the collector's configuration: JSON, which is YAML too.
//!
//! Part of the collector's start, after the ports are chosen and the program has said what it is.
//! Every text goes through [`literal`]: the collector would expand a `$` otherwise.

use serde_json::{Map, Value, json};

use super::Fault;
use super::binary::Facts;
use super::config::{CollectorConfig, Destination, Kind};
use super::ports::Ports;

/// The configuration, in the names that this collector knows.
pub(super) fn render(config: &CollectorConfig, facts: &Facts, ports: &Ports) -> Value {
    let mut processors = Map::new();
    if facts.has("processors", "memory_limiter") {
        processors.insert(
            "memory_limiter".to_owned(),
            json!({
                "check_interval": "1s",
                "limit_mib": config.memory_limit_mib,
                "spike_limit_mib": config.memory_limit_mib / 4,
            }),
        );
    }
    if facts.has("processors", "batch") {
        processors.insert(
            "batch".to_owned(),
            json!({
                "send_batch_size": config.batch_size,
                // Two batches are not made one above it.
                "send_batch_max_size": config.batch_size,
                "timeout": format!("{}ms", config.batch_wait.as_millis()),
            }),
        );
    }
    // In this order: refuse before anything is kept.
    let order: Vec<&str> = ["memory_limiter", "batch"]
        .into_iter()
        .filter(|name| processors.contains_key(*name))
        .collect();

    let mut exporters = Map::new();
    let mut pipelines = Map::new();
    for signal in ["logs", "traces", "metrics"] {
        let mut names = Vec::new();
        for (index, destination) in destinations(config).iter().enumerate() {
            let mut name = format!("{}/{index}", facts.exporter(destination.kind));
            if destination.kind == Kind::File {
                // Pipelines that share a file exporter lose at the end what they still hold: it
                // closes with the first of them (seen in v0.161).
                name = format!("{name}-{signal}");
            }
            exporters.insert(name.clone(), exporter(destination, signal));
            names.push(name);
        }
        let pipeline = json!({"receivers": ["otlp"], "processors": order, "exporters": names});
        pipelines.insert(signal.to_owned(), pipeline);
    }

    let mut rendered = json!({
        "receivers": {"otlp": {"protocols": {
            "grpc": {"endpoint": ports.grpc.to_string(), "max_recv_msg_size_mib": LARGEST_MIB},
            "http": {
                "endpoint": ports.http.to_string(),
                "max_request_body_size": LARGEST_MIB * 1024 * 1024,
            },
        }}},
        "processors": processors,
        "exporters": exporters,
        "service": {
            // Its own metrics would take port 8888.
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": pipelines,
        },
    });
    if facts.has_health_check() {
        rendered["extensions"] = json!({"health_check": {"endpoint": ports.health.to_string()}});
        rendered["service"]["extensions"] = json!(["health_check"]);
    }
    rendered
}

/// What this collector must have for it, and has not.
pub(super) fn lacking(config: &CollectorConfig, facts: &Facts) -> Result<(), Fault> {
    for destination in destinations(config) {
        let name = facts.exporter(destination.kind);
        if !facts.has("exporters", name) {
            return Err(facts.lack(name));
        }
    }
    if facts.has("receivers", "otlp") {
        Ok(())
    } else {
        Err(facts.lack("otlp"))
    }
}

fn destinations(config: &CollectorConfig) -> Vec<Destination> {
    match config.destinations[..] {
        // A pipeline without an exporter is refused.
        [] => vec![Destination::debug()],
        ref some => some.to_vec(),
    }
}

fn exporter(destination: &Destination, signal: &str) -> Value {
    let target = literal(&destination.target);
    let mut rendered = match destination.kind {
        Kind::File => {
            let path = literal(&file_of(&destination.target, signal));
            // Otherwise each start, a restart too, would empty the file.
            return json!({"path": path, "append": true});
        }
        Kind::Debug => return json!({"verbosity": "basic"}),
        Kind::OtlpHttp => json!({"endpoint": target}),
        Kind::OtlpGrpc => {
            let is_plain = destination.target.starts_with("http://");
            json!({"endpoint": target, "tls": {"insecure": is_plain}})
        }
    };
    let headers: Map<_, _> = destination
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), literal(value).into()))
        .collect();
    if !headers.is_empty() {
        rendered["headers"] = headers.into();
    }
    if !destination.is_queued {
        rendered["sending_queue"] = json!({"enabled": false});
    }
    rendered
}

/// `telemetry.jsonl` is `telemetry-logs.jsonl` for logs.
fn file_of(path: &str, signal: &str) -> String {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name..].rfind('.') {
        // A dot in front begins a name.
        Some(dot @ 1..) => {
            let (stem, end) = path.split_at(name + dot);
            format!("{stem}-{signal}{end}")
        }
        _ => format!("{path}-{signal}"),
    }
}

/// A text that the collector takes as it is: `${…}` would be replaced.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// What the specification asks of a client's requests: no more than 64 MiB. The receiver's own
/// defaults are 4 MiB for gRPC and 20 MiB for HTTP.
const LARGEST_MIB: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_has_a_file_beside_the_others() {
        for (path, expected) in [
            ("/var/log/telemetry.jsonl", "/var/log/telemetry-logs.jsonl"),
            ("telemetry.json.1", "telemetry.json-logs.1"),
            ("/var/lib.d/telemetry", "/var/lib.d/telemetry-logs"),
            ("/var/.hidden", "/var/.hidden-logs"),
        ] {
            assert_eq!(file_of(path, "logs"), expected);
        }
    }
}
