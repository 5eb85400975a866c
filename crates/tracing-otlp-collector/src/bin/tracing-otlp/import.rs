//! Sends OTLP/JSON line files to a running collector.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;

use crate::args::Import;
use crate::client::Client;
use crate::out::{Trouble, complain, line};

pub(crate) fn run(args: &Import) -> Result<ExitCode, Trouble> {
    let client = Client::new(&args.at.url)?;
    let (mut sent, mut refused) = (0_u64, 0_u64);
    for file in &args.files {
        let fail = |error: io::Error| Trouble::new(format!("{}: {error}", file.display()));
        let reader: Box<dyn BufRead> = if file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(file).map_err(fail)?))
        };
        for (nth, text) in reader.lines().enumerate() {
            let text = text.map_err(fail)?;
            if text.trim().is_empty() {
                continue;
            }
            let place = || format!("{}:{}", file.display(), nth + 1);
            let Some(path) = path_of(&text) else {
                refused += 1;
                complain(format!("{}: this line is no export request", place()));
                continue;
            };
            match client.post(path, Bytes::from(text)) {
                Ok(()) => sent += 1,
                Err(Trouble::Other(problem)) => {
                    refused += 1;
                    complain(format!("{}: {problem}", place()));
                }
                Err(closed @ Trouble::Closed) => return Err(closed),
            }
        }
    }
    line(format!("{sent} requests sent, {refused} refused"))?;
    Ok(if refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Which signal a line is, by the name of its first member.
fn path_of(line: &str) -> Option<&'static str> {
    let start = line.trim_start().strip_prefix('{')?.trim_start();
    let name = start.strip_prefix('"')?;
    [
        ("resourceLogs\"", "/v1/logs"),
        ("resource_logs\"", "/v1/logs"),
        ("resourceSpans\"", "/v1/traces"),
        ("resource_spans\"", "/v1/traces"),
        ("resourceMetrics\"", "/v1/metrics"),
        ("resource_metrics\"", "/v1/metrics"),
    ]
    .into_iter()
    .find_map(|(wanted, path)| name.starts_with(wanted).then_some(path))
}
