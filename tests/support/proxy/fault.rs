//! The faults, and the answers that some of them are.

use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// S3 does it; its answer never arrives.
    LoseAnswer,
    /// S3 does it; its answer comes so much later.
    Delay(Duration),
    /// S3 does it; half of the answer's body arrives.
    CutAnswer,
    /// S3 does it; its answer has a line among its headers that is none.
    MalformedHeader,
    /// S3 does it; the XML of its answer ends in the middle.
    MalformedXml,
    /// S3 never sees it; the connection is reset before the body is read.
    Reset,
    /// S3 never sees it; the connection is reset when half of the body is read.
    ResetInBody,
    /// S3 never sees it; the connection is reset when the body is read.
    ResetAfterBody,
    /// S3 never sees it; the request is read, and nothing is answered, for ever.
    Stall,
    /// S3 never sees it; the answer is a 500 InternalError.
    InternalError,
    /// S3 never sees it; the answer is a 503 SlowDown.
    SlowDown,
    /// S3 never sees it; the answer is a 403 ExpiredToken.
    ExpiredToken,
    /// S3 never sees it; the answer is a 200 with an error in it.
    ErrorIn200,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::LoseAnswer => "answer_lost",
            Self::Delay(_) => "delay",
            Self::CutAnswer => "answer_cut",
            Self::MalformedHeader => "malformed_header",
            Self::MalformedXml => "malformed_xml",
            Self::Reset => "reset_before_body",
            Self::ResetInBody => "reset_in_body",
            Self::ResetAfterBody => "reset_after_body",
            Self::Stall => "stall",
            Self::InternalError => "internal_error",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::ErrorIn200 => "error_in_200",
        }
    }

    /// The whole answer of a fault that is one; to a HEAD without its body.
    pub(super) fn answer(self, method: &str) -> Option<String> {
        let (status, code) = match self {
            Self::InternalError => ("500 Internal Server Error", "InternalError"),
            Self::SlowDown => ("503 Slow Down", "SlowDown"),
            Self::ExpiredToken => ("403 Forbidden", "ExpiredToken"),
            Self::ErrorIn200 => ("200 OK", "InternalError"),
            _ => return None,
        };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>As the \
             proxy was told</Message></Error>"
        );
        let length = body.len();
        let body = if method == "HEAD" { "" } else { &body };
        Some(format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// Whether the answer, as far as it arrives, still says what S3 did.
    pub(super) fn tells(self) -> bool {
        matches!(self, Self::Delay(_))
    }
}
