//! What an operator may bound without a rebuild: memory, disk, and time.
//!
//! Stands beside `config`. Code beats environment here for each setting by itself: whoever gives a
//! deadline in code leaves the size of the spool to the operator.

use std::num::NonZeroU32;

use tracing_otlp_pipeline::{AdmissionSettings, DeliverySettings, SpoolSettings};

use crate::environment::Environment;
use crate::error::Error;

/// Named after the loss that a larger one prevents: `queue_bytes_full`.
const QUEUE_BYTES: &str = "TRACING_OTLP_QUEUE_MAX_BYTES";
/// The two of `delivery_queue_full`.
const DELIVERY_RECORDS: &str = "TRACING_OTLP_DELIVERY_QUEUE_MAX_RECORDS";
const DELIVERY_BYTES: &str = "TRACING_OTLP_DELIVERY_QUEUE_MAX_BYTES";
const RETRY_DEADLINE: &str = "TRACING_OTLP_RETRY_DEADLINE";
const SHUTDOWN_DEADLINE: &str = "TRACING_OTLP_SHUTDOWN_DEADLINE";
const SPOOL_DIRECTORY: &str = "TRACING_OTLP_SPOOL_DIRECTORY";
const SPOOL_BYTES: &str = "TRACING_OTLP_SPOOL_MAX_BYTES";
const SPOOL_AGE: &str = "TRACING_OTLP_SPOOL_MAX_AGE";
const SPOOL_RATE: &str = "TRACING_OTLP_SPOOL_REPLAY_RATE";

/// The smallest spool that works.
const LEAST_SPOOL: usize = 64 * 1024;

/// How much may wait for a batch.
pub(crate) fn admission(
    environment: &Environment,
    code: AdmissionSettings,
) -> Result<AdmissionSettings, Error> {
    Ok(match environment.bytes(QUEUE_BYTES)? {
        Some(bytes) => code.or_max_queued_bytes(bytes),
        None => code,
    })
}

/// How much may wait for the destination, how long, and where.
pub(crate) fn delivery(
    environment: &Environment,
    code: DeliverySettings,
) -> Result<DeliverySettings, Error> {
    let mut settings = code;
    if let Some(records) = environment.count(&[DELIVERY_RECORDS])? {
        settings = settings.or_max_queued_records(records);
    }
    if let Some(bytes) = environment.bytes(DELIVERY_BYTES)? {
        settings = settings.or_max_queued_bytes(bytes);
    }
    if let Some(deadline) = environment.duration(RETRY_DEADLINE)? {
        let retry = settings.retry().clone().or_batch_deadline(deadline);
        settings = settings.with_retry(retry);
    }
    if let Some(deadline) = environment.duration(SHUTDOWN_DEADLINE)? {
        if deadline.is_zero() {
            return Err(Error::variable(SHUTDOWN_DEADLINE, "0", ABOVE_ZERO));
        }
        settings = settings.or_shutdown_deadline(deadline);
    }
    Ok(match spool(environment, settings.spool().cloned())? {
        Some(spool) => settings.with_spool(spool),
        None => settings,
    })
}

/// Size, age and rate are checked also where there is no directory: whoever adds one later finds no
/// mistake then.
fn spool(
    environment: &Environment,
    code: Option<SpoolSettings>,
) -> Result<Option<SpoolSettings>, Error> {
    let directory = environment.text(SPOOL_DIRECTORY)?;
    let bytes = environment.bytes(SPOOL_BYTES)?;
    if let Some(bytes) = bytes.filter(|bytes| bytes.get() < LEAST_SPOOL) {
        let problem = "a spool needs at least 64KiB";
        return Err(Error::variable(SPOOL_BYTES, &bytes.to_string(), problem));
    }
    let age = environment.duration(SPOOL_AGE)?;
    if age.is_some_and(|age| age.is_zero()) {
        return Err(Error::variable(SPOOL_AGE, "0", ABOVE_ZERO));
    }
    let rate = environment.count(&[SPOOL_RATE])?;
    let Some(mut spool) = code.or_else(|| directory.map(SpoolSettings::new)) else {
        return Ok(None);
    };
    if let Some(bytes) = bytes {
        spool = spool.or_max_bytes(bytes);
    }
    if let Some(age) = age {
        spool = spool.or_max_age(age);
    }
    if let Some(rate) = rate {
        // More than fit are as good as no bound.
        spool = spool.or_replay_rate(NonZeroU32::try_from(rate).unwrap_or(NonZeroU32::MAX));
    }
    Ok(Some(spool))
}

const ABOVE_ZERO: &str = "expected a time above 0";

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use tracing_otlp_pipeline::RetrySettings;

    use super::*;

    fn environment<const N: usize>(pairs: [(&'static str, &'static str); N]) -> Environment {
        Environment::from_fn(move |asked| {
            let found = pairs.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn full() -> Environment {
        environment([
            (QUEUE_BYTES, "1MiB"),
            (DELIVERY_RECORDS, "1000"),
            (DELIVERY_BYTES, "2MiB"),
            (RETRY_DEADLINE, "1m"),
            (SHUTDOWN_DEADLINE, "2s"),
            (SPOOL_DIRECTORY, "/from/environment"),
            (SPOOL_BYTES, "3MiB"),
            (SPOOL_AGE, "23h"),
            (SPOOL_RATE, "7"),
        ])
    }

    fn number(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).expect("not zero")
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn nothing_set_leaves_everything_as_it_was() {
        let blank = environment([(QUEUE_BYTES, ""), (SPOOL_DIRECTORY, " "), (SPOOL_AGE, "")]);
        let admitted = admission(&blank, AdmissionSettings::default()).expect("fine");
        assert_eq!(admitted, AdmissionSettings::default());
        let delivered = delivery(&blank, DeliverySettings::default()).expect("fine");
        assert_eq!(delivered, DeliverySettings::default());
        assert_eq!(delivered.spool(), None);
    }

    #[test]
    fn the_environment_sets_what_code_does_not() {
        let admitted = admission(&full(), AdmissionSettings::default()).expect("fine");
        assert_eq!(admitted.max_queued_bytes(), number(1 << 20));
        let settings = delivery(&full(), DeliverySettings::default()).expect("fine");
        assert_eq!(settings.max_queued_records(), number(1000));
        assert_eq!(settings.max_queued_bytes(), number(2 << 20));
        assert_eq!(settings.retry().batch_deadline(), Duration::from_secs(60));
        assert_eq!(settings.shutdown_deadline(), Duration::from_secs(2));
        let spool = settings.spool().expect("there is one");
        assert_eq!(spool.directory().to_str(), Some("/from/environment"));
        assert_eq!(spool.max_bytes(), number(3 << 20));
        assert_eq!(spool.max_age(), 23 * HOUR);
        assert_eq!(spool.replay_rate().get(), 7);
    }

    #[test]
    fn code_beats_environment_setting_by_setting() {
        // What is set to its default in code is set too.
        let code = AdmissionSettings::default().with_max_queued_bytes(number(32 << 20));
        let admitted = admission(&full(), code).expect("fine");
        assert_eq!(admitted.max_queued_bytes(), number(32 << 20));

        let code = DeliverySettings::default()
            .with_shutdown_deadline(Duration::from_secs(5))
            .with_retry(RetrySettings::default().with_max_backoff(HOUR))
            .with_spool(SpoolSettings::new("/from/code").with_max_age(HOUR));
        let settings = delivery(&full(), code).expect("fine");
        assert_eq!(settings.shutdown_deadline(), Duration::from_secs(5));
        assert_eq!(settings.max_queued_records(), number(1000));
        assert_eq!(settings.retry().batch_deadline(), Duration::from_secs(60));
        let spool = settings.spool().expect("there is one");
        assert_eq!(spool.directory().to_str(), Some("/from/code"));
        assert_eq!(spool.max_age(), HOUR);
        assert_eq!(spool.max_bytes(), number(3 << 20));
        assert_eq!(spool.replay_rate().get(), 7);

        let code = DeliverySettings::default().with_retry(RetrySettings::never());
        let settings = delivery(&full(), code).expect("fine");
        assert_eq!(settings.retry().batch_deadline(), Duration::ZERO);
    }

    #[test]
    fn a_bad_value_is_an_error_that_names_its_variable() {
        for (name, bad) in [
            (QUEUE_BYTES, "0"),
            (DELIVERY_RECORDS, "many"),
            (DELIVERY_BYTES, "1TB"),
            (RETRY_DEADLINE, "soon"),
            (SHUTDOWN_DEADLINE, "0s"),
            (SPOOL_BYTES, "64"),
            (SPOOL_AGE, "0"),
            (SPOOL_AGE, "1 day"),
            (SPOOL_RATE, "0"),
        ] {
            let environment = environment([(name, bad)]);
            let error = admission(&environment, AdmissionSettings::default())
                .err()
                .or_else(|| delivery(&environment, DeliverySettings::default()).err())
                .expect("it is bad");
            assert_eq!(error.variable_name(), Some(name), "{error}");
        }
        let once = environment([(RETRY_DEADLINE, "0")]);
        let settings = delivery(&once, DeliverySettings::default()).expect("one attempt only");
        assert_eq!(settings.retry().batch_deadline(), Duration::ZERO);
    }
}
