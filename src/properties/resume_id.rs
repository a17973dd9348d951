//! Ids of resumable uploads. Input: an id as text, or the bytes that one is made of.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::contained;
use super::text;
use crate::store::KeyRules;
use crate::upload::resume::UploadId;

/// What is read as an id has that one spelling, and its key may be written.
pub fn resume_id(data: &[u8]) {
    if let Some(text) = text(data) {
        read(text);
    }
    read(&URL_SAFE_NO_PAD.encode(data));
    // As the program makes them: version and flags before anything else.
    read(&URL_SAFE_NO_PAD.encode([&[1, 0], data].concat()));
}

fn read(text: &str) {
    for rules in [KeyRules::default(), KeyRules { prefix_len: 1000 }] {
        if let Some(id) = UploadId::decode(text, &rules) {
            assert_eq!(id.encode(), text);
            assert_eq!(rules.writable(id.key.as_str()).as_ref(), Ok(&id.key));
            contained(&id.key);
        }
    }
}
