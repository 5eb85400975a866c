//! A collector's life as a child: it comes before the exporters, comes back, and goes with us.

use std::net::TcpStream;
use std::time::Duration;

use tracing_otlp_collector::{
    CollectorConfig, CollectorProcess, CollectorProcessBuilder, ProcessState, RestartPolicy,
};
use tracing_otlp_tests::child::workspace_root;
use tracing_otlp_tests::peers::Otelcol;
use tracing_otlp_tests::victim::{Victim, assert_delivered};

use crate::support::{Folder, PATIENCE, eventually, group_of, is_gone, signal};

const VICTIM: &str = env!("CARGO_BIN_EXE_victim");

fn owned(program: &std::path::Path) -> CollectorProcessBuilder {
    CollectorProcess::builder()
        .with_binary(program)
        .with_start_timeout(PATIENCE)
        .with_grace(Duration::from_secs(10))
}

#[test]
fn it_answers_once_it_is_there_and_is_gone_after_shutdown() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    for (program, version) in [(&otelcol.new, "0.161.0"), (&otelcol.old, "0.139.0")] {
        let collector = owned(program).spawn().unwrap();
        assert_eq!(collector.state(), ProcessState::Ready);
        assert_eq!(collector.version(), version);
        let pid = collector.pid().unwrap();
        assert!(!is_gone(pid));
        for address in [collector.http_address(), collector.grpc_address()] {
            TcpStream::connect(address).unwrap();
        }
        assert!(
            collector
                .output()
                .iter()
                .any(|line| line.contains("Everything is ready")),
            "{collector:?}: {:#?}",
            collector.output()
        );
        // A Ctrl-C at the terminal is for our group.
        assert_ne!(group_of(pid), group_of(std::process::id()));
        collector.shutdown().unwrap();
        assert!(is_gone(pid));
        assert_eq!(collector.state(), ProcessState::Stopped);
        assert_eq!(collector.pid(), None);
        assert!(TcpStream::connect(collector.http_address()).is_err());
        collector.shutdown().unwrap();
    }
}

#[test]
fn the_one_of_the_path_is_one_call_away() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let folder = Folder::new("path");
    std::os::unix::fs::symlink(&otelcol.new, folder.file("otelcol")).unwrap();
    // Nothing else is there: the guard finds what it needs by itself.
    let run = Victim::new(VICTIM, &["owns-the-collector-of-its-path"])
        .env("PATH", folder.path())
        .succeed();
    let told = run.told();
    assert_delivered(&told[0], 1, 0);
    let output = told[1]["output"].as_array().unwrap();
    assert!(
        output
            .iter()
            .any(|line| line.as_str().unwrap().contains("\"log records\": 1")),
        "{output:#?}"
    );
}

#[test]
fn it_goes_when_the_handle_is_dropped() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let collector = owned(&otelcol.new).spawn().unwrap();
    let pid = collector.pid().unwrap();
    drop(collector);
    eventually("it is gone", || is_gone(pid));
}

#[test]
fn it_goes_when_its_owner_is_killed() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let program = otelcol.new.to_str().unwrap();
    let mut owner = Victim::new(VICTIM, &["owns-a-collector", program]).start();
    let told = owner
        .wait_for_stdout(PATIENCE, |lines| !lines.is_empty())
        .unwrap();
    let told: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    let pid = u32::try_from(told["pid"].as_u64().unwrap()).unwrap();
    let http = told["http"].as_str().unwrap().to_owned();
    assert!(!is_gone(pid));
    TcpStream::connect(&http).unwrap();
    // As `kill -9` does.
    owner.kill();
    eventually("it is gone", || is_gone(pid));
    // Its first thread may be gone a moment before the last one, which holds the port.
    eventually("its port is closed", || TcpStream::connect(&http).is_err());
}

#[test]
fn it_goes_when_its_owner_returns_and_forgets_it() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let program = otelcol.new.to_str().unwrap();
    let run = Victim::new(VICTIM, &["leaves-a-collector", program]).succeed();
    let pid = u32::try_from(run.last()["pid"].as_u64().unwrap()).unwrap();
    eventually("it is gone", || is_gone(pid));
}

#[test]
fn it_comes_back_on_the_same_ports() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let collector = owned(&otelcol.new)
        .with_restart(RestartPolicy::default().with_first_wait(Duration::from_millis(10)))
        .spawn()
        .unwrap();
    let (first, address) = (collector.pid().unwrap(), collector.http_address());
    signal(first, "KILL");
    eventually("it is another one", || {
        collector.state() == ProcessState::Ready && collector.pid().is_some_and(|pid| pid != first)
    });
    assert_eq!(collector.http_address(), address);
    TcpStream::connect(address).unwrap();
    assert_eq!(collector.restarts(), 1);
    assert_eq!(collector.last_end().as_deref(), Some("signal 9"));
    collector.shutdown().unwrap();
}

#[test]
fn without_a_restart_its_end_is_a_failure_that_is_told() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let collector = owned(&otelcol.new)
        .with_restart(RestartPolicy::never())
        .spawn()
        .unwrap();
    signal(collector.pid().unwrap(), "KILL");
    let is_failed = |state| state == ProcessState::Failed;
    collector.wait_for_state(is_failed, PATIENCE).unwrap();
    let error = collector.shutdown().unwrap_err();
    assert!(error.to_string().contains("signal 9"), "{error}");
}

#[test]
fn one_that_hangs_is_ended_and_started_again() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let collector = owned(&otelcol.new)
        .with_grace(Duration::from_secs(1))
        .with_health_interval(Duration::from_millis(10))
        .spawn()
        .unwrap();
    let first = collector.pid().unwrap();
    signal(first, "STOP");
    eventually("it is another one", || {
        collector.state() == ProcessState::Ready && collector.pid().is_some_and(|pid| pid != first)
    });
    assert!(is_gone(first), "SIGTERM is not heard by it, SIGKILL is");
    assert_eq!(collector.last_end().as_deref(), Some("it did not answer"));
    collector.shutdown().unwrap();
}

#[test]
fn a_start_and_an_end_block_no_runtime() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut ticks = 0_u32;
        let starting = owned(&otelcol.new).spawn_async();
        tokio::pin!(starting);
        let collector = loop {
            tokio::select! {
                biased;
                collector = &mut starting => break collector.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(5)) => ticks += 1,
            }
        };
        // It takes a tenth of a second at least to ask it for its components and to start it.
        assert!(ticks >= 5, "{ticks}");
        let pid = collector.pid().unwrap();
        collector.shutdown_async().await.unwrap();
        assert!(is_gone(pid));

        // A start that nobody waits for any more ends.
        let config = CollectorConfig::new();
        let starting = owned(&otelcol.new).with_config(config).spawn_async();
        let waited = tokio::time::timeout(Duration::from_millis(1), starting).await;
        assert!(waited.is_err(), "it is not that fast");
    });
}

#[test]
fn it_takes_a_file_of_its_own_language() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let folder = Folder::new("own-file");
    let file = folder.file("config.yaml");
    let text = "receivers:\n  otlp:\n    protocols:\n      \
                grpc: {endpoint: '${env:TRACING_OTLP_CHILD_GRPC}'}\n      \
                http: {endpoint: '${env:TRACING_OTLP_CHILD_HTTP}'}\nexporters: {debug: {}}\nservice:\n  \
                telemetry: {metrics: {level: none}}\n  \
                pipelines: {logs: {receivers: [otlp], exporters: [debug]}}\n";
    std::fs::write(&file, text).unwrap();
    for program in [&otelcol.new, &otelcol.old] {
        let config = CollectorConfig::from_file(&file);
        let collector = owned(program).with_config(config).spawn().unwrap();
        TcpStream::connect(collector.http_address()).unwrap();
        TcpStream::connect(collector.grpc_address()).unwrap();
        collector.shutdown().unwrap();
    }
    // And the one that we ship for this.
    let config = workspace_root().join("examples/collector/development.yaml");
    let collector = owned(&otelcol.new)
        .with_config(CollectorConfig::from_file(config))
        .with_env("OTLP_OUT", folder.path().to_str().unwrap())
        .spawn()
        .unwrap();
    collector.shutdown().unwrap();
}
