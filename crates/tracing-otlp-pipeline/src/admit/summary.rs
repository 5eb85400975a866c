//! The one record that tells of a loss once it is over.
//!
//! Part of `admit`; the `helper` asks when something was lost, the shutdown asks once more. The
//! record is the pipeline's own: it does not ask for room, and it is counted as emitted and as a
//! summary. If it is lost itself, that alone is no reason to tell of it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{
    InstrumentationScope,
    logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity},
};
use opentelemetry_sdk::{
    Resource,
    logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider},
};

use super::{SeverityBand, Tally, size};
use crate::{
    door::Door,
    ledger::{LossReason, SignalCounts},
};

/// What was lost, by reason.
type Losses = Vec<(LossReason, Tally)>;

fn total(losses: &Losses) -> u64 {
    losses.iter().map(|(_, lost)| lost.total()).sum()
}

/// What is to be done about losses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing to tell.
    Over,
    /// Not yet.
    Again(Instant),
    /// Now.
    Tell(Losses),
}

/// Knows what has been told, and when a loss is over.
#[derive(Debug)]
pub(crate) struct Episode {
    interval: Duration,
    told: [Tally; LossReason::ALL.len()],
    told_at: Option<Instant>,
    /// How many records were lost when last looked, since when, and what was delivered then.
    seen: Option<(u64, Instant, u64)>,
}

impl Episode {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            told: [Tally::default(); LossReason::ALL.len()],
            told_at: None,
            seen: None,
        }
    }

    fn untold(&self, counts: &SignalCounts) -> Losses {
        counts
            .losses()
            .map(|(reason, lost)| (reason, lost.minus(&self.told[reason as usize])))
            .filter(|(_, lost)| lost.total() > 0)
            .collect()
    }

    /// Looks at the counts; `relaxed` says that the queue would let everybody in.
    fn look(&mut self, now: Instant, counts: &SignalCounts, relaxed: bool) -> Step {
        let untold = self.untold(counts);
        if untold.is_empty() || self.is_only_us(&untold) {
            return Step::Over;
        }
        let (since, delivered_then) = match self.seen {
            Some((lost, since, delivered)) if lost == counts.lost() => (since, delivered),
            _ => {
                self.seen = Some((counts.lost(), now, counts.delivered()));
                (now, counts.delivered())
            }
        };
        let quiet = self.interval / 10;
        let again = quiet.clamp(Duration::from_millis(1), Duration::from_millis(500));
        let is_quiet = now.saturating_duration_since(since) >= quiet;
        // A record sent to a destination that is down would only be lost as well.
        let arrives = counts.delivered() > delivered_then
            || (counts.pending() == 0 && untold.iter().all(|(reason, _)| is_local(*reason)));
        let is_allowed = self
            .told_at
            .is_none_or(|told| now.saturating_duration_since(told) >= self.interval);
        if relaxed && is_quiet && arrives && is_allowed {
            Step::Tell(untold)
        } else {
            Step::Again(now + again)
        }
    }

    /// What a last summary would tell, if there is hope that it arrives.
    fn rest(&self, counts: &SignalCounts) -> Option<Losses> {
        let untold = self.untold(counts);
        if untold.is_empty() || self.is_only_us(&untold) {
            return None;
        }
        let arrives = untold.iter().any(|(reason, _)| is_local(*reason))
            || self
                .seen
                .is_none_or(|(_, _, delivered)| counts.delivered() > delivered);
        arrives.then_some(untold)
    }

    fn was_told(&mut self, now: Instant, losses: &Losses) {
        for (reason, lost) in losses {
            let told = &mut self.told[*reason as usize];
            *told = told.plus(lost);
        }
        self.told_at = Some(now);
    }

    /// Whether all that is untold may be the last summary itself.
    fn is_only_us(&self, untold: &Losses) -> bool {
        self.told_at.is_some()
            && total(untold) == 1
            && untold.iter().all(|(reason, lost)| {
                !reason.is_before_admission() && lost.get(SeverityBand::Warn) == 1
            })
    }
}

/// Whether the reason lies in front of delivery, so that an empty pipeline means that it is over.
fn is_local(reason: LossReason) -> bool {
    reason.is_before_admission() || matches!(reason, LossReason::Encode | LossReason::Panic)
}

/// Tells of losses through the batch processor that the lost records should have gone to.
#[derive(Debug)]
pub(crate) struct Summary {
    episode: Mutex<Episode>,
}

impl Summary {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            episode: Mutex::new(Episode::new(interval)),
        }
    }

    /// Tells if it is time; otherwise says when to ask again, if ever.
    pub(crate) fn look(&self, door: &Door, batch: &dyn LogProcessor) -> Option<Instant> {
        let mut episode = self.episode.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match episode.look(now, &door.counts(), door.room().is_relaxed()) {
            Step::Over => None,
            Step::Again(at) => Some(at),
            Step::Tell(losses) => {
                let mut record = record(&losses);
                let size = door.room().weigh(|| size::of_record(&record));
                let _passing = door.enter_as_summary(SeverityBand::Warn, size)?;
                batch.emit(&mut record, &scope());
                episode.was_told(now, &losses);
                // Once more, for a loss that came just now and saw the bell still ringing.
                Some(now + episode.interval)
            }
        }
    }

    /// Tells what is left to tell, behind a closed door that everybody has passed.
    pub(crate) fn tell_the_rest(&self, door: &Door, batch: &dyn LogProcessor) {
        let mut episode = self.episode.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(losses) = episode.rest(&door.counts()) else {
            return;
        };
        let mut record = record(&losses);
        let size = door.room().weigh(|| size::of_record(&record));
        let _passing = door.enter_behind_the_last(SeverityBand::Warn, size);
        batch.emit(&mut record, &scope());
        episode.was_told(Instant::now(), &losses);
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("tracing_otlp")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}

fn record(losses: &Losses) -> SdkLogRecord {
    // Records can only be had from a logger.
    let provider = SdkLoggerProvider::builder()
        .with_resource(Resource::builder_empty().build())
        .build();
    let mut record = provider.logger("tracing_otlp").create_log_record();
    let now = SystemTime::now();
    record.set_timestamp(now);
    record.set_observed_timestamp(now);
    record.set_severity_number(Severity::Warn);
    record.set_severity_text(Severity::Warn.name());
    record.set_event_name("tracing_otlp.records_lost");
    let total = total(losses);
    record.set_body(format!("tracing-otlp lost {total} records").into());
    record.add_attribute("tracing_otlp.lost.total", int(total));
    for (reason, lost) in losses {
        for (band, records) in lost.iter() {
            record.add_attribute(format!("tracing_otlp.lost.{reason}.{band}"), int(records));
        }
    }
    record
}

fn int(number: u64) -> AnyValue {
    AnyValue::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::SignalLedger;

    const SECOND: Duration = Duration::from_secs(1);

    fn episode() -> (Episode, SignalLedger, Instant) {
        (
            Episode::new(10 * SECOND),
            SignalLedger::default(),
            Instant::now(),
        )
    }

    fn tell(episode: &mut Episode, now: Instant, ledger: &SignalLedger) -> Losses {
        match episode.look(now, &ledger.counts(), true) {
            Step::Tell(losses) => {
                episode.was_told(now, &losses);
                losses
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_loss_is_told_when_it_has_been_over_for_a_moment() {
        let (mut episode, ledger, start) = episode();
        assert_eq!(episode.look(start, &ledger.counts(), true), Step::Over);
        let lost = Tally::of(SeverityBand::Debug, 3);
        ledger.lost(LossReason::QueueFull, lost);
        for second in 0..5 {
            ledger.lost(LossReason::QueueFull, Tally::of(SeverityBand::Trace, 1));
            let now = start + second * SECOND;
            assert!(matches!(
                episode.look(now, &ledger.counts(), true),
                Step::Again(_)
            ));
        }
        let now = start + 5 * SECOND;
        // The queue is still full.
        assert!(matches!(
            episode.look(now, &ledger.counts(), false),
            Step::Again(_)
        ));
        let losses = tell(&mut episode, now, &ledger);
        let expected = lost.plus(&Tally::of(SeverityBand::Trace, 5));
        assert_eq!(losses, [(LossReason::QueueFull, expected)]);
        assert_eq!(episode.look(now, &ledger.counts(), true), Step::Over);
    }

    #[test]
    fn two_losses_are_told_ten_seconds_apart() {
        let (mut episode, ledger, start) = episode();
        ledger.lost(LossReason::QueueFull, 1);
        episode.look(start, &ledger.counts(), true);
        tell(&mut episode, start + SECOND, &ledger);
        ledger.lost(LossReason::QueueBytesFull, 2);
        for second in 1..11 {
            let now = start + second * SECOND;
            assert!(matches!(
                episode.look(now, &ledger.counts(), true),
                Step::Again(_)
            ));
        }
        let losses = tell(&mut episode, start + 11 * SECOND, &ledger);
        assert_eq!(losses, [(LossReason::QueueBytesFull, 2.into())]);
    }

    #[test]
    fn a_destination_that_is_down_is_not_told_of_it() {
        let (mut episode, ledger, start) = episode();
        ledger.admit(SeverityBand::Info);
        ledger.lost(LossReason::Unreachable, 1);
        for second in 0..100 {
            let now = start + second * SECOND;
            assert!(matches!(
                episode.look(now, &ledger.counts(), true),
                Step::Again(_)
            ));
        }
        ledger.admit(SeverityBand::Info);
        ledger.delivered(1);
        tell(&mut episode, start + 100 * SECOND, &ledger);
    }

    #[test]
    fn a_summary_that_is_lost_makes_no_summary() {
        let (mut episode, ledger, start) = episode();
        ledger.lost(LossReason::QueueFull, 1);
        episode.look(start, &ledger.counts(), true);
        tell(&mut episode, start + SECOND, &ledger);
        ledger.admit_summary(SeverityBand::Warn);
        ledger.lost(LossReason::Timeout, Tally::of(SeverityBand::Warn, 1));
        let later = start + 100 * SECOND;
        assert_eq!(episode.look(later, &ledger.counts(), true), Step::Over);
        ledger.lost(LossReason::QueueFull, 1);
        episode.look(later, &ledger.counts(), true);
        ledger.admit(SeverityBand::Info);
        ledger.delivered(1);
        let losses = tell(&mut episode, later + SECOND, &ledger);
        assert_eq!(total(&losses), 2);
    }
}
