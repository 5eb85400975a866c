//! Prints traces, one trace, and the audit.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use serde_json::Value;

use crate::args::{Audit, Trace, Traces};
use crate::client::Client;
use crate::out::{Trouble, has_colours, line};
use crate::paint::{Painter, clean, duration, nanos};

pub(crate) fn list(args: &Traces) -> Result<ExitCode, Trouble> {
    let client = Client::new(&args.at.url)?;
    let filter = args.filter.join(" ");
    let from = args
        .since
        .as_deref()
        .map_or_else(String::new, super::logs::ago);
    let limit = args.limit.clamp(1, 500).to_string();
    let params = [("q", filter.as_str()), ("from", &from), ("limit", &limit)];
    let page = client.get("/api/traces", &params)?;
    let painter = painter();
    for item in page["items"].as_array().into_iter().flatten() {
        if args.json {
            line(item)?;
            continue;
        }
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let name = item["rootName"].as_str().unwrap_or("(root missing)");
        let mut more = format!(
            "{} spans, {} logs",
            item["spans"].as_u64().unwrap_or(0),
            item["logs"].as_u64().unwrap_or(0)
        );
        for (name, word) in [
            ("errors", "errors"),
            ("pending", "pending"),
            ("orphanedLogs", "orphaned"),
        ] {
            if let Some(n) = item[name].as_u64().filter(|n| *n > 0) {
                more.push_str(&painter.bad(&format!(", {n} {word}")));
            }
        }
        line(format!(
            "{}  {:>8}  {}  {}",
            painter.dim(&text("traceId")),
            duration(nanos(&item["durationNano"])),
            clean(name),
            painter.dim(&format!("({more})"))
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn show(args: &Trace) -> Result<ExitCode, Trouble> {
    let client = Client::new(&args.at.url)?;
    let trace = client.get(&format!("/api/traces/{}", clean_id(&args.id)), &[])?;
    if args.json {
        line(&trace)?;
    } else {
        tree(&trace).into_iter().try_for_each(line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Nothing but letters and digits goes into the path.
fn clean_id(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).collect()
}

pub(crate) fn audit(args: &Audit) -> Result<ExitCode, Trouble> {
    let client = Client::new(&args.at.url)?;
    let filter = args.filter.join(" ");
    let audit = client.get("/api/audit", &[("q", &filter)])?;
    if args.json {
        line(&audit)?;
    } else {
        let counts = [
            "records", "linked", "unlinked", "pending", "orphaned", "evicted",
        ]
        .map(|name| format!("{name}={}", audit[name].as_u64().unwrap_or(0)));
        line(counts.join(" "))?;
        for orphan in audit["orphans"].as_array().into_iter().flatten() {
            let text = |name: &str| clean(orphan[name].as_str().unwrap_or_default());
            line(format!(
                "  {} in span {} of trace {}: {}",
                text("reason"),
                text("spanId"),
                text("traceId"),
                text("body")
            ))?;
        }
    }
    let is_orphaned = audit["orphaned"].as_u64().unwrap_or(0) > 0;
    Ok(if args.check && is_orphaned {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn painter() -> Painter {
    Painter {
        has_colours: has_colours(),
    }
}

/// The lines of one trace: spans below their parents, records in their spans, by time.
fn tree(trace: &Value) -> Vec<String> {
    let painter = painter();
    let spans: Vec<_> = trace["spans"].as_array().into_iter().flatten().collect();
    let logs: Vec<_> = trace["logs"].as_array().into_iter().flatten().collect();
    let known: HashSet<&str> = spans
        .iter()
        .filter_map(|item| item["span"]["spanId"].as_str())
        .collect();
    let mut below: HashMap<&str, Vec<(u64, Entry<'_>)>> = HashMap::new();
    for item in &spans {
        let span = &item["span"];
        let parent = span["parentSpanId"].as_str().unwrap_or_default();
        let time = nanos(&span["startTimeUnixNano"]);
        below
            .entry(parent)
            .or_default()
            .push((time, Entry::Span(item)));
    }
    for item in &logs {
        let record = &item["record"];
        let span = record["spanId"].as_str().unwrap_or_default();
        let time = nanos(&record["timeUnixNano"]).max(nanos(&record["observedTimeUnixNano"]));
        below
            .entry(span)
            .or_default()
            .push((time, Entry::Log(item)));
    }
    let mut roots: Vec<(u64, Entry<'_>)> = below.remove("").unwrap_or_default();
    for id in below.keys().filter(|id| !known.contains(**id)) {
        let first = below[id].iter().map(|(time, _)| *time).min().unwrap_or(0);
        roots.push((first, Entry::Missing(id)));
    }
    let mut lines = vec![format!(
        "trace {}",
        trace["traceId"].as_str().unwrap_or_default()
    )];
    roots.sort_by_key(|(time, _)| *time);
    // A stack instead of recursion, and each span once: what arrives may go in circles.
    let mut waiting: Vec<(usize, Entry<'_>)> = roots
        .into_iter()
        .rev()
        .map(|(_, entry)| (1, entry))
        .collect();
    while let Some((depth, entry)) = waiting.pop() {
        let indent = "  ".repeat(depth.min(40));
        let id = match entry {
            Entry::Log(item) => {
                lines.push(format!("{indent}{}", painter.log(item)));
                continue;
            }
            Entry::Span(item) => {
                lines.push(format!("{indent}{}", painter.span(item)));
                item["span"]["spanId"].as_str().unwrap_or_default()
            }
            Entry::Missing(id) => {
                let missing = format!("? span {id} never arrived");
                lines.push(format!("{indent}{}", painter.bad(&missing)));
                id
            }
        };
        let mut children = below.remove(id).unwrap_or_default();
        children.sort_by_key(|(time, _)| *time);
        waiting.extend(
            children
                .into_iter()
                .rev()
                .map(|(_, entry)| (depth + 1, entry)),
        );
    }
    lines
}

#[derive(Clone, Copy)]
enum Entry<'a> {
    Log(&'a Value),
    Span(&'a Value),
    Missing(&'a str),
}
