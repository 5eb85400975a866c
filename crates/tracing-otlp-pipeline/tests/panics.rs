//! A panic in one batch, or in other people's callbacks, costs that batch at most.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::time::Duration;

use opentelemetry::{
    InstrumentationScope,
    logs::{Logger as _, LoggerProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider},
};
use support::{PATIENCE, Reply, Said, Server, emit};
use tracing_otlp_pipeline::{
    AdmissionSettings, Destination, Encoder, LossReason, Pipeline, Protocol, Signal,
};

/// Takes the observed time out of records whose body is "poison": the official conversion unwraps
/// it.
#[derive(Debug)]
struct Poison(SdkLogger);

impl Poison {
    fn new() -> Self {
        Self(SdkLoggerProvider::builder().build().logger("poison"))
    }
}

impl LogProcessor for Poison {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        if record.body() == Some(&"poison".into()) {
            *record = self.0.create_log_record();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn a_panic_while_encoding_costs_one_batch_and_is_counted() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let server = Server::start([]);
        let said = Said::default();
        let theirs = said.clone();
        let destination = Destination::from_base(Signal::Logs, &server.url()).unwrap();
        let pipeline = Pipeline::builder()
            .with_encoder(Encoder::Official)
            .with_admission(AdmissionSettings::default().with_loss_summary(None))
            .with_logs(destination.with_protocol(protocol))
            .map_logger_provider(|builder| builder.with_log_processor(Poison::new()))
            .on_notice(move |notice| theirs.say(notice))
            .build()
            .unwrap();
        let provider = pipeline.logger_provider().unwrap();
        emit(provider, "before");
        assert!(pipeline.force_flush(PATIENCE).is_complete());
        emit(provider, "beside");
        emit(provider, "poison");
        let report = pipeline.force_flush(PATIENCE);
        assert!(report.is_settled());
        assert_eq!(report.by_reason(), [("panic", 2)].into());
        emit(provider, "after");
        let report = pipeline.shutdown(PATIENCE);
        assert_eq!(report.logs().delivered(), 2);
        assert_eq!(report.logs().lost_by(LossReason::Panic), 2);
        assert_eq!(said.all(), ["losing logs: panic"]);
    }
}

#[test]
fn a_record_that_the_official_conversion_panics_on_is_delivered_by_the_direct_one() {
    let server = Server::start([]);
    let pipeline = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .map_logger_provider(|builder| builder.with_log_processor(Poison::new()))
        .build()
        .unwrap();
    for message in ["beside", "poison"] {
        emit(pipeline.logger_provider().unwrap(), message);
    }
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!((report.logs().delivered(), report.lost()), (2, 0));
}

#[test]
fn a_callback_that_panics_costs_nothing() {
    let refuse = |status| Reply::Http(status, "text/plain", "no".into());
    let server = Server::start([refuse(400), refuse(404)]);
    let said = Said::default();
    let theirs = said.clone();
    let pipeline = Pipeline::builder()
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .on_notice(move |notice| {
            theirs.say(notice);
            panic!("the callback");
        })
        .build()
        .unwrap();
    for _ in 0..3 {
        emit(pipeline.logger_provider().unwrap(), "x");
        assert!(pipeline.force_flush(PATIENCE).is_settled());
    }
    let logger = pipeline.logger_provider().unwrap().logger("kept");
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.logs().delivered(), 1);
    assert_eq!(report.by_reason(), [("rejected", 2)].into());
    logger.emit(logger.create_log_record());
    assert_eq!(said.all().len(), 3, "{:?}", said.all());
}
