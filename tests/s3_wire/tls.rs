//! TLS to S3: roots of `AWS_CA_BUNDLE` are trusted, and nothing else is.

use std::path::PathBuf;
use std::sync::Arc;

use cloud_portfolio::store::StoreError;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::calls::{Call, LONG, ONLY_ONCE, open_with};
use crate::fake_s3::{FakeS3, Reply};
use crate::s3::assert_err;

/// An authority of this test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            dir,
        }
    }

    /// Its certificate in PEM.
    fn bundle(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A server that this authority says has this name.
    fn server(&self, name: &str) -> TlsAcceptor {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

async fn fake(acceptor: TlsAcceptor, calls: &[Call]) -> FakeS3 {
    let script = calls.iter().flat_map(|call| call.answers());
    FakeS3::start_tls(script.map(Reply::Answer).collect(), acceptor).await
}

#[tokio::test]
async fn a_root_from_the_bundle_is_trusted() {
    let authority = Authority::new();
    let calls = [
        Call::Get,
        Call::List,
        Call::Put,
        Call::PutStreamed,
        Call::Complete,
    ];
    let fake = fake(authority.server("127.0.0.1"), &calls).await;
    let bundle = authority.bundle();
    let bundle = [("AWS_CA_BUNDLE", bundle.to_str().unwrap())];
    let store = open_with(&fake.endpoint, LONG, &bundle);
    for call in calls {
        call.run(&store).await.unwrap();
    }
    assert_eq!(fake.connections(), 1);
    assert_eq!(fake.seen()[2].payload(), b"hello");
}

#[tokio::test]
async fn a_root_that_nobody_named_is_not_trusted() {
    let authority = Authority::new();
    let fake = fake(authority.server("127.0.0.1"), &ONLY_ONCE).await;
    let store = open_with(&fake.endpoint, LONG, &[]);
    for call in [Call::Head, Call::PutIfAbsent, Call::PutStreamed] {
        let outcome = call.run(&store).await;
        assert_err!(outcome, StoreError::Unavailable(_), "{call:?}");
    }
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn a_certificate_of_another_name_is_not_trusted() {
    let authority = Authority::new();
    let fake = fake(authority.server("s3.example.org"), &ONLY_ONCE).await;
    let bundle = authority.bundle();
    let bundle = [("AWS_CA_BUNDLE", bundle.to_str().unwrap())];
    let store = open_with(&fake.endpoint, LONG, &bundle);
    let outcome = Call::PutIfAbsent.run(&store).await;
    assert_err!(outcome, StoreError::Unavailable(_));
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn plain_http_on_the_other_side_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let _server = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    }));
    let outcome = Call::Head.run(&open_with(&endpoint, LONG, &[])).await;
    assert_err!(outcome, StoreError::Unavailable(_));
}
