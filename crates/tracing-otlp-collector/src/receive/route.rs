//! Which protocol a request to the collector speaks.

use std::sync::Arc;

use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::serve::{Answer, Service};
use super::{grpc, http as otlp_http};
use crate::api::{self, Site};

impl Service for Site {
    // Whoever is on this machine may have as many as the system gives.
    const CONNECTIONS: usize = usize::MAX;

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Answer> {
        if request.version() == Version::HTTP_2 && grpc::is_grpc(request.headers()) {
            grpc::answer(request, &self.intake).await
        } else if api::is_ours(request.method(), request.uri().path()) {
            api::answer(request, &self).await
        } else {
            otlp_http::answer(request, &self.intake).await
        }
    }

    /// Streams would never end by themselves.
    fn stopping(&self) {
        self.stopping.send_replace(true);
    }
}
