//! Whole answers where there is no request to answer: for heads that hyper could not parse, which
//! it answers itself, without a body, and for connections that are not taken.

macro_rules! refusal {
    ($status:literal, $reason:literal, $code:literal, $detail:literal $(, $header:literal)*) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            " ",
            $reason,
            "\r\n",
            "content-type: application/problem+json\r\n",
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "content-security-policy: default-src 'none'; sandbox; frame-ancestors 'self'\r\n",
            "cross-origin-resource-policy: same-origin\r\n",
            "referrer-policy: no-referrer\r\n",
            $($header,)*
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

// The body ends with the connection (RFC 9112 section 6.3): it is closed anyway.

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

pub(super) const TOO_MANY_CONNECTIONS: &[u8] = refusal!(
    "503",
    "Service Unavailable",
    "busy",
    "Too many connections come from your address.",
    "retry-after: 2\r\n"
);
