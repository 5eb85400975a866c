//! Every configuration that we ship, and every one that we render, is one that the real collector
//! takes, under the names that it has.

use std::collections::BTreeSet;
use std::process::Command;

use tracing_otlp_collector::{
    Collector, CollectorConfig, CollectorProcess, Destination, Protocol, Signal,
};
use tracing_otlp_tests::child::workspace_root;
use tracing_otlp_tests::peers::Otelcol;
use tracing_otlp_tests::quickstart;

use crate::support::{Folder, PATIENCE};

#[test]
fn every_configuration_that_we_ship_is_taken_under_new_names_and_old() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let folder = Folder::new("configs");
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(workspace_root().join("examples/collector")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".yaml") || name == "compose.yaml" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let old = text
            .replace("otlp_http", "otlphttp")
            .replace("otlp_grpc", "otlp")
            .replace("load_balancing", "loadbalancing");
        for (names, text) in [("new", &text), ("old", &old)] {
            let file = folder.file(&format!("{names}-{name}"));
            std::fs::write(&file, text).unwrap();
            let said = Command::new(&otelcol.new)
                .args(["validate", "--config", &file])
                .env("OTLP_UPSTREAM", "https://otlp.example.com")
                .env("OTLP_TOKEN", "secret")
                // What the production configuration names has to be there, even to be looked at.
                .env("OTLP_CERTIFICATES", certificates(&folder))
                .env("OTLP_STORAGE", folder.path())
                .output()
                .unwrap();
            assert!(
                said.status.success(),
                "{names} names, {name}: {}",
                String::from_utf8_lossy(&said.stderr)
            );
        }
        seen.insert(name);
    }
    let shipped = [
        "development.yaml",
        "gateway-tier.yaml",
        "load-balancer.yaml",
        "production.yaml",
    ];
    assert_eq!(seen, shipped.map(str::to_owned).into());
}

/// Files of these names; what is in them is not looked at before the start.
fn certificates(folder: &Folder) -> String {
    for name in ["server.crt", "server.key", "ca.crt"] {
        std::fs::write(folder.file(name), "").unwrap();
    }
    folder.path().to_str().unwrap().to_owned()
}

#[test]
fn rendered_for_old_and_new_it_sends_on_everything() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    for program in [&otelcol.new, &otelcol.old] {
        let keeps = || Collector::builder().keep_requests(true).start().unwrap();
        let (over_http, over_grpc) = (keeps(), keeps());
        // What the collector would replace, were it not told otherwise.
        let awkward = "a$b ${env:PATH} $$ \"quoted\" \\ end";
        let config = CollectorConfig::new()
            .with_destination(
                Destination::otlp_http(over_http.endpoint()).with_header("x-key", awkward),
            )
            .with_destination(
                Destination::otlp_grpc(over_grpc.endpoint())
                    .with_header("x-key", awkward)
                    .without_queue(),
            );
        let collector = CollectorProcess::builder()
            .with_binary(program)
            .with_start_timeout(PATIENCE)
            .with_config(config)
            .spawn()
            .unwrap();
        let printed = quickstart::run(&collector.http_endpoint(), &[]);
        // What it still holds leaves it on its way out.
        collector.shutdown().unwrap();
        for (ours, protocol) in [
            (&over_http, Protocol::HttpProtobuf),
            (&over_grpc, Protocol::Grpc),
        ] {
            let logs = tracing_otlp_tests::collected::logs(ours);
            let spans = tracing_otlp_tests::collected::spans(ours);
            quickstart::check(&printed, &logs, &spans);
            assert_eq!(ours.audit().orphaned, 0);
            let requests = ours.requests();
            for request in &requests {
                assert_eq!(request.protocol(), protocol);
                assert_eq!(request.header("x-key"), Some(awkward));
                assert_eq!(request.refusal(), None);
            }
            let signals: BTreeSet<_> = requests
                .iter()
                .map(|it| it.signal() == Signal::Logs)
                .collect();
            assert_eq!(signals.len(), 2, "logs, and spans");
        }
        // The collector's senders announce themselves with its version, ours do not.
        assert!(
            !collector
                .output()
                .iter()
                .any(|line| line.contains("deprecated"))
        );
    }
}
