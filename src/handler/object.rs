//! An object as the API shows it.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::store::ObjectMeta;

/// `{"key","size","etag","last_modified","content_type","version_id"}`.
pub(super) fn to_json(meta: &ObjectMeta) -> Value {
    let mut value = listed(meta);
    value["content_type"] = json!(meta.attributes.content_type);
    value
}

/// The same in a listing, where stores do not say the content type.
pub(super) fn listed(meta: &ObjectMeta) -> Value {
    json!({
        "key": meta.key,
        "size": meta.size,
        "etag": meta.etag,
        "last_modified": meta.last_modified.to_rfc3339_opts(SecondsFormat::Millis, true),
        "version_id": meta.version_id.as_ref().map(|version| &version.0),
    })
}
