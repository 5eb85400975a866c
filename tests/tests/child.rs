//! Programs in processes of their own: their lines, their exit, and that nothing of them stays.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use std::process::Command;
use std::time::Duration;

use tracing_otlp_tests::child::{self, Child};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn lines_and_exit_of_a_program_are_seen() {
    let mut child = shell("echo one; echo two >&2; echo three; exit 7");
    assert_eq!(child.wait(PATIENCE).unwrap().code(), Some(7));
    assert_eq!(child.stdout(), ["one", "three"]);
    assert_eq!(child.stderr(), ["two"]);
}

#[test]
fn a_line_is_waited_for_while_the_program_runs_on() {
    let mut child = shell("echo ready; exec sleep 600");
    let lines = child
        .wait_for_stdout(PATIENCE, |lines| !lines.is_empty())
        .unwrap();
    assert_eq!(lines, ["ready"]);
    assert!(!child.has_exited());
    child.terminate().unwrap();
    assert_eq!(
        child.wait(PATIENCE).unwrap().code(),
        None,
        "it ended by a signal"
    );
}

#[test]
fn waiting_gives_up_with_the_programs_words() {
    let child = shell("echo out; echo err >&2");
    let gave_up = child
        .wait_for_stdout(PATIENCE, |_| false)
        .unwrap_err()
        .to_string();
    assert!(gave_up.contains("its output ended"), "{gave_up}");
    let mut child = shell("exec sleep 600");
    let gave_up = child.wait(Duration::ZERO).unwrap_err().to_string();
    assert!(gave_up.contains("it did not exit"), "{gave_up}");
}

#[test]
fn a_dropped_program_is_gone() {
    let child = shell("echo ready; exec sleep 600");
    child
        .wait_for_stdout(PATIENCE, |lines| !lines.is_empty())
        .unwrap();
    let id = child.id().to_string();
    drop(child);
    let alive = Command::new("kill")
        .args(["-s", "0", &id])
        .output()
        .unwrap();
    assert!(!alive.status.success(), "process {id} still runs");
}

#[test]
fn a_program_sees_nothing_of_our_telemetry_settings() {
    // Removed by name, so it holds whatever the test run was started with.
    let mut child = Child::spawn(&mut child::command("env")).unwrap();
    assert!(child.wait(PATIENCE).unwrap().success());
    let seen = child.stdout();
    let ours = seen
        .iter()
        .find(|line| line.starts_with("OTEL_") || line.starts_with("LOGFIRE_"));
    assert_eq!(ours, None);
}

fn shell(script: &str) -> Child {
    Child::spawn(child::command("sh").args(["-c", script])).unwrap()
}
