//! Cases of the audit, each with the one answer it may give.

use super::*;
use crate::retain::samples::{record, span, stored_logs, stored_spans};

#[test]
fn every_record_is_linked_unlinked_or_orphaned() {
    let spans = stored_spans(vec![span("a", 0, 1, 1, 0), span("b", 0, 1, 2, 1)]);
    let zeros = |trace: Vec<u8>, span: Vec<u8>| {
        let mut log = record("malformed", 0, 0, 0);
        (log.trace_id, log.span_id) = (trace, span);
        log
    };
    let logs = stored_logs(vec![
        record("linked", 0, 1, 1),
        record("linked to a child", 0, 1, 2),
        record("unlinked", 0, 0, 0),
        record("span never arrived", 0, 1, 9),
        record("span of another trace", 0, 2, 1),
        record("trace id only", 0, 1, 0),
        record("span id only", 0, 0, 1),
        zeros(vec![0; 16], vec![0; 8]),
        zeros(vec![1; 16], vec![0; 8]),
        zeros(vec![1; 15], vec![1; 8]),
        zeros(vec![1; 16], vec![1; 7]),
    ]);
    let audit = Audit::of(&logs, &spans);
    assert_eq!(
        audit.to_string(),
        "records=11 linked=2 unlinked=1 orphaned=8"
    );
    assert_eq!(
        audit.linked + audit.unlinked + audit.orphaned,
        audit.records
    );
    let reasons: Vec<_> = audit
        .orphans
        .iter()
        .map(|o| (o.body.as_str(), o.reason))
        .collect();
    assert_eq!(
        reasons,
        [
            ("span never arrived", OrphanReason::SpanMissing),
            ("span of another trace", OrphanReason::SpanMissing),
            ("trace id only", OrphanReason::MalformedIds),
            ("span id only", OrphanReason::MalformedIds),
            ("malformed", OrphanReason::MalformedIds),
            ("malformed", OrphanReason::MalformedIds),
            ("malformed", OrphanReason::MalformedIds),
            ("malformed", OrphanReason::MalformedIds),
        ]
    );
    assert_eq!(audit.orphans[0].span_id, "0909090909090909");
    assert!(!audit.is_clean());
}

#[test]
fn a_span_with_equally_malformed_ids_links_nothing() {
    let mut bad = span("bad", 0, 1, 1, 0);
    bad.trace_id = vec![0; 16];
    let mut log = record("zeros", 0, 1, 1);
    log.trace_id = vec![0; 16];
    let audit = Audit::of(&stored_logs(vec![log]), &stored_spans(vec![bad]));
    assert_eq!(
        audit.to_string(),
        "records=1 linked=0 unlinked=0 orphaned=1"
    );
}

#[test]
fn a_span_is_an_orphan_when_its_local_parent_never_arrived() {
    const KNOWN: u32 = 0x100;
    const REMOTE: u32 = 0x200;
    let with_flags = |id: u8, parent: u8, flags: u32| {
        let mut span = span(&format!("span {id}"), 0, 1, id, parent);
        span.flags = flags;
        span
    };
    let mut zero_parent = with_flags(7, 0, 0);
    zero_parent.parent_span_id = vec![0; 8];
    let spans = stored_spans(vec![
        with_flags(1, 0, 0),               // a root
        with_flags(2, 1, KNOWN),           // its parent is here
        with_flags(3, 90, 0),              // lost, remote or not is unknown
        with_flags(4, 91, KNOWN),          // lost and local
        with_flags(5, 92, KNOWN | REMOTE), // another process has it
        with_flags(6, 93, REMOTE),         // the bit without its "known" bit says nothing
        zero_parent,
    ]);
    let audit = Audit::of(&[], &spans);
    let orphans: Vec<_> = audit
        .orphan_spans
        .iter()
        .map(|orphan| orphan.name.as_str())
        .collect();
    assert_eq!(orphans, ["span 3", "span 4", "span 6"]);
    assert_eq!(audit.orphan_spans[1].parent_span_id, "5b5b5b5b5b5b5b5b");
    assert_eq!(audit.spans, 7);
}
