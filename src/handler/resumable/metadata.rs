//! tus `Upload-Metadata`, and the keys that uploads get.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::upload::key_of;
use crate::app::App;
use crate::error::Error;
use crate::store::ObjectKey;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Names and values, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata(Vec<(String, Vec<u8>)>);

impl Metadata {
    /// Reads `name base64,name base64,name`.
    ///
    /// Fails with `invalid_metadata` when it is malformed or has a name twice.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut all: Vec<(String, Vec<u8>)> = Vec::new();
        for pair in text.split(',').map(str::trim) {
            let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if name.is_empty() {
                // A header without any metadata, as some clients send it.
                if text.trim().is_empty() {
                    break;
                }
                return Err(invalid("A name is empty."));
            }
            if all.iter().any(|(other, _)| other == name) {
                return Err(invalid("A name is given twice."));
            }
            let Ok(value) = BASE64.decode(value.trim()) else {
                return Err(invalid("A value is not base64."));
            };
            all.push((name.to_owned(), value));
        }
        Ok(Self(all))
    }

    /// As a client writes it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn to_text(&self) -> String {
        let pair = |(name, value): &(String, Vec<u8>)| format!("{name} {}", BASE64.encode(value));
        self.0.iter().map(pair).collect::<Vec<_>>().join(",")
    }

    /// The value of this name, where it says something. JavaScript makes "null" of what is not
    /// there, and Uppy sends that.
    pub(super) fn value(&self, name: &str) -> Result<Option<&str>, Error> {
        let Some((_, value)) = self.0.iter().find(|(other, _)| other == name) else {
            return Ok(None);
        };
        let text = str::from_utf8(value).map_err(|_| invalid("A value is not UTF-8."))?;
        Ok(Some(text).filter(|text| !matches!(*text, "" | "null" | "undefined")))
    }
}

fn invalid(detail: &str) -> Error {
    Error::invalid("invalid_metadata", format!("Upload-Metadata: {detail}"))
}

/// What a client says of where its file is to be.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Name<'a> {
    /// The whole key; nothing else counts then.
    pub(super) key: Option<&'a str>,
    /// Put before, with one slash between.
    pub(super) prefix: Option<&'a str>,
    /// A path with the file's name in it.
    pub(super) path: Option<&'a str>,
    /// The file's name; of a path the last segment.
    pub(super) file: Option<&'a str>,
}

/// The key that is meant.
pub(super) fn key(app: &App, name: Name<'_>) -> Result<ObjectKey, Error> {
    if let Some(key) = name.key {
        return Ok(app.keys.writable(key)?);
    }
    if let Some(path) = name.path {
        // Browsers give a dropped file's path from the root of what was dropped.
        let path = path.strip_prefix('/').unwrap_or(path);
        app.keys.writable(path)?;
        let prefix = name
            .prefix
            .map(|prefix| prefix.strip_suffix('/').unwrap_or(prefix));
        return match prefix {
            None | Some("") => Ok(app.keys.writable(path)?),
            Some(prefix) => Ok(app.keys.writable(&format!("{prefix}/{path}"))?),
        };
    }
    let file = name.file.ok_or_else(|| {
        Error::invalid(
            "invalid_key",
            "The file has no name: give a file name with it, or ?key=.",
        )
    })?;
    key_of(app, name.prefix, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn metadata_is_read_as_the_specification_has_it() {
        let text = "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential";
        let metadata = Metadata::parse(text).unwrap();
        assert_eq!(
            metadata.value("filename").unwrap(),
            Some("world_domination_plan.pdf")
        );
        assert_eq!(metadata.value("is_confidential").unwrap(), None);
        assert_eq!(metadata.value("other").unwrap(), None);
        assert_eq!(Metadata::parse("").unwrap(), Metadata::default());
        assert_eq!(
            Metadata::parse("relativePath bnVsbA==")
                .unwrap()
                .value("relativePath")
                .unwrap(),
            None
        );
    }

    #[test]
    fn metadata_that_is_malformed_is_refused() {
        for text in ["a YQ==,a YQ==", "a ?", "a YQ==,,b", ","] {
            assert!(Metadata::parse(text).is_err(), "{text}");
        }
        let latin = Metadata::parse("filename 5A==").unwrap();
        assert!(latin.value("filename").is_err());
    }

    proptest! {
        #[test]
        fn any_values_read_back(values in proptest::collection::vec("\\PC{0,20}", 0..6)) {
            let pairs: Vec<_> = values
                .iter()
                .enumerate()
                .map(|(n, value)| format!("k{n} {}", BASE64.encode(value)))
                .collect();
            let metadata = Metadata::parse(&pairs.join(",")).unwrap();
            for (n, value) in values.iter().enumerate() {
                let read = metadata.value(&format!("k{n}")).unwrap();
                if matches!(value.as_str(), "" | "null" | "undefined") {
                    prop_assert_eq!(read, None);
                } else {
                    prop_assert_eq!(read, Some(value.as_str()));
                }
            }
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[ -~]{0,80}") {
            let _ = Metadata::parse(&text).map(|metadata| metadata.value("filename").map(|_| ()));
        }
    }
}
