//! `https` works with certificates that the system trusts, and with no others.
//!
//! The trust store of the system is read through `SSL_CERT_FILE`, so the client runs in a process
//! of its own.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{path::Path, process::Command, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use support::{PATIENCE, Reply, Server, Stream, emit};
use tracing_otlp_pipeline::{Destination, Pipeline, Protocol, Report, Signal};

const CHILD: &str = "TRACING_OTLP_TEST_CHILD";

/// A server with a certificate for `localhost`, and the certificate.
fn start() -> (Server, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certified.cert.der().clone()],
            PrivateKeyDer::Pkcs8(key),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = Server::start_over(
        [],
        Reply::Accept,
        Arc::new(move |stream| {
            let acceptor = acceptor.clone();
            Box::pin(async move {
                let stream = acceptor.accept(stream).await?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            })
        }),
    );
    (server, certified.cert.pem())
}

fn send(url: &str, protocol: Protocol) -> Report {
    let destination = Destination::from_base(Signal::Logs, url).unwrap();
    let pipeline = Pipeline::builder()
        .with_logs(destination.with_protocol(protocol))
        .build()
        .unwrap();
    emit(pipeline.logger_provider().unwrap(), "secret");
    pipeline.shutdown(PATIENCE)
}

fn protocols() -> Vec<Protocol> {
    let mut all = vec![Protocol::HttpProtobuf];
    if cfg!(feature = "grpc") {
        all.push(Protocol::Grpc);
    }
    all
}

#[test]
fn a_certificate_of_the_system_is_trusted() {
    if let Ok(port) = std::env::var(CHILD) {
        for protocol in protocols() {
            let report = send(&format!("https://localhost:{port}"), protocol);
            assert!(report.is_complete(), "{protocol}: {report}");
            // The certificate is for another name.
            let report = send(&format!("https://127.0.0.1:{port}"), protocol);
            assert_eq!(report.by_reason(), [("unreachable", 1)].into());
        }
        return;
    }
    let (server, pem) = start();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trusted.pem");
    std::fs::write(&file, pem).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_certificate_of_the_system_is_trusted",
            "--nocapture",
        ])
        .env(CHILD, server.address.port().to_string())
        .env("SSL_CERT_FILE", &file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let received = server.received();
    assert_eq!(received.len(), protocols().len());
    assert!(
        received
            .iter()
            .all(|request| request.messages() == ["secret"])
    );
}

#[test]
fn an_unknown_certificate_is_not_trusted() {
    if std::env::var(CHILD).is_ok() {
        return;
    }
    let (server, _) = start();
    for protocol in protocols() {
        let url = format!("https://localhost:{}", server.address.port());
        let report = send(&url, protocol);
        assert_eq!(report.by_reason(), [("unreachable", 1)].into());
    }
    assert!(server.received().is_empty());
}
