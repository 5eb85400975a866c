//! What can be asked for on the command line, and by environment variables of the same names.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_otlp_collector::{Compression, Protocol};

/// A local place for OpenTelemetry logs, traces and metrics: receives, keeps and shows them.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "tracing-otlp", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receive, keep and show (the default).
    Serve(Box<Serve>),
    /// Print log records, oldest first.
    Logs(Logs),
    /// List traces, the newest activity first.
    Traces(Traces),
    /// Print one trace as a tree, with the log records inside their spans.
    Trace(Trace),
    /// Say how many log records are linked to a span that arrived.
    Audit(Audit),
    /// Send OTLP/JSON line files to a running collector.
    Import(Import),
    /// Write kept log records or spans as OTLP/JSON lines.
    Export(Export),
    /// Take OTLP from browsers and other untrusted clients, and send it on with credentials that they
    /// must not have.
    Proxy(Box<Proxy>),
    /// Make a session token for the proxy.
    Token(Token),
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Serve {
    /// Where to listen; every port speaks gRPC and HTTP alike.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4317",
        env = "TRACING_OTLP_COLLECTOR_GRPC"
    )]
    pub(crate) grpc: SocketAddr,
    /// The second address, whose URL is given for the viewer.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4318",
        env = "TRACING_OTLP_COLLECTOR_HTTP"
    )]
    pub(crate) http: SocketAddr,
    /// End with an error when a port is taken, instead of taking a free one.
    #[arg(long, env = "TRACING_OTLP_COLLECTOR_FIXED_PORTS")]
    pub(crate) fixed_ports: bool,
    /// How much to keep in memory, such as 512MiB or 2GB.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = size,
          env = "TRACING_OTLP_COLLECTOR_MEMORY")]
    pub(crate) memory: usize,
    /// The longest request that is accepted, packed and unpacked.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size,
          env = "TRACING_OTLP_COLLECTOR_MAX_BODY")]
    pub(crate) max_body: usize,
    /// Also write what arrives into this directory, as OTLP/JSON lines, and read it at the start.
    #[arg(long, value_name = "DIR", env = "TRACING_OTLP_COLLECTOR_DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Begin a new file when one would grow beyond this.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size,
          env = "TRACING_OTLP_COLLECTOR_FILE_SIZE")]
    pub(crate) file_size: usize,
    /// Begin a new file when one is this old.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration,
          env = "TRACING_OTLP_COLLECTOR_FILE_AGE")]
    pub(crate) file_age: Duration,
    /// Keep at most this many files of each signal.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        env = "TRACING_OTLP_COLLECTOR_FILE_COUNT"
    )]
    pub(crate) file_count: usize,
    /// How often to have written files brought to the disk.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration,
          env = "TRACING_OTLP_COLLECTOR_SYNC_EVERY")]
    pub(crate) sync_every: Duration,
    /// Write the endpoints into this file as JSON, once they accept connections. It goes at the end
    #[arg(long, value_name = "FILE", env = "TRACING_OTLP_COLLECTOR_PORT_FILE")]
    pub(crate) port_file: Option<PathBuf>,
    /// An origin whose web pages may use the API and send logs; may be given several times.
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        env = "TRACING_OTLP_COLLECTOR_ALLOW_ORIGIN"
    )]
    pub(crate) allow_origin: Vec<String>,
    /// A host name, besides localhost, that the page may be opened by.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        env = "TRACING_OTLP_COLLECTOR_ALLOW_HOST"
    )]
    pub(crate) allow_host: Vec<String>,
    /// Send everything on to this OTLP endpoint too. Secret headers come from
    /// `TRACING_OTLP_COLLECTOR_FORWARD_SECRET_HEADERS` (name=value,…).
    // A URL may hold a password, and help is shown to anybody.
    #[arg(
        long,
        value_name = "URL",
        env = "TRACING_OTLP_COLLECTOR_FORWARD",
        hide_env_values = true
    )]
    pub(crate) forward: Option<String>,
    /// How to speak to that endpoint.
    #[arg(long, value_name = "PROTOCOL", value_enum, default_value_t = ProtocolArg::HttpProtobuf,
          env = "TRACING_OTLP_COLLECTOR_FORWARD_PROTOCOL")]
    pub(crate) forward_protocol: ProtocolArg,
    /// How to compress what goes there.
    #[arg(long, value_name = "COMPRESSION", value_enum, default_value_t = CompressionArg::Gzip,
          env = "TRACING_OTLP_COLLECTOR_FORWARD_COMPRESSION")]
    pub(crate) forward_compression: CompressionArg,
    /// One more header for that endpoint, if it is no secret; may be given several times.
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        env = "TRACING_OTLP_COLLECTOR_FORWARD_HEADER"
    )]
    pub(crate) forward_header: Vec<String>,
    /// How long that endpoint may take for an answer.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration,
          env = "TRACING_OTLP_COLLECTOR_FORWARD_TIMEOUT")]
    pub(crate) forward_timeout: Duration,
    /// Keep in this directory what cannot be sent on yet, also through the end of the process.
    #[arg(long, value_name = "DIR", env = "TRACING_OTLP_COLLECTOR_FORWARD_SPOOL")]
    pub(crate) forward_spool: Option<PathBuf>,
}

/// A proxy for clients that cannot be trusted.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Proxy {
    /// The OTLP endpoint to send to. Secret headers come from `TRACING_OTLP_PROXY_SECRET_HEADERS`
    /// (name=value,…), and the keys of session tokens from `TRACING_OTLP_PROXY_KEYS` (at least 32
    /// characters each, separated by commas; the first signs).
    #[arg(
        long,
        value_name = "URL",
        env = "TRACING_OTLP_PROXY_UPSTREAM",
        hide_env_values = true
    )]
    pub(crate) upstream: String,
    /// Where to listen.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4319",
        env = "TRACING_OTLP_PROXY_LISTEN"
    )]
    pub(crate) listen: SocketAddr,
    /// How to speak to the upstream.
    #[arg(long, value_name = "PROTOCOL", value_enum, default_value_t = ProtocolArg::HttpProtobuf,
          env = "TRACING_OTLP_PROXY_PROTOCOL")]
    pub(crate) protocol: ProtocolArg,
    /// How to compress what goes there.
    #[arg(long, value_name = "COMPRESSION", value_enum, default_value_t = CompressionArg::Gzip,
          env = "TRACING_OTLP_PROXY_COMPRESSION")]
    pub(crate) compression: CompressionArg,
    /// One more header for the upstream, if it is no secret; may be given several times.
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        env = "TRACING_OTLP_PROXY_HEADER"
    )]
    pub(crate) header: Vec<String>,
    /// How long the upstream may take for an answer, before the client is told 504.
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = duration,
          env = "TRACING_OTLP_PROXY_TIMEOUT")]
    pub(crate) timeout: Duration,
    /// An origin whose web pages may send; may be given several times.
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        env = "TRACING_OTLP_PROXY_ALLOW_ORIGIN"
    )]
    pub(crate) allow_origin: Vec<String>,
    /// Whom session tokens have to be for; without it they must be for nobody in particular.
    #[arg(long, value_name = "AUDIENCE", env = "TRACING_OTLP_PROXY_AUDIENCE")]
    pub(crate) audience: Option<String>,
    /// The longest request that is accepted, packed and unpacked.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size,
          env = "TRACING_OTLP_PROXY_MAX_BODY")]
    pub(crate) max_body: usize,
    /// How many requests a second a session may send.
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        env = "TRACING_OTLP_PROXY_REQUESTS"
    )]
    pub(crate) requests: NonZeroU32,
    /// How many of them at once.
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        env = "TRACING_OTLP_PROXY_REQUEST_BURST"
    )]
    pub(crate) request_burst: NonZeroU32,
    /// How many bytes a second a session may send, counted unpacked.
    #[arg(long, value_name = "SIZE", default_value = "256KiB", value_parser = size,
          env = "TRACING_OTLP_PROXY_BYTES")]
    pub(crate) bytes: usize,
    /// How many of them at once.
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = size,
          env = "TRACING_OTLP_PROXY_BYTE_BURST")]
    pub(crate) byte_burst: usize,
    /// How many sessions to remember the rates of.
    #[arg(
        long,
        value_name = "N",
        default_value = "100000",
        env = "TRACING_OTLP_PROXY_SESSIONS"
    )]
    pub(crate) sessions: NonZeroUsize,
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Token {
    /// The session that the token is for. The key comes from `TRACING_OTLP_PROXY_KEYS`.
    #[arg(long, value_name = "NAME", default_value = "development")]
    pub(crate) session: String,
    /// How long it is good for.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) ttl: Duration,
    /// Whom it is for, where the proxy wants that.
    #[arg(long, value_name = "AUDIENCE", env = "TRACING_OTLP_PROXY_AUDIENCE")]
    pub(crate) audience: Option<String>,
}

/// The protocols, as `OTEL_EXPORTER_OTLP_PROTOCOL` spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolArg {
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    #[value(name = "http/json")]
    HttpJson,
    Grpc,
}

impl From<ProtocolArg> for Protocol {
    fn from(arg: ProtocolArg) -> Self {
        match arg {
            ProtocolArg::HttpProtobuf => Self::HttpProtobuf,
            ProtocolArg::HttpJson => Self::HttpJson,
            ProtocolArg::Grpc => Self::Grpc,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionArg {
    None,
    Gzip,
    Zstd,
}

impl From<CompressionArg> for Compression {
    fn from(arg: CompressionArg) -> Self {
        match arg {
            CompressionArg::None => Self::None,
            CompressionArg::Gzip => Self::Gzip,
            CompressionArg::Zstd => Self::Zstd,
        }
    }
}

/// Which collector to ask.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Where {
    /// The collector's URL.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:4318",
        env = "TRACING_OTLP_COLLECTOR_URL"
    )]
    pub(crate) url: String,
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Logs {
    /// Which records, for example 'level>=warn service:shop timeout'.
    #[arg(
        value_name = "FILTER",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) filter: Vec<String>,
    /// Go on with what arrives.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How far back, such as 15m or a time in RFC 3339; an hour for --follow, else everything.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// At most this many, the newest ones.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: usize,
    /// Print each record as JSON, as the API has it.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Traces {
    /// Which traces: those with a span or record that matches.
    #[arg(
        value_name = "FILTER",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) filter: Vec<String>,
    /// How far back, such as 15m.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// At most this many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
    /// Print each trace as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Trace {
    /// The trace id: 32 hex digits.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Audit {
    /// Which records.
    #[arg(
        value_name = "FILTER",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) filter: Vec<String>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with status 1 when a record is orphaned.
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Import {
    /// Files with one export request a line; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(Clone, Debug, Parser)]
pub(crate) struct Export {
    /// Which records, or which traces.
    #[arg(
        value_name = "FILTER",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) filter: Vec<String>,
    /// The file to write; - is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// Write the spans of matching traces instead of log records.
    #[arg(long)]
    pub(crate) traces: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

/// Reads `512MiB`, `2GB`, `100k` or a number of bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        _ => return Err(format!("{unit:?} is no unit; try 512MiB")),
    };
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("{text:?} is no size; try 512MiB"))
}

/// Reads `500ms`, `1s`, `15m`, `24h` or `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("{text:?} is no duration; try 500ms, 1s or 24h")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is no duration; try 500ms, 1s or 24h"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size("10"), Ok(10));
        assert!(size("0").is_err() && size("MiB").is_err() && size("1x").is_err());
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert!(duration("1").is_err() && duration("s").is_err());
    }
}
