//! Records that nobody wants: turned away before the work, and counted.

mod support;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::Context;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use support::Rig;
use tracing::{info, info_span};
use tracing_otlp_layer::{LogLayer, UnsampledPolicy};

#[test]
fn a_record_nobody_wants_is_counted_once_and_its_fields_are_not_read() {
    struct Untouched;
    impl fmt::Debug for Untouched {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("formatted");
        }
    }
    // Nobody listens, so the logger refuses.
    let nobody = SdkLoggerProvider::builder().build();
    for policy in [
        UnsampledPolicy::Detach,
        UnsampledPolicy::Keep,
        UnsampledPolicy::KeepAsAttributes,
        UnsampledPolicy::Drop,
    ] {
        let told = Arc::new(AtomicUsize::new(0));
        let tell = Arc::clone(&told);
        let layer = LogLayer::new(&nobody)
            .with_unsampled(policy)
            .with_on_refused(move |_| {
                tell.fetch_add(1, Ordering::Relaxed);
            });
        let counts = layer.counts();
        Rig::default().run_with(layer, || {
            let _span = info_span!("span").entered();
            for _ in 0..3 {
                info!(value = ?Untouched, "unwanted");
            }
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            info!("telemetry's own");
        });
        assert_eq!((counts.refused(), counts.records()), (3, 0), "{policy:?}");
        assert_eq!((counts.unsampled(), counts.panicked()), (0, 0));
        assert_eq!(told.load(Ordering::Relaxed), 3);
    }
}
