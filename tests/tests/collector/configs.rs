//! Every configuration that we ship, and every one that we render, is one that the real collector
//! takes, under the names that it has.

use std::collections::BTreeSet;
use std::process::Command;

use tracing_otlp_collector::{
    Collector, CollectorConfig, CollectorProcess, Destination, Protocol, Signal,
};
use tracing_otlp_tests::child::{self, Child, workspace_root};
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
        if name == "compose.yaml" {
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

#[test]
fn none_that_we_ship_uses_a_name_that_goes() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let folder = Folder::new("names");
    // The production one needs certificates to start; it has the names of gateway-tier.yaml.
    for name in [
        "development.yaml",
        "load-balancer.yaml",
        "gateway-tier.yaml",
    ] {
        let path = workspace_root().join("examples/collector").join(name);
        let mut text = std::fs::read_to_string(path).unwrap();
        for fixed in ["0.0.0.0:4317", "0.0.0.0:4318", "0.0.0.0:13133"] {
            text = text.replace(fixed, "127.0.0.1:0");
        }
        if !text.contains("  telemetry:\n") {
            let quiet = "service:\n  telemetry: {metrics: {level: none}}\n";
            text = text.replace("service:\n", quiet);
        }
        let file = folder.file(name);
        std::fs::write(&file, text).unwrap();
        let mut command = child::command(&otelcol.new);
        command
            .args(["--config", &file])
            .env("TRACING_OTLP_CHILD_GRPC", "127.0.0.1:0")
            .env("TRACING_OTLP_CHILD_HTTP", "127.0.0.1:0")
            .env("TRACING_OTLP_CHILD_HEALTH", "127.0.0.1:0")
            .env("OTLP_GATEWAY", "localhost")
            .env("OTLP_OUT", folder.path())
            .env("OTLP_STORAGE", folder.path())
            .env("OTLP_UPSTREAM", "http://127.0.0.1:9")
            .env("OTLP_TOKEN", "secret");
        let started = Child::spawn(&mut command).unwrap();
        let is_ready = |lines: &[String]| lines.iter().any(|it| it.contains("Everything is ready"));
        let lines = started.wait_for_stderr(PATIENCE, is_ready).unwrap();
        let mut going = lines.iter().filter(|line| line.contains("deprecated"));
        assert_eq!(going.next(), None, "{name}");
    }
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
        assert!(
            !collector
                .output()
                .iter()
                .any(|line| line.contains("deprecated"))
        );
    }
}
