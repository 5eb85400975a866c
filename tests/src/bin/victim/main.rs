//! The application under test: small programs as users write them, one a mode.
//!
//! The suites run it as a child process: an end, a panic hook and a global subscriber belong to a
//! whole process. The first argument is the mode, the rest are the mode's; the environment is
//! what a user's would be. What a mode has to tell is one JSON object a line on stdout.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a program of tests"
)]

use std::error::Error;

use serde_json::{Value, json};
use tracing_otlp::{Report, SignalCounts};

mod collectors;
mod configured;
mod endings;
mod feedback;
mod killed;
mod runtimes;
mod setup;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["feedback", how] => feedback::run(how),
        ["returns-ok"] => endings::returns_ok(),
        ["returns-err"] => endings::returns_err(),
        ["panics"] => endings::panics(),
        ["panics-outside-spans"] => endings::panics_outside_spans(),
        ["panics-with-a-value"] => endings::panics_with_a_value(),
        ["panics-in-a-thread"] => endings::panics_in_a_thread(),
        ["panics-in-a-task"] => endings::panics_in_a_task(),
        ["panics-in-debug"] => endings::panics_in_debug(),
        ["panics-unrecorded"] => endings::panics_unrecorded(),
        ["exits"] => endings::exits(),
        ["guard-dropped-early"] => endings::guard_dropped_early(),
        ["shuts-down-twice"] => endings::shuts_down_twice(),
        ["waits-for-a-signal"] => endings::waits_for_a_signal(),
        ["spools", from] => killed::spools(from.parse()?),
        ["drains"] => killed::drains(),
        ["event", deadline] => runtimes::event(deadline.parse()?),
        ["in-tokio", flavor, end] => runtimes::in_tokio(flavor, end),
        ["before-tokio", end] => runtimes::before_tokio(end),
        ["outlives-tokio"] => runtimes::outlives_tokio(),
        ["serves-itself", end] => runtimes::serves_itself(end),
        ["threads"] => runtimes::threads(),
        ["burst"] => runtimes::burst(),
        ["paced"] => runtimes::paced(),
        ["configured"] => configured::configured(),
        ["in-code", endpoint] => configured::in_code(endpoint),
        ["refused", good] => configured::refused(good),
        ["refused-in-code", what] => configured::refused_in_code(what),
        ["shown", endpoint] => configured::shown(endpoint),
        ["propagates"] => configured::propagates(),
        ["sees-an-outage"] => configured::sees_an_outage(),
        ["hostile-values"] => configured::hostile_values(),
        ["chatty-spans"] => configured::chatty_spans(),
        ["exploding-spans"] => configured::exploding_spans(),
        ["init-twice"] => setup::init_twice(),
        ["has-a-subscriber"] => setup::has_a_subscriber(),
        ["has-a-logger"] => setup::has_a_logger(),
        ["log-records"] => setup::log_records(),
        ["unlinked", trace_layer] => setup::unlinked(trace_layer),
        ["errors"] => setup::errors(),
        ["by-hand", order] => setup::by_hand(order),
        ["owns-the-collector-of-its-path"] => collectors::owns_the_collector_of_its_path(),
        ["owns-a-collector", program] => collectors::owns_a_collector(program),
        ["leaves-a-collector", program] => collectors::leaves_a_collector(program),
        ["outlives-its-collector", records, deliveries] => {
            collectors::outlives_its_collector(records.parse()?, deliveries.parse()?, None)
        }
        ["outlives-its-collector", records, deliveries, spool] => {
            collectors::outlives_its_collector(records.parse()?, deliveries.parse()?, Some(spool))
        }
        _ => Err(format!("there is no mode {arguments:?}").into()),
    }
}

/// One line for the test.
fn say(value: &Value) {
    println!("{value}");
}

fn say_report(report: &Report) {
    let mut line = counted(report.logs());
    line["spans"] = counted(report.traces());
    line["settled"] = report.is_settled().into();
    line["seconds"] = report.elapsed().as_secs_f64().into();
    line["line"] = report.to_string().into();
    say(&line);
}

fn counted(counts: &SignalCounts) -> Value {
    json!({
        "emitted": counts.emitted(),
        "delivered": counts.delivered(),
        "lost": counts.lost(),
        "pending": counts.pending(),
        "elsewhere": counts.filtered() + counts.sampled() + counts.limited() + counts.spooled(),
        "recovered": counts.recovered(),
        "summaries": counts.summaries(),
        "by_reason": counts.by_reason(),
    })
}
