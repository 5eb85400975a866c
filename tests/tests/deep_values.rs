//! A value as deep as an application likes never costs the records beside it.

use std::time::Duration;

use serde::Serialize;
use tracing::info;
use tracing_otlp::{Console, Protocol, Telemetry, nested};
use tracing_otlp_collector::Collector;
use tracing_subscriber::prelude::*;

#[derive(Serialize)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[derive(Serialize)]
struct Lists(Vec<Lists>);

#[test]
fn a_deep_value_arrives_with_the_records_beside_it_over_every_protocol() {
    let mut chain = Chain { next: None };
    let mut lists = Lists(Vec::new());
    for _ in 0..200 {
        chain = Chain {
            next: Some(Box::new(chain)),
        };
        lists = Lists(vec![lists]);
    }
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc] {
        let collector = Collector::start().unwrap();
        let telemetry = Telemetry::builder()
            .with_environment(|_| None)
            .with_endpoint(collector.endpoint())
            .with_protocol(protocol)
            .with_console(Console::Off)
            .build()
            .unwrap();
        let subscriber = tracing_subscriber::registry().with(telemetry.log_layer());
        tracing::subscriber::with_default(subscriber, || {
            info!("before");
            info!(chain = nested(&chain), lists = nested(&lists), "deep");
            info!(message = nested(&chain));
            info!("after");
        });
        let report = telemetry.shutdown();
        assert_eq!(
            (report.logs().delivered(), report.lost()),
            (4, 0),
            "{protocol}: {report}"
        );
        collector.wait_for_logs(4, Duration::from_secs(30)).unwrap();
    }
}
