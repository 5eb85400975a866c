//! Where records come from: their resource and their scope.
//!
//! `view` makes one for each scope of a request that somebody looks at.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Origin {
    pub(crate) source: Source,
    pub(crate) scope: InstrumentationScope,
    pub(crate) schema_url: String,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Source {
    pub(crate) resource: Resource,
    pub(crate) schema_url: String,
}
