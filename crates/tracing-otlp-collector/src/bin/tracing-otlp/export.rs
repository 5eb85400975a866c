//! Writes kept records or spans as OTLP/JSON lines, which other tools read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::Export;
use crate::client::Client;
use crate::out::{Trouble, complain};

pub(crate) fn run(args: &Export) -> Result<ExitCode, Trouble> {
    let client = Client::new(&args.at.url)?;
    let filter = args.filter.join(" ");
    let mut out: Box<dyn Write> = if args.out == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        let file = File::create(&args.out)
            .map_err(|error| Trouble::new(format!("{}: {error}", args.out.display())))?;
        Box::new(BufWriter::new(file))
    };
    let n = if args.traces {
        traces(&client, &filter, &mut out)?
    } else {
        logs(&client, &filter, &mut out)?
    };
    out.flush()?;
    let what = if args.traces { "spans" } else { "records" };
    complain(format!("{n} {what} written"));
    Ok(ExitCode::SUCCESS)
}

fn logs(client: &Client, filter: &str, out: &mut dyn Write) -> Result<usize, Trouble> {
    let mut cursor = String::new();
    let mut n = 0;
    loop {
        let params = [
            ("q", filter),
            ("order", "asc"),
            ("limit", "1000"),
            ("cursor", &cursor),
        ];
        let page = client.get("/api/logs", &params)?;
        let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        n += items.len();
        write(
            items,
            ["resourceLogs", "scopeLogs", "logRecords"],
            "record",
            out,
        )?;
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(n),
        }
    }
}

fn traces(client: &Client, filter: &str, out: &mut dyn Write) -> Result<usize, Trouble> {
    let mut cursor = String::new();
    let mut n = 0;
    loop {
        let params = [("q", filter), ("limit", "500"), ("cursor", &cursor)];
        let page = client.get("/api/traces", &params)?;
        for trace in page["items"].as_array().into_iter().flatten() {
            let id = trace["traceId"].as_str().unwrap_or_default();
            let trace = client.get(&format!("/api/traces/{id}"), &[])?;
            let items = trace["spans"].as_array().map_or(&[][..], Vec::as_slice);
            // What is still open is not written: a span is sent when it has ended.
            let ended: Vec<_> = items
                .iter()
                .filter(|item| item["state"] == "ended")
                .cloned()
                .collect();
            n += ended.len();
            write(
                &ended,
                ["resourceSpans", "scopeSpans", "spans"],
                "span",
                out,
            )?;
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(n),
        }
    }
}

/// Writes one export request a line; neighbours of one resource and scope share it.
fn write(
    items: &[Value],
    [groups, scopes, records]: [&str; 3],
    record: &str,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    for same in items.chunk_by(|a, b| a["resource"] == b["resource"] && a["scope"] == b["scope"]) {
        let first = &same[0];
        let all: Vec<_> = same.iter().map(|item| item[record].clone()).collect();
        let mut resource = first["resource"].clone();
        let schema_url = resource
            .as_object_mut()
            .and_then(|resource| resource.remove("schemaUrl"))
            .unwrap_or_default();
        let line = json!({ groups: [{
            "resource": resource,
            "schemaUrl": schema_url,
            scopes: [{ "scope": first["scope"], records: all }],
        }] });
        serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
