//! tus `Upload-Checksum`: a checksum of one request's bytes, checked before any of them counts.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use futures_util::{StreamExt, stream};
use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::super::source::Source;
use crate::error::Error;

/// `Tus-Checksum-Algorithm`: the first is compulsory.
pub const ALGORITHMS: &str = "sha1,md5,sha256";

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A checksum to be checked.
#[derive(Clone)]
pub struct Checksum {
    hash: Hash,
    want: Vec<u8>,
}

#[derive(Clone)]
enum Hash {
    Ring(Context),
    Md5(Md5),
}

impl Hash {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Ring(context) => context.update(bytes),
            Self::Md5(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Ring(context) => context.finish().as_ref().to_vec(),
            Self::Md5(hash) => hash.finalize().to_vec(),
        }
    }
}

impl Checksum {
    /// Reads `algorithm base64`.
    ///
    /// Fails with `invalid_checksum` when it is malformed, or the algorithm is none of
    /// [`ALGORITHMS`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |detail: &str| Err(Error::invalid("invalid_checksum", detail));
        let Some((algorithm, value)) = text.trim().split_once(' ') else {
            return invalid("Upload-Checksum is an algorithm, a space and base64.");
        };
        let (hash, length) = match algorithm {
            "sha1" => (Hash::Ring(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)), 20),
            "sha256" => (Hash::Ring(Context::new(&SHA256)), 32),
            "md5" => (Hash::Md5(Md5::new()), 16),
            _ => return invalid("Upload-Checksum takes sha1, md5 and sha256."),
        };
        match BASE64.decode(value.trim()) {
            Ok(want) if want.len() == length => Ok(Self { hash, want }),
            _ => invalid("The checksum is no base64 of its algorithm's length."),
        }
    }

    /// The same source; its end is [`Error::TusChecksumMismatch`] when its bytes are others.
    #[must_use]
    pub fn verify(self, source: Source<'_>) -> Source<'_> {
        let state = Some((source, self));
        Box::pin(stream::try_unfold(state, |state| async move {
            let Some((mut source, mut checksum)) = state else {
                return Ok(None);
            };
            match source.next().await.transpose()? {
                Some(chunk) => {
                    checksum.hash.update(&chunk);
                    Ok(Some((chunk, Some((source, checksum)))))
                }
                None if checksum.hash.finish() == checksum.want => Ok(None),
                None => Err(Error::TusChecksumMismatch),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    async fn matches(header: &str, bytes: &'static [u8]) -> bool {
        let source: Source<'_> = Box::pin(stream::iter(
            bytes.chunks(3).map(|chunk| Ok(Bytes::from_static(chunk))),
        ));
        let mut source = Checksum::parse(header).unwrap().verify(source);
        while let Some(chunk) = source.next().await {
            if chunk.is_err() {
                return false;
            }
        }
        true
    }

    #[tokio::test]
    async fn a_checksum_is_of_all_the_bytes() {
        // The first is the example of the specification.
        for header in [
            "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
            "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0",
            "md5 XrY7u+Ae7tCTyyK7j1rNww==",
            "sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
        ] {
            assert!(matches(header, b"hello world").await, "{header}");
            assert!(!matches(header, b"hello worlD").await, "{header}");
            assert!(!matches(header, b"").await, "{header}");
        }
    }

    #[test]
    fn what_is_no_checksum_is_refused() {
        for text in [
            "",
            "sha1",
            "sha1 ",
            "crc32 AAAA",
            "sha1 AAAA",
            "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        ] {
            assert!(Checksum::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(sha1|md5|sha256)? ?[ -~]{0,60}") {
            let _ = Checksum::parse(&text);
        }
    }
}
