//! Records of the `log` crate. It has one logger a process, so this file is a process of its own.
#![cfg(feature = "log")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::logs::{AnyValue, Severity};
use support::Rig;
use tracing::info_span;
use tracing_otlp_layer::LogBridge;

/// Nobody may look at it. (A panic would be caught.)
struct Untouched;

static FORMATTED: AtomicUsize = AtomicUsize::new(0);

impl std::fmt::Debug for Untouched {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        FORMATTED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn log_records_keep_target_place_and_key_values() {
    LogBridge::install(log::LevelFilter::Trace).expect("the only logger");
    assert!(
        LogBridge::install(log::LevelFilter::Trace).is_err(),
        "the place is taken"
    );
    let rig = Rig::default();
    let line = line!() + 3;
    rig.run(|| {
        let _entered = info_span!("span").entered();
        log::warn!(target: "db::pool", user = 7, ratio = 0.5, ok = true, name = "x", big = u64::MAX, dbg:? = Some(1); "pool {}", "low");
        log::info!("plain");
        log::debug!(target: "other", "elsewhere");
    });

    let record = rig.record("pool low");
    assert_eq!(record.scope, "db::pool");
    assert_eq!(record.record.severity_number(), Some(Severity::Warn));
    assert_eq!(record.record.event_name(), None);
    assert_eq!(record.attr("user"), Some(AnyValue::Int(7)));
    assert_eq!(record.attr("ratio"), Some(AnyValue::Double(0.5)));
    assert_eq!(record.attr("ok"), Some(AnyValue::Boolean(true)));
    assert_eq!(record.text("name").as_deref(), Some("x"));
    assert_eq!(record.text("big").as_deref(), Some("18446744073709551615"));
    assert_eq!(record.text("dbg").as_deref(), Some("Some(1)"));
    assert_eq!(record.text("code.file.path").as_deref(), Some(file!()));
    assert_eq!(
        record.attr("code.line.number"),
        Some(AnyValue::Int(line.into()))
    );
    assert_eq!(
        record.text("code.module.name").as_deref(),
        Some(module_path!())
    );
    assert!(
        record.keys().iter().all(|key| !key.starts_with("log.")),
        "no log.* noise"
    );
    rig.assert_points("pool low", "span");

    let plain = rig.record("plain");
    assert_eq!(plain.scope, module_path!());
    assert_eq!(
        plain.attr("user"),
        None,
        "key-values stay with their record"
    );
    assert_eq!(rig.record("elsewhere").scope, "other");

    // Nobody listens: its message is not even formatted.
    let nobody = opentelemetry_sdk::logs::SdkLoggerProvider::builder().build();
    let layer = tracing_otlp_layer::LogLayer::new(&nobody);
    let counts = layer.counts();
    Rig::default().run_with(layer, || log::error!("{Untouched:?}"));
    assert_eq!(counts.refused(), 1);
    assert_eq!(FORMATTED.load(Ordering::Relaxed), 0);

    // The call sites of the five levels may share one address. Where they were told apart by it,
    // about one process in a hundred mixed two of them up.
    for _ in 0..1_000 {
        let rig = Rig::default();
        rig.run(|| {
            log::info!("info");
            log::warn!("warn");
            log::error!("error");
        });
        for (body, severity) in [
            ("info", Severity::Info),
            ("warn", Severity::Warn),
            ("error", Severity::Error),
        ] {
            let record = rig.record(body).record;
            assert_eq!(record.severity_number(), Some(severity));
        }
    }
}
