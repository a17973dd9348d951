//! Calls of rusoto's operations: what they return becomes ours, and credentials that S3 refuses are
//! asked for anew. Whether a call is sent again is `retry`'s business.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, TryFutureExt};
use rusoto_core::RusotoError;
use rusoto_core::request::BufferedHttpResponse;
use rusoto_s3::{AbortMultipartUploadError, GetObjectError, HeadObjectError, ListObjectsV2Error};

use super::{S3Store, meaning};
use crate::store::{StoreError, StoreResult};

impl S3Store {
    /// One of rusoto's operations. It unwraps some headers and panics on some XML: what S3 sends
    /// must not end a request with anything but an error.
    pub(super) async fn call<T, E: Named>(
        &self,
        operation: impl Future<Output = Result<T, RusotoError<E>>>,
    ) -> StoreResult<T> {
        let number = self.settings.credentials.number();
        let outcome: StoreResult<T> = AssertUnwindSafe(operation.map_err(of_rusoto))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Corrupt("S3's answer made rusoto panic".into())));
        match outcome {
            Err(error) if meaning::is_of_credentials(&error) => {
                Err(Box::pin(self.refused(error, number)).await)
            }
            outcome => outcome,
        }
    }

    /// Gets others for the credentials of this number, which S3 does not take; what its error means
    /// then. Whether the call can be sent again is for `retry` to say.
    pub(super) async fn refused(&self, error: StoreError, number: u64) -> StoreError {
        let may_come = self.settings.credentials.refused(number).await;
        match error {
            StoreError::Credentials(cause) if !may_come => StoreError::Refused(cause),
            other => other,
        }
    }
}

/// Errors of rusoto's operations that it gives a name to.
pub(super) trait Named {
    /// Whether an answer has a document that says what went wrong.
    const IS_EXPLAINED: bool = true;
    /// S3's code for it.
    fn code(&self) -> &'static str;
}

impl Named for GetObjectError {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidObjectState(_) => "InvalidObjectState",
            Self::NoSuchKey(_) => "NoSuchKey",
        }
    }
}

impl Named for HeadObjectError {
    const IS_EXPLAINED: bool = false;

    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchKey(_) => "NoSuchKey",
        }
    }
}

impl Named for ListObjectsV2Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchBucket(_) => "NoSuchBucket",
        }
    }
}

impl Named for AbortMultipartUploadError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchUpload(_) => "NoSuchUpload",
        }
    }
}

macro_rules! unnamed {
    ($($error:ty),*) => {$(
        impl Named for $error {
            fn code(&self) -> &'static str {
                match *self {}
            }
        }
    )*};
}

unnamed!(
    std::convert::Infallible,
    rusoto_s3::CreateMultipartUploadError,
    rusoto_s3::DeleteObjectError
);

/// The meaning of what rusoto returned.
fn of_rusoto<E: Named>(error: RusotoError<E>) -> StoreError {
    match error {
        RusotoError::Service(named) => meaning::of_code(0, named.code(), ""),
        RusotoError::HttpDispatch(error) => meaning::of_dispatch(&error),
        RusotoError::Credentials(error) => StoreError::Credentials(error.into()),
        RusotoError::Unknown(BufferedHttpResponse { status, body, .. }) => match status.as_u16() {
            // 405 is a delete marker's answer.
            404 | 405 if !E::IS_EXPLAINED => StoreError::NotFound,
            status => meaning::of_answer(status, &body),
        },
        RusotoError::Validation(text) | RusotoError::ParseError(text) => {
            StoreError::Corrupt(text.into())
        }
        RusotoError::Blocking => StoreError::Corrupt("rusoto blocked".into()),
    }
}
