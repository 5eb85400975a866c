//! How much may wait, how long anything may take.
//!
//! Part of `settings`; read by `batch` and `deliver`.

use std::{num::NonZeroUsize, time::Duration};

use super::{BreakerSettings, RetrySettings, Signal};
use crate::{deliver::spool::SpoolSettings, error::Error};

/// How the official batch processor of one signal collects records.
///
/// The defaults are those of the specification (SDK environment variables, "Batch Span Processor"
/// and "Batch `LogRecord` Processor"): batches of 512, an export timeout of 30 seconds, a delay of
/// 1 second for logs or 5 seconds for spans, and a queue of 2,048 spans. The queue of log records
/// is longer, 32,768: 64 threads that log 200 records each at once fill six of 2,048 before a
/// worker has emptied the first, INFO may only use [80 %](crate::AdmissionSettings) of it, and
/// two threads that log as fast as they can on two cores lose records with half of it. An empty
/// queue costs 2 MiB, and what it may hold is bounded in bytes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    max_queue_size: NonZeroUsize,
    /// `None`: nobody said anything, so that a small queue makes it smaller.
    max_export_batch_size: Option<NonZeroUsize>,
    scheduled_delay: Duration,
    export_timeout: Duration,
}

impl BatchSettings {
    /// The defaults for log records: the specification's, but a queue of 32,768.
    pub fn logs() -> Self {
        Self {
            max_queue_size: NonZeroUsize::MIN.saturating_add(32_768 - 1),
            max_export_batch_size: None,
            scheduled_delay: Duration::from_secs(1),
            export_timeout: Duration::from_secs(30),
        }
    }

    /// The specification's defaults for spans.
    pub fn spans() -> Self {
        Self {
            max_queue_size: NonZeroUsize::MIN.saturating_add(2048 - 1),
            scheduled_delay: Duration::from_secs(5),
            ..Self::logs()
        }
    }

    /// Sets how many records may wait for a batch; more are lost as `queue_full`, the least severe
    /// [before](crate::AdmissionSettings) the queue is quite full.
    #[must_use]
    pub fn with_max_queue_size(mut self, records: NonZeroUsize) -> Self {
        self.max_queue_size = records;
        self
    }

    /// Sets how many records a batch holds at most. A number above that of the queue means the
    /// number of the queue.
    ///
    /// 512 unless set, and no more than the least severe records may fill of the queue: a batch wakes
    /// its worker when it is full. So one that is set to more than [INFO may
    /// fill](crate::AdmissionSettings) leaves with the scheduled delay only, when all is INFO.
    #[must_use]
    pub fn with_max_export_batch_size(mut self, records: NonZeroUsize) -> Self {
        self.max_export_batch_size = Some(records);
        self
    }

    /// Sets how long a record waits at most for its batch to fill. Must not be zero.
    #[must_use]
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.scheduled_delay = delay;
        self
    }

    /// Sets how long the request of one batch may take: the shorter of this and the
    /// [destination's timeout](super::Destination::with_timeout) holds. Must not be zero.
    #[must_use]
    pub fn with_export_timeout(mut self, timeout: Duration) -> Self {
        self.export_timeout = timeout;
        self
    }

    /// How many records may wait for a batch.
    pub fn max_queue_size(&self) -> NonZeroUsize {
        self.max_queue_size
    }

    /// How many records a batch holds at most.
    pub fn max_export_batch_size(&self) -> NonZeroUsize {
        self.max_export_batch_size.unwrap_or(MAX_EXPORT_BATCH_SIZE)
    }

    /// How long a record waits at most for its batch to fill.
    pub fn scheduled_delay(&self) -> Duration {
        self.scheduled_delay
    }

    /// How long one request may take.
    pub fn export_timeout(&self) -> Duration {
        self.export_timeout
    }

    /// The largest queue there may be: 2²³ records, whose places alone take 896 MiB for log records.
    pub const MAX_QUEUE_SIZE: usize = 1 << 23;

    /// A batch that can fill: no larger than the queue, and where nobody has set it, no larger than
    /// what everybody may fill of it.
    pub(crate) fn batch_within(&self, everybody: usize) -> usize {
        let batch = self.max_export_batch_size().min(self.max_queue_size).get();
        match self.max_export_batch_size {
            Some(_) => batch,
            None => batch.min(everybody.max(1)),
        }
    }

    pub(crate) fn validate(&self, signal: Signal) -> Result<(), Error> {
        let refuse = |what: &str| Err(Error::configuration(format!("{what} for {signal}")));
        // The SDK takes the memory for a full queue at its start, and aborts where there is none.
        if self.max_queue_size.get() > BatchSettings::MAX_QUEUE_SIZE {
            return refuse("the queue must not hold more than 8388608");
        }
        if self.scheduled_delay.is_zero() {
            return refuse("the scheduled delay must not be zero");
        }
        if self.export_timeout.is_zero() {
            return refuse("the export timeout must not be zero");
        }
        Ok(())
    }
}

/// The bounds of delivery, shared by all signals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    /// `None`, here and below: nobody said anything, so that others still can.
    max_queued_records: Option<NonZeroUsize>,
    max_queued_bytes: Option<NonZeroUsize>,
    pub(crate) max_request_bytes: NonZeroUsize,
    pub(crate) connect_timeout: Duration,
    shutdown_deadline: Option<Duration>,
    pub(crate) max_in_flight: NonZeroUsize,
    pub(crate) retry: RetrySettings,
    pub(crate) breaker: BreakerSettings,
    pub(crate) authorization_probe: Duration,
    pub(crate) limit_memory: Duration,
    pub(crate) spool: Option<SpoolSettings>,
}

const MAX_EXPORT_BATCH_SIZE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(512 - 1);
const MIB: usize = 1024 * 1024;
const MAX_QUEUED_RECORDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(200_000 - 1);
const MAX_QUEUED_BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(64 * MIB - 1);
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            max_queued_records: None,
            max_queued_bytes: None,
            max_request_bytes: NonZeroUsize::MIN.saturating_add(64 * MIB - 1),
            connect_timeout: Duration::from_secs(5),
            shutdown_deadline: None,
            max_in_flight: NonZeroUsize::MIN.saturating_add(4 - 1),
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
            authorization_probe: Duration::from_secs(60),
            limit_memory: Duration::from_secs(10 * 60),
            spool: None,
        }
    }
}

impl DeliverySettings {
    /// Sets how many records may wait for or be in delivery, 200,000 unless set; more are lost as
    /// `delivery_queue_full`.
    #[must_use]
    pub fn with_max_queued_records(mut self, records: NonZeroUsize) -> Self {
        self.max_queued_records = Some(records);
        self
    }

    /// The same, unless it was set before: for what comes from where code is to win, like the
    /// environment.
    #[must_use]
    pub fn or_max_queued_records(mut self, records: NonZeroUsize) -> Self {
        self.max_queued_records.get_or_insert(records);
        self
    }

    /// Sets how many bytes of encoded requests may wait for or be in delivery, 64 MiB unless set;
    /// more are lost as `delivery_queue_full`.
    #[must_use]
    pub fn with_max_queued_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_queued_bytes = Some(bytes);
        self
    }

    /// The same, unless it was set before.
    #[must_use]
    pub fn or_max_queued_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_queued_bytes.get_or_insert(bytes);
        self
    }

    /// Sets how large a request body may be, before and after compression, 64 MiB unless set (OTLP
    /// specification, "OTLP/HTTP Request"). A larger batch makes several requests; one record that
    /// is larger alone is cut until it fits, and lost as `too_large` where nothing is left to cut.
    #[must_use]
    pub fn with_max_request_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// Sets how long a connection attempt may take, 5 seconds unless set.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a shutdown without a deadline of its own may take, 5 seconds unless set.
    ///
    /// It holds for dropping the pipeline and for flushing through a provider.
    #[must_use]
    pub fn with_shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = Some(deadline);
        self
    }

    /// The same, unless it was set before.
    #[must_use]
    pub fn or_shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline.get_or_insert(deadline);
        self
    }

    /// Sets how many requests may be under way to one destination at once, 4 unless set: enough to
    /// hide the latency of a distant server, too few to flood one that struggles.
    ///
    /// Their order is not kept. All but one of them may be retries, so that fresh data is not held
    /// up by data that failed before.
    #[must_use]
    pub fn with_max_in_flight(mut self, requests: NonZeroUsize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// Sets how requests that failed are tried again.
    #[must_use]
    pub fn with_retry(mut self, settings: RetrySettings) -> Self {
        self.retry = settings;
        self
    }

    /// Sets when a destination that keeps failing is left alone for a while.
    #[must_use]
    pub fn with_breaker(mut self, settings: BreakerSettings) -> Self {
        self.breaker = settings;
        self
    }

    /// Sets how often a destination that did not accept the credentials (HTTP 401 or 403, gRPC
    /// `UNAUTHENTICATED` or `PERMISSION_DENIED`) is asked again, 60 seconds unless set.
    ///
    /// The export to it stops in between: requests stay in the queue. Each question is the next
    /// waiting request, and costs its records (as `unauthorized`) when the answer is the same: the
    /// specification forbids to send them again.
    #[must_use]
    pub fn with_authorization_probe(mut self, interval: Duration) -> Self {
        self.authorization_probe = interval;
        self
    }

    /// Sets how long it is remembered that a destination found a request too large (HTTP 413 and
    /// its like), 10 minutes unless set.
    ///
    /// Requests above half of what was refused are split before they are sent; whenever this time
    /// has passed, twice as much is tried again.
    #[must_use]
    pub fn with_limit_memory(mut self, time: Duration) -> Self {
        self.limit_memory = time;
        self
    }

    /// Keeps requests on disk that cannot be delivered in time or do not fit in memory; without it
    /// they are lost and counted.
    ///
    /// What a request's deadline, a shutdown, or memory that is three quarters full would take away
    /// is written there, and replayed oldest first when the destination is back, in this process
    /// or the next. A directory that cannot be used is told by a notice, and delivery goes on in
    /// memory.
    #[must_use]
    pub fn with_spool(mut self, settings: SpoolSettings) -> Self {
        self.spool = Some(settings);
        self
    }

    /// How long a shutdown without a deadline of its own may take.
    pub fn shutdown_deadline(&self) -> Duration {
        self.shutdown_deadline.unwrap_or(SHUTDOWN_DEADLINE)
    }

    /// How many records may wait for or be in delivery.
    pub fn max_queued_records(&self) -> NonZeroUsize {
        self.max_queued_records.unwrap_or(MAX_QUEUED_RECORDS)
    }

    /// How many bytes of encoded requests may wait for or be in delivery.
    pub fn max_queued_bytes(&self) -> NonZeroUsize {
        self.max_queued_bytes.unwrap_or(MAX_QUEUED_BYTES)
    }

    /// How requests that failed are tried again.
    pub fn retry(&self) -> &RetrySettings {
        &self.retry
    }

    /// Where requests wait on disk, if they do.
    pub fn spool(&self) -> Option<&SpoolSettings> {
        self.spool.as_ref()
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.connect_timeout.is_zero() {
            return Err(Error::configuration("the connect timeout must not be zero"));
        }
        self.retry.validate()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_settings_that_misbehave_in_the_sdk_are_refused() {
        BatchSettings::logs().validate(Signal::Logs).unwrap();
        assert_eq!(BatchSettings::logs().max_queue_size().get(), 32_768);
        assert_eq!(BatchSettings::spans().max_queue_size().get(), 2048);
        assert_eq!(BatchSettings::spans().max_export_batch_size().get(), 512);
        assert_eq!(BatchSettings::spans().scheduled_delay().as_secs(), 5);
        let zero = BatchSettings::logs().with_scheduled_delay(Duration::ZERO);
        assert!(zero.validate(Signal::Logs).is_err());
        let zero = BatchSettings::spans().with_export_timeout(Duration::ZERO);
        assert!(zero.validate(Signal::Traces).is_err());
        let size = NonZeroUsize::new(BatchSettings::MAX_QUEUE_SIZE + 1).unwrap();
        let huge = BatchSettings::logs().with_max_queue_size(size);
        assert!(huge.validate(Signal::Logs).is_err());
    }
}
