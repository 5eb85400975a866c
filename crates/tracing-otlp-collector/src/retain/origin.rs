//! Where records come from: their resource and their scope, held once for all of them.
//!
//! `batch` makes one for each scope of a request; every record of that scope shares it, and the
//! scopes of one resource share that.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Origin {
    pub(crate) source: Arc<Source>,
    pub(crate) scope: InstrumentationScope,
    pub(crate) schema_url: String,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Source {
    pub(crate) resource: Resource,
    pub(crate) schema_url: String,
}
