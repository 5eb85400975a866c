//! What goes wrong at the start is said, with the collector's own words. Most of the collectors
//! here are a few lines of shell.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use tracing_otlp_collector::{
    CollectorConfig, CollectorProcess, CollectorProcessBuilder, Destination, Error,
};
use tracing_otlp_tests::peers::Otelcol;

use crate::support::{Folder, PATIENCE, eventually, is_gone};

/// What each of them says of itself.
const COMPONENTS: &str = r#"
if [ "$1" = components ]; then
    printf 'buildinfo:\n    version: 0.1.0\nreceivers:\n    - name: otlp\nexporters:\n    - name: debug\n'
    exit
fi
"#;

fn owned(folder: &Folder, script: &str) -> CollectorProcessBuilder {
    let program = folder.program("otelcol", &format!("{COMPONENTS}{script}"));
    CollectorProcess::builder()
        .with_binary(program)
        .with_start_timeout(PATIENCE)
}

fn fails(builder: CollectorProcessBuilder) -> Error {
    builder.spawn().unwrap_err()
}

#[test]
fn a_missing_program_is_named() {
    let error = fails(CollectorProcess::builder().with_binary("/nowhere/otelcol"));
    assert!(error.is_program_missing());
    assert!(error.to_string().contains("/nowhere/otelcol"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_program_that_is_no_collector_is_found_out() {
    let error = fails(CollectorProcess::builder().with_binary("/bin/ls"));
    assert!(
        error
            .to_string()
            .starts_with("/bin/ls is no OpenTelemetry Collector"),
        "{error}"
    );
    assert!(!error.is_program_missing());
}

#[test]
fn an_early_end_is_told_with_its_words() {
    let folder = Folder::new("dies");
    let script = "[ \"$1\" = validate ] && exit 0\necho one\necho 'Error: no more file descriptors' >&2\nexit 3\n";
    let error = fails(owned(&folder, script));
    let text = error.to_string();
    assert!(text.contains("exit code 3"), "{text}");
    assert!(text.contains("no more file descriptors"), "{text}");
    assert_eq!(
        error.collector_output(),
        ["one", "Error: no more file descriptors"]
    );
    assert!(!error.is_config_refused());
}

#[test]
fn a_component_that_it_lacks_is_named() {
    let folder = Folder::new("lacks");
    let config = CollectorConfig::new().with_destination(Destination::file("/tmp/x"));
    let error = fails(owned(&folder, "").with_config(config));
    assert!(error.to_string().contains("has no `file`"), "{error}");
}

#[test]
fn ports_that_are_taken_are_chosen_again() {
    let folder = Folder::new("taken");
    let tries = folder.file("tries");
    let script = format!(
        "echo \"$TRACING_OTLP_CHILD_GRPC\" >>{tries}\n\
         echo \"Error: listen tcp $TRACING_OTLP_CHILD_GRPC: bind: address already in use\"\nexit 1\n"
    );
    let error = fails(owned(&folder, &script));
    assert!(error.is_address_in_use(), "{error}");
    let tries = std::fs::read_to_string(tries).unwrap();
    let mut ports: Vec<_> = tries.lines().collect();
    assert_eq!(ports.len(), 5);
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() > 1, "{ports:?}");
}

#[test]
fn a_port_that_was_asked_for_is_not() {
    let folder = Folder::new("asked");
    let tries = folder.file("tries");
    let script = format!(
        "echo x >>{tries}\n\
         echo \"Error: listen tcp $TRACING_OTLP_CHILD_HTTP: bind: address already in use\"\nexit 1\n"
    );
    let config = CollectorConfig::new().with_http_address(([127, 0, 0, 1], 4318).into());
    let error = fails(owned(&folder, &script).with_config(config));
    assert!(error.is_address_in_use(), "{error}");
    assert!(error.to_string().contains("127.0.0.1:4318"), "{error}");
    assert_eq!(std::fs::read_to_string(tries).unwrap(), "x\n");
}

#[test]
fn one_that_never_answers_and_does_not_want_to_go_is_killed() {
    let folder = Folder::new("stubborn");
    let pid_file = folder.file("pid");
    let script = format!("trap '' TERM INT\necho $$ >{pid_file}\nwhile :; do sleep 1; done\n");
    let began = Instant::now();
    let error = fails(
        owned(&folder, &script)
            .with_start_timeout(Duration::from_millis(500))
            .with_grace(Duration::from_millis(1)),
    );
    assert!(
        error.to_string().contains("not ready within 500ms"),
        "{error}"
    );
    assert!(began.elapsed() < PATIENCE);
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let pid = pid.trim().parse().unwrap();
    eventually("it is killed", || is_gone(pid));
}

#[test]
fn a_real_one_tells_which_line_of_its_configuration_it_does_not_like() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let folder = Folder::new("refused");
    let file = folder.file("config.yaml");
    let text = "receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}}\n\
                exporters: {nonsense: {}}\n\
                service: {pipelines: {logs: {receivers: [otlp], exporters: [nonsense]}}}\n";
    std::fs::write(&file, text).unwrap();
    for program in [&otelcol.new, &otelcol.old] {
        let error = fails(
            CollectorProcess::builder()
                .with_binary(program)
                .with_start_timeout(PATIENCE)
                .with_config(CollectorConfig::from_file(&file)),
        );
        assert!(error.is_config_refused(), "{error}");
        assert!(
            error.to_string().contains("unknown type: \"nonsense\""),
            "{error}"
        );
    }
}

#[test]
fn a_real_one_whose_port_is_taken_says_which() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    for program in [&otelcol.new, &otelcol.old] {
        let error = fails(
            CollectorProcess::builder()
                .with_binary(program)
                .with_start_timeout(PATIENCE)
                .with_config(CollectorConfig::new().with_http_address(taken)),
        );
        assert!(error.is_address_in_use(), "{error}");
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }
}
