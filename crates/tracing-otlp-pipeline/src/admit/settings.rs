//! What admission can be told.
//!
//! Part of `admit`. A plain value; nothing here reads the environment.

use std::{num::NonZeroUsize, time::Duration};

use super::SeverityBand;
use crate::error::Error;

/// Who may enter the queue in front of the log batch processor, and who leaves it at once.
///
/// The queue's length is [`BatchSettings::with_max_queue_size`](crate::BatchSettings::with_max_queue_size).
/// While it fills, severities are turned away in order: at half its length TRACE, at 65 % DEBUG,
/// at 80 % INFO, at 90 % WARN. ERROR and FATAL may use all of it. So a flood of chatter costs
/// chatter, and the message that explains the flood gets through.
///
/// # Examples
///
/// ```
/// use tracing_otlp_pipeline::{AdmissionSettings, SeverityBand};
///
/// let settings = AdmissionSettings::default()
///     .with_watermark(SeverityBand::Debug, 40)
///     .with_error_flush(None);
/// # drop(settings);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionSettings {
    watermarks: [u8; SeverityBand::ALL.len()],
    /// `None`: nobody said anything, so that others still can.
    max_queued_bytes: Option<NonZeroUsize>,
    error_flush: Option<Duration>,
    loss_summary: Option<Duration>,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self {
            watermarks: [50, 65, 80, 90, 100, 100],
            max_queued_bytes: None,
            error_flush: Some(Duration::from_millis(100)),
            loss_summary: Some(Duration::from_secs(10)),
        }
    }
}

impl AdmissionSettings {
    /// Every severity may use the whole queue, whoever comes first.
    pub fn first_come() -> Self {
        Self {
            watermarks: [100; SeverityBand::ALL.len()],
            ..Self::default()
        }
    }

    /// Sets up to which part of the queue, from 1 to 100 percent of its records and of its bytes,
    /// this severity is let in.
    #[must_use]
    pub fn with_watermark(mut self, band: SeverityBand, percent: u8) -> Self {
        self.watermarks[band as usize] = percent;
        self
    }

    /// Sets how many bytes the waiting records may take in memory, by a cheap estimate; 32 MiB
    /// unless set. More are lost as `queue_bytes_full`.
    ///
    /// The estimate costs the calling thread about 20 instructions for each attribute;
    /// `NonZeroUsize::MAX` means no bound, and no estimate. Any other bound is at most 512 GiB.
    #[must_use]
    pub fn with_max_queued_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_queued_bytes = Some(bytes);
        self
    }

    /// The same, unless it was set before: for what comes from where code is to win, like the
    /// environment.
    #[must_use]
    pub fn or_max_queued_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_queued_bytes.get_or_insert(bytes);
        self
    }

    /// Sets that a record of ERROR or worse leaves at once instead of at the next tick of the
    /// batch, and how much time lies between two such flushes at least: 100 ms unless set. `None`
    /// switches it off.
    ///
    /// The first error leaves immediately; however many follow within the window leave together
    /// at its end.
    #[must_use]
    pub fn with_error_flush(mut self, window: Option<Duration>) -> Self {
        self.error_flush = window;
        self
    }

    /// Sets that after log records were lost, one WARN record tells how many, by reason and
    /// severity; and how much time lies between two such records at least: 10 seconds unless set.
    /// `None` switches it off.
    ///
    /// A loss is over when for a tenth of that time no more was lost, records are delivered again
    /// and the queue is below the lowest watermark. A shutdown tells what has not been told.
    #[must_use]
    pub fn with_loss_summary(mut self, interval: Option<Duration>) -> Self {
        self.loss_summary = interval;
        self
    }

    /// Up to which part of the queue, in percent, this severity is let in.
    pub fn watermark(&self, band: SeverityBand) -> u8 {
        self.watermarks[band as usize]
    }

    /// How many bytes the waiting records may take.
    pub fn max_queued_bytes(&self) -> NonZeroUsize {
        self.max_queued_bytes.unwrap_or(MAX_QUEUED_BYTES)
    }

    /// How much time lies between two flushes for an error.
    pub fn error_flush(&self) -> Option<Duration> {
        self.error_flush
    }

    /// How much time lies between two records about losses.
    pub fn loss_summary(&self) -> Option<Duration> {
        self.loss_summary
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        for band in SeverityBand::ALL {
            if !(1..=100).contains(&self.watermark(band)) {
                return Err(Error::configuration(format!(
                    "the watermark of {band} must be from 1 to 100 percent"
                )));
            }
        }
        if self.loss_summary.is_some_and(|interval| interval.is_zero()) {
            return Err(Error::configuration(
                "the interval of loss summaries must not be zero",
            ));
        }
        Ok(())
    }
}

const MAX_QUEUED_BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(32 * 1024 * 1024 - 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_outside_of_the_queue_is_refused() {
        AdmissionSettings::default().validate().unwrap();
        for percent in [0, 101] {
            let wrong = AdmissionSettings::first_come().with_watermark(SeverityBand::Info, percent);
            assert!(wrong.validate().unwrap_err().is_configuration());
        }
        let wrong = AdmissionSettings::default().with_loss_summary(Some(Duration::ZERO));
        assert!(wrong.validate().is_err());
    }
}
