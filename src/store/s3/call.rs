//! Calls of rusoto's operations: what they return becomes ours, and credentials that S3 refuses are
//! asked for anew. Whether a call is sent again is `retry`'s business.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, TryFutureExt};
use rusoto_core::RusotoError;

use super::meaning::Named;
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
        let outcome: StoreResult<T> = AssertUnwindSafe(operation.map_err(meaning::of_rusoto))
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
