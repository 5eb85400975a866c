//! What a collector is started with: where its configuration is, its variables, its addresses.
//!
//! A rendered configuration goes through the environment: no file is left behind, and nobody else
//! can read its secrets.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::binary::Facts;
use super::config::Source;
use super::ports::Ports;
use super::render;
use super::supervise::Settings;

/// What it is told: where its configuration is, and its variables.
pub(super) fn told(
    settings: &Settings,
    facts: &Facts,
    ports: &Ports,
) -> (OsString, Vec<(String, String)>) {
    let config = &settings.config;
    let mut told: Vec<(String, String)> = [
        ("TRACING_OTLP_CHILD_GRPC", ports.grpc),
        ("TRACING_OTLP_CHILD_HTTP", ports.http),
        ("TRACING_OTLP_CHILD_HEALTH", ports.health),
    ]
    .map(|(name, address)| (name.to_owned(), address.to_string()))
    .into();
    let location = match &config.source {
        Source::File(path) => {
            let mut location = OsString::from("--config=file:");
            location.push(path);
            location
        }
        Source::Rendered => {
            let rendered = render::render(config, facts, ports).to_string();
            told.push((CONFIG_VARIABLE.to_owned(), rendered));
            if std::env::var_os(GO_LIMIT).is_none() {
                let limit = format!("{}MiB", config.memory_limit_mib / 5 * 4);
                told.push((GO_LIMIT.to_owned(), limit));
            }
            format!("--config=env:{CONFIG_VARIABLE}").into()
        }
    };
    told.extend(settings.environment.iter().cloned());
    (location, told)
}

/// Where a client on this machine finds what listens on every address.
pub(super) fn reachable(ports: Ports) -> Ports {
    let reachable = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    };
    Ports {
        grpc: reachable(ports.grpc),
        http: reachable(ports.http),
        health: reachable(ports.health),
    }
}

const CONFIG_VARIABLE: &str = "TRACING_OTLP_CHILD_CONFIG";
const GO_LIMIT: &str = "GOMEMLIMIT";
