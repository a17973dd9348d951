//! Copies inside the store. One that a single call cannot make goes in parts, under a state
//! object like every upload in parts: what a killed process leaves of it is swept.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::settle::nonce;
use super::{CLEAN_UP, Engine, Length, Upload, until};
use crate::error::Error;
use crate::store::{Attributes, Condition, ObjectKey, ObjectMeta};

/// How long parts that are being copied are waited for when the copy is given up: 512 MiB at a
/// usual pace inside S3.
const LAND: Duration = Duration::from_secs(10);

impl Engine {
    /// Makes `to` an object like the one that `source`, an answer of `Store::head` for `from`,
    /// describes. Durable and visible when it returns; on any error, and when `stop` is cancelled,
    /// nothing of it stays.
    ///
    /// Fails as `Store::copy` does.
    pub async fn copy(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        condition: &Condition,
        stop: &CancellationToken,
    ) -> Result<ObjectMeta, Error> {
        let part_size = self.store.copy_part_size(source.size, condition).await?;
        let Some(part_size) = part_size else {
            // One call, which the store goes on with whether or not anybody waits for it.
            return Ok(self.store.copy(from, source, to, condition).await?);
        };
        let attributes = Attributes {
            nonce: Some(nonce()?),
            ..source.attributes.clone()
        };
        let upload = Upload {
            key: to,
            attributes: &attributes,
            condition,
            length: Length::Exactly(source.size),
            stop,
        };
        self.check_condition(upload.key, upload.condition).await?;
        let create = self
            .store
            .begin_copy(from, source, to, &attributes, part_size);
        let (mut flight, mut state) = self.begin_parts(create).await?;
        let all_parts = async {
            for number in 1..=source.size.div_ceil(part_size) as u32 {
                let store = Arc::clone(&self.store);
                let (from, source) = (from.clone(), source.clone());
                let multipart = flight.multipart.clone();
                let part = async move { store.copy_part(&from, &source, &multipart, number).await };
                flight.launch(number, part).await?;
            }
            flight.land_all().await
        };
        let sent = until(stop, all_parts).await;
        if sent.is_err() {
            // At once, as a process that ends has little time. But the store goes on with what it
            // was asked to copy, and what it copies after an abort stays: so again in the end.
            let abort = self.store.abort_multipart(&flight.multipart);
            let _ = timeout(CLEAN_UP, abort).await;
            while let Ok(Err(_)) = timeout(LAND, flight.land_all()).await {}
            if flight.is_busy() {
                state.keep();
            }
        }
        self.end_parts(&upload, flight, state, sent).await
    }
}
