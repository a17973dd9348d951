//! Sends an idempotent call again when it failed in passing.

use std::time::Duration;

use super::{S3Store, meaning};
use crate::counters::{Count, Counters};
use crate::store::{StoreError, StoreResult};

/// Tries in all.
const TRIES: u32 = 3;
/// Before the second try; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

// No async functions: each would put a state machine of its own around that of `retry`, for every
// call there is.
impl S3Store {
    /// Calls `call` until it succeeds, fails for good, or has failed [`TRIES`] times.
    pub(super) fn retry<T, F>(&self, call: impl Fn() -> F) -> impl Future<Output = StoreResult<T>>
    where
        F: Future<Output = StoreResult<T>>,
    {
        self.retry_if(StoreError::is_transient, call)
    }

    /// The same, where only some failures may be tried again.
    pub(super) fn retry_if<T, F>(
        &self,
        again: fn(&StoreError) -> bool,
        call: impl Fn() -> F,
    ) -> impl Future<Output = StoreResult<T>>
    where
        F: Future<Output = StoreResult<T>>,
    {
        let number = || self.settings.credentials.number();
        retry(self.counters(), number, again, call)
    }
}

/// What S3 refused for its credentials is sent once more when there are others since.
async fn retry<T, F>(
    counters: &Counters,
    credentials: impl Fn() -> u64,
    again: fn(&StoreError) -> bool,
    call: impl Fn() -> F,
) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    let mut before = Some(credentials());
    let mut pause = FIRST_PAUSE;
    let mut tries = 1;
    loop {
        let error = match call().await {
            Err(error) => error,
            done => return done,
        };
        let are_new = |before: u64| before != credentials();
        if meaning::is_of_credentials(&error) && before.is_some_and(are_new) {
            before = None;
        } else if tries < TRIES && again(&error) && !meaning::is_gone(&error) {
            tries += 1;
            tokio::time::sleep(jitter(pause)).await;
            pause *= 2;
        } else {
            return Err(error);
        }
        log::debug!("a call to S3 failed and is sent again: {error}");
        counters.count(Count::Retries);
    }
}

/// Between half of it and all of it, so that many clients do not come back at the same moment.
pub(super) fn jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn tries(error: fn() -> StoreError, failures: u32) -> (u32, bool) {
        let count = Cell::new(0);
        let counters = Counters::default();
        let outcome = retry(
            &counters,
            || 1,
            StoreError::is_transient,
            || {
                count.set(count.get() + 1);
                let failed = count.get() <= failures;
                async move { if failed { Err(error()) } else { Ok(()) } }
            },
        )
        .await;
        let retries = format!("store_retries_total={} ", count.get() - 1);
        assert!(counters.to_string().contains(&retries));
        (count.get(), outcome.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn passing_failures_are_tried_three_times_and_lasting_ones_once() {
        let passing = || StoreError::Unavailable("reset".into());
        assert_eq!(tries(passing, 2).await, (3, true));
        assert_eq!(tries(passing, 9).await, (3, false));
        assert_eq!(tries(|| StoreError::Precondition, 9).await, (1, false));
    }

    #[tokio::test]
    async fn what_is_refused_for_its_credentials_is_tried_once_more_and_only_with_others() {
        for (renewals, failures, want) in [(0, 9, 1), (1, 1, 2), (9, 9, 2)] {
            let (count, number) = (Cell::new(0), Cell::new(1));
            let again = |_: &StoreError| false;
            let outcome = retry(
                &Counters::default(),
                || number.get(),
                again,
                || {
                    count.set(count.get() + 1);
                    number.set(number.get() + u64::from(count.get() <= renewals));
                    let failed = count.get() <= failures;
                    async move {
                        if failed {
                            Err(StoreError::Credentials("expired".into()))
                        } else {
                            Ok(())
                        }
                    }
                },
            )
            .await;
            assert_eq!((count.get(), outcome.is_ok()), (want, want > failures));
        }
    }
}
