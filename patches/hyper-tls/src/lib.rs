//! Stands in for `hyper-tls` 0.5, which `rusoto_core` cannot be built without.
//! It connects without TLS and is never called: the program gives rusoto a transport of its own.

#![forbid(unsafe_code)]

use hyper::client::HttpConnector;

/// The connector type that `rusoto_core` names.
pub type HttpsConnector<C = HttpConnector> = Plain<C>;

/// Wraps a connector and adds nothing.
#[derive(Clone, Debug)]
pub struct Plain<C>(C);

impl Plain<HttpConnector> {
    /// A connector for plain HTTP.
    #[must_use]
    pub fn new() -> Self {
        Self(HttpConnector::new())
    }
}

impl Default for Plain<HttpConnector> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: hyper::service::Service<hyper::Uri>> hyper::service::Service<hyper::Uri> for Plain<C> {
    type Response = C::Response;
    type Error = C::Error;
    type Future = C::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: hyper::Uri) -> Self::Future {
        self.0.call(uri)
    }
}
