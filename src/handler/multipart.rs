//! Forms as they come in: the parser, what bounds it, and what its errors mean. What becomes of a
//! form's files is `upload`'s business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use multer::{Constraints, Multipart, SizeLimit};

use crate::error::Error;
use crate::store::MAX_KEY_BYTES;

/// Bytes of a form that may pass without a field or a byte of one coming of them: a preamble, or
/// a field's header. The parser keeps those in memory, without a limit of its own.
const MAX_FORM_OVERHEAD: u64 = 256 << 10;

/// Reads the form in `source`.
pub(super) fn parser(
    progress: &Progress,
    boundary: String,
    source: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
) -> Multipart<'static> {
    let limit = SizeLimit::new().for_field("prefix", MAX_KEY_BYTES as u64 + 1);
    let constraints = Constraints::new().size_limit(limit);
    Multipart::with_constraints(progress.watch(source), boundary, constraints)
}

/// Counts a form's bytes since anything last came of them.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Something came of the bytes.
    pub(super) fn made(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The same bytes; fails after too many of which nothing came.
    fn watch<S>(&self, source: S) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<S>
    where
        S: Stream<Item = Result<Bytes, Error>> + Send,
    {
        let idle = Arc::clone(&self.0);
        source.map(move |chunk| {
            let chunk = chunk?;
            let count = chunk.len() as u64;
            if idle.fetch_add(count, Ordering::Relaxed) + count > MAX_FORM_OVERHEAD {
                let detail = "The form has too much that is no field of it.";
                return Err(Error::invalid("invalid_form", detail));
            }
            Ok(chunk)
        })
    }
}

/// What stands between the fields of a request with these headers.
pub(super) fn boundary(headers: &HeaderMap) -> Result<String, Error> {
    let want = Error::UnsupportedMediaType {
        want: "multipart/form-data",
    };
    let Some(content_type) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return Err(want);
    };
    match multer::parse_boundary(content_type) {
        Ok(boundary) => Ok(boundary),
        Err(multer::Error::NoBoundary) => Err(Error::invalid(
            "invalid_form",
            "The form's Content-Type names no boundary.",
        )),
        Err(_) => Err(want),
    }
}

/// Our own errors come back out of the parser as they went in; its own mean a malformed form.
pub(super) fn form_error(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(cause) => Error::BodyBroken(cause),
        },
        multer::Error::FieldSizeExceeded { .. } => {
            Error::invalid("invalid_key", "The prefix is longer than any key.")
        }
        other => Error::invalid("invalid_form", format!("The form is malformed: {other}.")),
    }
}
