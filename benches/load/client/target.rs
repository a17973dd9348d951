//! Where a program listens, and how it is spoken to.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;

use hyper::Uri;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// Sent as `Host`.
    pub host: String,
    /// How its TLS is to be checked; None: plain HTTP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Target {
    pub fn loopback(port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            address,
            host: address.to_string(),
            tls: None,
        }
    }

    /// That of a URL; a certificate may be one of `ca` as well as one of the public's.
    pub fn of_url(uri: &Uri, ca: Option<&Path>) -> Result<Self, String> {
        let host = uri.host().ok_or("it has no host")?;
        // An address of IPv6 stands in brackets, which are no part of it.
        let bare = host.trim_matches(['[', ']']);
        let (tls, default_port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => {
                let name = ServerName::try_from(bare.to_owned());
                (Some((tls(ca)?, name.map_err(|_| "it has no host")?)), 443)
            }
            _ => return Err("it begins with http:// or https://".into()),
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let mut addresses = (bare, port).to_socket_addrs().map_err(|e| e.to_string())?;
        Ok(Self {
            address: addresses.next().ok_or("its host has no address")?,
            host: uri.authority().map_or(host, |all| all.as_str()).to_owned(),
            tls,
        })
    }
}

fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = ca {
        let odd = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| odd(&error))? {
            let certificate = certificate.map_err(|error| odd(&error))?;
            roots.add(certificate).map_err(|error| odd(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
