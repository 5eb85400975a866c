//! A minimal application with this project.

fn main() {
    let _telemetry = tracing_otlp::init().expect("settings that agree");
    tracing::info!(answer = 42, "hello");
}
