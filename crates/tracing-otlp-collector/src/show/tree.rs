//! Draws traces as trees of spans, with each log record inside its span.
//!
//! It stands behind `arrange`, which decides what is below what, and before a person's eyes.

use std::fmt;

use super::arrange::{Item, Trace, log_time, traces};
use super::line;
use crate::retain::id::{hex, is_span_id, is_trace_id};
use crate::{StoredLog, StoredSpan};

/// A drawing of spans and log records for people; `Display` writes it without a line break at the
/// end, colours or control characters.
///
/// Each trace shows its spans below their parents with their duration and status, and each log
/// record inside its span in the order of time. A span that is pointed at and never arrived is
/// drawn as `? span … never arrived`. Records that carry malformed ids or none follow at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceTree {
    text: String,
}

impl TraceTree {
    /// Draws these records inside these spans.
    pub fn of(logs: &[StoredLog], spans: &[StoredSpan]) -> Self {
        let ids = |log: &StoredLog| {
            (
                is_trace_id(&log.record().trace_id),
                is_span_id(&log.record().span_id),
            )
        };
        let mut sections: Vec<String> =
            traces(spans, logs.iter().filter(|log| ids(log) == (true, true)))
                .iter()
                .map(trace)
                .collect();
        let is_unlinked =
            |log: &StoredLog| log.record().trace_id.is_empty() && log.record().span_id.is_empty();
        let malformed: Vec<_> = logs
            .iter()
            .filter(|log| ids(log) != (true, true) && !is_unlinked(log))
            .collect();
        sections.extend(list("orphaned by malformed ids", malformed));
        sections.extend(list(
            "unlinked",
            logs.iter().filter(|log| is_unlinked(log)).collect(),
        ));
        if sections.is_empty() {
            sections.push("nothing arrived".to_owned());
        }
        Self {
            text: sections.join("\n\n"),
        }
    }

    /// The drawing as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TraceTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn trace(trace: &Trace<'_>) -> String {
    let id = if trace.id.is_empty() {
        "without id".to_owned()
    } else {
        hex(trace.id)
    };
    let mut text = format!(
        "trace {id} · {} · {}",
        counted(trace.spans, "span"),
        counted(trace.records, "record"),
    );
    // A stack instead of recursion: a chain of spans may be as long as a sender likes.
    let mut waiting = Vec::new();
    push(&mut waiting, &trace.roots, &Branch::default());
    while let Some((node, branch)) = waiting.pop() {
        let node = &trace.nodes[node];
        let label = match node.item {
            Item::Span(span) => line::span(span),
            Item::Log(log) => line::log(log),
            Item::Missing(id) => format!("? span {} never arrived", hex(id)),
        };
        write_line(&mut text, &branch, &label);
        push(&mut waiting, &node.children, &branch.below());
    }
    text
}

fn list(title: &str, mut logs: Vec<&StoredLog>) -> Option<String> {
    if logs.is_empty() {
        return None;
    }
    logs.sort_by_key(|log| log_time(log));
    let mut text = format!("{title} · {}", counted(logs.len(), "record"));
    for (nth, log) in logs.iter().enumerate() {
        let branch = Branch {
            prefix: String::new(),
            depth: 0,
            is_last: nth + 1 == logs.len(),
        };
        write_line(&mut text, &branch, &line::log(log));
    }
    Some(text)
}

/// Where a line hangs.
#[derive(Default)]
struct Branch {
    /// The branches of everything above, as they pass this line by.
    prefix: String,
    depth: usize,
    is_last: bool,
}

impl Branch {
    /// The branch that hangs from this one; it goes no further right than a screen is wide.
    fn below(&self) -> Self {
        let mut prefix = self.prefix.clone();
        if self.depth < MAX_DEPTH {
            prefix.push_str(if self.is_last { "   " } else { "│  " });
        }
        Self {
            prefix,
            depth: self.depth + 1,
            is_last: false,
        }
    }
}

/// Puts siblings on the stack so that the first comes off first.
fn push(waiting: &mut Vec<(usize, Branch)>, siblings: &[usize], branch: &Branch) {
    for (nth, node) in siblings.iter().rev().enumerate() {
        let Branch {
            ref prefix, depth, ..
        } = *branch;
        waiting.push((
            *node,
            Branch {
                prefix: prefix.clone(),
                depth,
                is_last: nth == 0,
            },
        ));
    }
}

fn write_line(text: &mut String, branch: &Branch, label: &str) {
    text.push('\n');
    text.push_str(&branch.prefix);
    text.push_str(if branch.is_last { "└─ " } else { "├─ " });
    text.push_str(label.trim_end());
}

fn counted(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

const MAX_DEPTH: usize = 32;

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
