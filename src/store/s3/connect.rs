//! Connections to S3: TCP, then TLS with bundled roots and those of `AWS_CA_BUNDLE`.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use super::counted::Connected;
use crate::body::BoxError;
use crate::counters::Counters;
use crate::metrics::calls::Calls;

/// Name lookup, TCP and TLS together, to S3.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// TLS settings: Mozilla's roots, bundled, and those of a PEM file.
///
/// Fails when the file cannot be read or has no certificate in it.
pub(super) fn tls(ca_bundle: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = ca_bundle {
        let fault = |error: &dyn std::fmt::Display| {
            let text = format!("AWS_CA_BUNDLE {}: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| fault(&error))?;
        // A bundle of a whole system may hold roots that are too old to parse; the others count.
        let (added, _ignored) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(fault(&"has no certificate in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects within a time.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<HttpConnector>,
    timeout: Duration,
    counters: Arc<Counters>,
}

impl Connector {
    pub(super) fn new(tls: &ClientConfig, timeout: Duration, counters: Arc<Counters>) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Self {
            https,
            timeout,
            counters,
        }
    }

    /// Where the calls that go over its connections are counted.
    pub(super) fn calls(&self) -> &Calls {
        &self.counters.calls
    }
}

impl Service<Uri> for Connector {
    type Response = Connected<<HttpsConnector<HttpConnector> as Service<Uri>>::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        let timeout = self.timeout;
        let counters = Arc::clone(&self.counters);
        Box::pin(async move {
            let connected = match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(format!("no connection within {timeout:?}").into()),
            };
            if connected.is_err() {
                counters.calls.unconnected();
            }
            connected.map(|io| Connected::new(io, counters))
        })
    }
}
