//! `Accept-Encoding`: which codings a client takes, and how gladly. Which of them it gets is
//! `assets`' business.

use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

use super::super::weight::weight;

/// The weights of `Accept-Encoding` in thousandths; 0 is "not acceptable".
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) br: u16,
    pub(super) gzip: u16,
    /// `None`: not spoken of, so acceptable where nothing better is.
    pub(super) identity: Option<u16>,
}

impl Accepted {
    /// Reads `Accept-Encoding` (RFC 9110 section 12.5.3). An element that is malformed counts as
    /// absent; without the header nothing but identity is sent.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut br, mut gzip, mut identity, mut any) = (None, None, None, None);
        for value in headers.get_all(ACCEPT_ENCODING) {
            for element in value.as_bytes().split(|byte| *byte == b',') {
                let mut fields = element.splitn(2, |byte| *byte == b';');
                let coding = fields.next().unwrap_or_default().trim_ascii();
                let Some(weight) = fields.next().map_or(Some(1000), weight) else {
                    continue;
                };
                if coding.eq_ignore_ascii_case(b"br") {
                    br = Some(weight);
                } else if coding.eq_ignore_ascii_case(b"gzip")
                    || coding.eq_ignore_ascii_case(b"x-gzip")
                {
                    gzip = Some(weight);
                } else if coding.eq_ignore_ascii_case(b"identity") {
                    identity = Some(weight);
                } else if coding == b"*" {
                    any = Some(weight);
                }
            }
        }
        Self {
            br: br.or(any).unwrap_or(0),
            gzip: gzip.or(any).unwrap_or(0),
            identity: identity.or(any),
        }
    }
}
