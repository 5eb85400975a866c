//! Events from the destructors of thread-locals, under a global subscriber.
//!
//! A panic in there aborts the process, and the OpenTelemetry context cannot be asked for any
//! more without one.

mod support;

use support::Rig;
use tracing::{Dispatch, info, info_span};

/// Logs when dropped. (A new span in there would abort in the registry itself.)
struct Talkative;

impl Drop for Talkative {
    fn drop(&mut self) {
        tracing::error!("at the end");
    }
}

thread_local! {
    static EARLY: Talkative = const { Talkative };
    static LATE: Talkative = const { Talkative };
}

#[test]
fn an_event_in_a_thread_locals_destructor_does_no_harm_and_is_counted() {
    let rig = Rig::default();
    let layer = rig.layer();
    let counts = layer.counts();
    tracing::dispatcher::set_global_default(Dispatch::new(rig.subscriber(layer)))
        .expect("only here");
    std::thread::spawn(|| {
        // One is dropped after the context, the other before it.
        EARLY.with(|_| ());
        info_span!("span").in_scope(|| info!("before"));
        LATE.with(|_| ());
    })
    .join()
    .expect("the thread ends in peace");
    rig.assert_points("before", "span");
    let records = rig.records();
    let seen = records
        .iter()
        .filter(|r| r.body_text() == Some("at the end"))
        .count();
    assert_eq!(seen, 1, "while the context is there, the event is taken");
    assert_eq!(counts.at_thread_end(), 1, "and counted when it is gone");
}
