//! The API's description, for tools that read `OpenAPI`.
//!
//! It is a file of its own; a test asks every path that it names and looks for routes it forgot.

/// The document, with the version of this build.
pub(super) fn description() -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    DOCUMENT
        .replace("\"0.0.0\"", &format!("\"{version}\""))
        .into_bytes()
}

pub(super) const DOCUMENT: &str = include_str!("openapi.json");
