//! The id of a resumable upload, which is all that a replica needs to find it: base64url of key,
//! UploadId, nonce, time and part size. Decoded it is input like any other; what makes it one of
//! ours is that there is a state object under its hash, or an object with its nonce.
//!
//! ```text
//! 1 byte  version, 1
//! 1 byte  flags: 1 = CRC-64 declared at the beginning
//! 8 bytes seconds since 1970 at which it began
//! 8 bytes part size
//! 16 bytes nonce
//! 2 bytes length of the key, the key
//! the rest: the store's UploadId, empty where the object was complete at creation
//! ```

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use ring::digest::{SHA256, digest};

use crate::config::MAX_PART_BYTES;
use crate::error::Error;
use crate::store::{KeyRules, MAX_KEY_BYTES, Multipart, ObjectKey, StoreError};

const VERSION: u8 = 1;
const CRC64: u8 = 1;
/// Before the key.
const FIXED: usize = 36;
/// AWS gives about 130 characters, MinIO 100, R2 350.
const MAX_STORE_ID: usize = 1024;
/// Characters of the longest id.
const MAX_TEXT: usize = (FIXED + MAX_KEY_BYTES + MAX_STORE_ID).div_ceil(3) * 4;

/// Names a resumable upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId {
    /// The key that the object will have.
    pub key: ObjectKey,
    /// The store's name for the upload in parts; empty where there is none.
    pub(super) store_id: String,
    /// What the object is known by.
    pub(super) nonce: [u8; 16],
    /// Seconds since 1970.
    pub(super) begun: u64,
    /// Bytes in every part but the last.
    pub(super) part_size: u64,
    pub(super) crc64: bool,
}

impl UploadId {
    /// As it stands in a URL.
    #[must_use]
    pub fn encode(&self) -> String {
        let key = self.key.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(FIXED + key.len() + self.store_id.len());
        bytes.extend([VERSION, if self.crc64 { CRC64 } else { 0 }]);
        bytes.extend(self.begun.to_be_bytes());
        bytes.extend(self.part_size.to_be_bytes());
        bytes.extend(self.nonce);
        bytes.extend((key.len() as u16).to_be_bytes());
        bytes.extend(key);
        bytes.extend(self.store_id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What [`UploadId::encode`] gave for a key that may be written; None for anything else.
    #[must_use]
    pub fn decode(text: &str, rules: &KeyRules) -> Option<Self> {
        let id = Self::decode_any(text, rules)?;
        rules.writable(id.key.as_str()).is_ok().then_some(id)
    }

    /// The same for any key: an older version comes back under the key that it had.
    pub(super) fn decode_any(text: &str, rules: &KeyRules) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        // One spelling only: what is left over in the last character must be zero.
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&[version, flags], rest) = bytes.split_first_chunk::<2>()?;
        let (&begun, rest) = rest.split_first_chunk::<8>()?;
        let (&part_size, rest) = rest.split_first_chunk::<8>()?;
        let (&nonce, rest) = rest.split_first_chunk::<16>()?;
        let (&key_len, rest) = rest.split_first_chunk::<2>()?;
        let (key, store_id) = rest.split_at_checked(usize::from(u16::from_be_bytes(key_len)))?;
        let part_size = u64::from_be_bytes(part_size);
        let plain = store_id.len() <= MAX_STORE_ID && store_id.iter().all(u8::is_ascii_graphic);
        if version != VERSION || flags & !CRC64 != 0 || !plain {
            return None;
        }
        if !(1..=MAX_PART_BYTES).contains(&part_size) {
            return None;
        }
        Some(Self {
            key: rules.readable(str::from_utf8(key).ok()?).ok()?,
            store_id: String::from_utf8(store_id.to_vec()).ok()?,
            nonce,
            begun: u64::from_be_bytes(begun),
            part_size,
            crc64: flags & CRC64 != 0,
        })
    }

    /// Where its temporary objects lie: SHA-256 of the id, so that no name says what it is for.
    #[must_use]
    pub fn hash(&self) -> UploadHash {
        UploadHash::of(&self.encode())
    }

    /// The nonce as objects carry it.
    pub(super) fn nonce_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.nonce)
    }

    /// The upload in parts; None where the object was complete at creation.
    pub(super) fn multipart(&self) -> Option<Multipart> {
        (!self.store_id.is_empty()).then(|| Multipart {
            key: self.key.clone(),
            upload_id: self.store_id.clone(),
            part_size: self.part_size,
            crc64: self.crc64,
        })
    }
}

/// A nonce: the same 128 bits that other uploads have as text.
pub(super) fn random() -> Result<[u8; 16], Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
    Ok(bits)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    Utc::now().timestamp().unsigned_abs()
}

/// SHA-256 of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadHash([u8; 32]);

impl UploadHash {
    pub(super) fn of(id: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
        Self(hash)
    }

    /// In lower hex.
    pub(super) fn hex(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(key: &str, store_id: &str) -> UploadId {
        UploadId {
            key: KeyRules::default().writable(key).unwrap(),
            store_id: store_id.into(),
            nonce: [7; 16],
            begun: 1_700_000_000,
            part_size: 8 << 20,
            crc64: true,
        }
    }

    #[test]
    fn the_longest_id_reads_back_and_a_longer_one_is_refused_unread() {
        let longest = id(&"k".repeat(1024), &"u".repeat(1024));
        let text = longest.encode();
        assert!(text.len() <= MAX_TEXT);
        assert_eq!(UploadId::decode(&text, &KeyRules::default()), Some(longest));
        assert_eq!(
            UploadId::decode(&"A".repeat(MAX_TEXT + 1), &KeyRules::default()),
            None
        );
    }

    #[test]
    fn what_is_decoded_is_validated() {
        let rules = KeyRules::default();
        let good = id("a/b", "x~y").encode();
        assert!(UploadId::decode(&good, &rules).is_some());
        let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        let with = |at: usize, byte: u8| {
            let mut changed = bytes.clone();
            changed[at] = byte;
            UploadId::decode(&URL_SAFE_NO_PAD.encode(changed), &rules)
        };
        assert!(with(0, 2).is_none(), "version");
        assert!(with(1, 4).is_none(), "flags");
        assert!(with(10, 1).is_none(), "part size");
        assert!(with(34, 255).is_none(), "key's length");
        assert!(with(36, b'/').is_none(), "key");
        assert!(with(bytes.len() - 1, b'\n').is_none(), "UploadId");
        for cut in 0..FIXED {
            let text = URL_SAFE_NO_PAD.encode(&bytes[..cut]);
            assert!(UploadId::decode(&text, &rules).is_none(), "{cut}");
        }
        assert!(UploadId::decode(&format!("{good}="), &rules).is_none());
        // Rights are checked again: what the rules do not take now, they do not take from an id.
        let narrow = KeyRules { prefix_len: 1023 };
        assert!(UploadId::decode(&good, &narrow).is_none());
    }

    proptest! {
        #[test]
        fn every_id_reads_back(
            key in "[a-z]{1,9}(/[a-zé ]{1,9}){0,3}",
            store_id in "[!-~]{0,200}",
            nonce in any::<[u8; 16]>(),
            begun in any::<u64>(),
            part_size in 1..=MAX_PART_BYTES,
            crc64 in any::<bool>(),
        ) {
            let id = UploadId { nonce, begun, part_size, crc64, ..id(&key, &store_id) };
            prop_assert_eq!(UploadId::decode(&id.encode(), &KeyRules::default()), Some(id));
        }

        #[test]
        fn no_text_breaks_the_parser_and_each_id_has_one_spelling(
            text in "[A-Za-z0-9_-]{0,120}",
            bytes in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            for text in [text, URL_SAFE_NO_PAD.encode([&[1, 0][..], &bytes].concat())] {
                if let Some(id) = UploadId::decode(&text, &KeyRules::default()) {
                    prop_assert_eq!(id.encode(), text);
                }
            }
        }
    }
}
