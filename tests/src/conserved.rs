//! The check behind every fault: no record vanishes without a word.
//!
//! It stands at the end of a run or of several, and holds what the programs said in their reports
//! against what a [`Receiver`](crate::receiver::Receiver) really took. Reports are JSON as `emit`
//! prints it; the spans' account lies inside the one of the records.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::receiver::Arrived;

/// The account of one run balances: what was emitted, and what an earlier run had left on disk, is
/// delivered, on disk or lost, for reasons that add up; nothing is on its way any more.
///
/// # Panics
///
/// When it does not.
pub fn assert_balanced(account: &Json) {
    assert_eq!(count(account, "pending"), 0, "{account:#}");
    assert_eq!(
        count(account, "emitted") + count(account, "recovered"),
        count(account, "delivered") + count(account, "spooled") + count(account, "lost"),
        "{account:#}"
    );
    let reasons = account["by_reason"].as_object().expect("reasons");
    let lost: u64 = reasons.values().filter_map(Json::as_u64).sum();
    assert_eq!(count(account, "lost"), lost, "{account:#}");
}

/// What the receiver took, what the runs reported as lost, and what the last of them left on disk
/// are together what all of them emitted, record by record and span by span.
///
/// Give the reports in the order of the runs. What was taken twice is an error here: it may
/// only happen to requests that were not answered, and those are not among the taken.
///
/// # Panics
///
/// When something vanished, arrived unasked for, or was called lost and arrived.
pub fn assert_conserved(runs: &[Json], arrived: &Arrived) {
    let spans: Vec<Json> = runs.iter().map(|run| run["spans"].clone()).collect();
    for (accounts, taken, what) in [
        (runs, times(&arrived.records), "records"),
        (&spans, times(&arrived.spans), "spans"),
    ] {
        let mut on_disk = 0;
        for account in accounts {
            assert_balanced(account);
            assert_eq!(
                count(account, "recovered"),
                on_disk,
                "{what}: each run finds what the one before left: {accounts:#?}"
            );
            on_disk = count(account, "spooled");
        }
        let sum = |key: &str| -> u64 { accounts.iter().map(|a| count(a, key)).sum() };
        assert_eq!(
            taken,
            sum("delivered"),
            "{what} taken, and reported as delivered: {accounts:#?}"
        );
        assert_eq!(
            taken + sum("lost") + on_disk,
            sum("emitted"),
            "{what} taken, lost and on disk, and emitted: {accounts:#?}"
        );
    }
    for (record, times) in &arrived.records {
        // The summaries of losses look alike.
        assert!(
            *times == 1 || number(record).is_none(),
            "{record} was taken {times} times"
        );
    }
    for (span, times) in &arrived.spans {
        assert_eq!(*times, 1, "the span {span:02x?} was taken {times} times");
    }
}

/// The numbers of `emit`'s records among these, in order.
pub fn numbers(records: &BTreeMap<String, u64>) -> Vec<u64> {
    let mut numbers: Vec<u64> = records.keys().filter_map(|record| number(record)).collect();
    numbers.sort_unstable();
    numbers
}

/// A number in an account.
///
/// # Panics
///
/// When it is not there.
pub fn count(account: &Json, key: &str) -> u64 {
    account[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {account:#}"))
}

fn number(record: &str) -> Option<u64> {
    record.strip_prefix("record ")?.parse().ok()
}

fn times<K>(taken: &BTreeMap<K, u64>) -> u64 {
    taken.values().sum()
}
