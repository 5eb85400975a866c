//! Joins what the log layers count to the pipeline's ledger.
//!
//! Between the two halves of the way of an event, which do not know each other: what the layer
//! leaves out gets its place in the one account of every record.

use tracing_core::Level;
use tracing_otlp_layer::LayerCounts;
use tracing_otlp_pipeline::{LossReason, SeverityBand, SourceCounts};

const LEVELS: [(Level, SeverityBand); 5] = [
    (Level::TRACE, SeverityBand::Trace),
    (Level::DEBUG, SeverityBand::Debug),
    (Level::INFO, SeverityBand::Info),
    (Level::WARN, SeverityBand::Warn),
    (Level::ERROR, SeverityBand::Error),
];

/// What the layers have left out, in the words of the ledger. What a logger refused is not in it:
/// that is counted when it happens, by [`Pipeline::refusals`](tracing_otlp_pipeline::Pipeline).
pub(crate) fn source(
    counts: &LayerCounts,
) -> impl Fn(&mut SourceCounts) + Send + Sync + 'static + use<> {
    let counts = counts.clone();
    move |source| {
        for (level, band) in LEVELS {
            let layer = counts.of_level(level);
            source.sampled(band, layer.unsampled);
            source.lost(LossReason::Reentrant, band, layer.reentrant);
            source.lost(LossReason::ThreadEnd, band, layer.at_thread_end);
            source.lost(LossReason::Panic, band, layer.panicked);
        }
        source.dropped_attributes(counts.dropped_attributes());
    }
}
