//! What rusoto's operations call, and their answers as rusoto wants them: with what would make it
//! panic or spin left out. How requests are sent is `mod.rs`'.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hyper::{HeaderMap, StatusCode};
use rusoto_core::request::{DispatchSignedRequestFuture, HttpResponse};
use rusoto_core::signature::SignedRequest;
use rusoto_core::{ByteStream, DispatchSignedRequest, HttpDispatchError};

use super::super::{document, operation};
use super::Transport;
use super::failure::{CORRUPT, outcome};
use super::incoming::{Document, read};

impl DispatchSignedRequest for Transport {
    fn dispatch(
        &self,
        request: SignedRequest,
        _never_given: Option<Duration>,
    ) -> DispatchSignedRequestFuture {
        let transport = self.clone();
        let answered = async move {
            transport.admit(&request)?;
            let connector = transport.connector.clone();
            let call = connector.calls().begin(operation::of(&request));
            let answered = answer(transport, request).await;
            let status = answered.as_ref().map(|response| response.status.as_u16());
            let status = status.map(|code| StatusCode::from_u16(code).unwrap_or_default());
            call.end(outcome(status));
            answered
        };
        answered.boxed()
    }
}

/// An answer as rusoto's operations want it.
async fn answer(
    transport: Transport,
    signed: SignedRequest,
) -> Result<HttpResponse, HttpDispatchError> {
    // Only an object is read piece by piece; everything else is a document.
    let object = signed.method == "GET" && signed.params.keys().all(|name| name == "versionId");
    let response = transport.send(signed, object).await?;
    let (status, headers, body) = if object && response.status().is_success() {
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, ByteStream::new(body))
    } else {
        let document = well_formed(read(response).await?)?;
        let body = ByteStream::from(document.body.to_vec());
        (document.status, document.headers, body)
    };
    Ok(HttpResponse {
        status: http02::StatusCode::from_u16(status.as_u16())
            .map_err(|error| HttpDispatchError::new(error.to_string()))?,
        headers: texts(&headers),
        body,
    })
}

/// A document that is known to be well-formed: rusoto's parser never comes back from an error or an
/// end inside an element, and takes the worker's thread along. What explains a failure and cannot
/// be read is left out; the status says enough.
fn well_formed(mut document: Document) -> Result<Document, HttpDispatchError> {
    let body = document.body.trim_ascii_start();
    if !body.is_empty() && !document::is_well_formed(body) {
        if document.status.is_success() {
            let text = format!("{CORRUPT}the answer is no XML document");
            return Err(HttpDispatchError::new(text));
        }
        document.body = Bytes::new();
    }
    Ok(document)
}

/// The headers whose values are text: others are of no use to rusoto, which would panic on them.
fn texts(headers: &HeaderMap) -> http02::HeaderMap<String> {
    let mut texts = http02::HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = http02::header::HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, value.to_str()) {
            texts.insert(name, value.to_owned());
        }
    }
    texts
}
