//! Opens connections, with TLS where the URL says `https`.
//!
//! Part of `wire`. rustls with ring; it trusts the certificates of the system, or Mozilla's where
//! the system has none (a container made from scratch).

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;

use crate::{error::Error, settings::Destination};

#[cfg(feature = "tls")]
pub(super) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
pub(super) type Connector = HttpConnector;

fn plain(connect_timeout: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect_timeout));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

#[cfg(not(feature = "tls"))]
pub(super) fn connector(
    destination: &Destination,
    connect_timeout: Duration,
) -> Result<Connector, Error> {
    destination.validate()?;
    Ok(plain(connect_timeout))
}

#[cfg(feature = "tls")]
pub(super) fn connector(
    destination: &Destination,
    connect_timeout: Duration,
) -> Result<Connector, Error> {
    use crate::settings::Protocol;

    let builder = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(client_config(destination.is_https())?)
        .https_or_http();
    Ok(if destination.protocol() == Protocol::Grpc {
        builder
            .enable_http2()
            .wrap_connector(plain(connect_timeout))
    } else {
        builder
            .enable_http1()
            .wrap_connector(plain(connect_timeout))
    })
}

/// Without `https` nothing is trusted, and reading the certificates is saved.
#[cfg(feature = "tls")]
fn client_config(with_roots: bool) -> Result<rustls::ClientConfig, Error> {
    use std::sync::Arc;

    use hyper_rustls::ConfigBuilderExt as _;
    use rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};

    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::resource("tls could not be set up").because(error))
    };
    let verified = if with_roots {
        match builder()?.with_native_roots() {
            Ok(verified) => verified,
            Err(_) => builder()?.with_webpki_roots(),
        }
    } else {
        builder()?.with_root_certificates(RootCertStore::empty())
    };
    Ok(verified.with_no_client_auth())
}
