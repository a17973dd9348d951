//! Whole answers for heads that hyper could not parse: it answers those itself, without a body.

macro_rules! refusal {
    ($status:literal, $reason:literal, $code:literal, $detail:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            " ",
            $reason,
            "\r\n",
            "content-type: application/problem+json\r\n",
            "x-content-type-options: nosniff\r\n",
            "x-request-id: unparsed\r\n",
            "connection: close\r\n\r\n",
            "{\"type\":\"about:blank\",\"title\":\"",
            $reason,
            "\",\"status\":",
            $status,
            ",\"detail\":\"",
            $detail,
            "\",\"code\":\"",
            $code,
            "\"}"
        )
        .as_bytes()
    };
}

// The body ends with the connection (RFC 9112 section 6.3): after such a head it is closed anyway.

pub(super) const INVALID_REQUEST: &[u8] = refusal!(
    "400",
    "Bad Request",
    "invalid_request",
    "The request is not HTTP/1.1 as RFC 9112 has it."
);

pub(super) const URI_TOO_LONG: &[u8] = refusal!(
    "414",
    "URI Too Long",
    "uri_too_long",
    "The request's target is too long."
);

pub(super) const HEADERS_TOO_LARGE: &[u8] = refusal!(
    "431",
    "Request Header Fields Too Large",
    "headers_too_large",
    "The request's headers are too large: 16 KiB in 100 fields are taken."
);
