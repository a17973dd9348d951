//! Who is shown a page, by `Accept` (RFC 9110 section 12.5.1).

use hyper::HeaderMap;
use hyper::header::ACCEPT;

use super::super::weight::weight;

/// Whether a client would rather be shown something than be told it as JSON: a browser that goes
/// somewhere would, a script or curl would not (RFC 9110 section 12.5.1).
pub(in crate::handler) fn wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter();
    let ranges: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let html = quality(&ranges, &["text/html", "text/*", "*/*"]);
    let json = quality(&ranges, &["application/json", "application/*", "*/*"]);
    html > json
}

/// The weight, in thousandths, of the first of these media ranges that is among `ranges`; 0 without
/// any. A weight that cannot be read is as good as missing.
fn quality(ranges: &[&str], from_special_to_general: &[&str]) -> u16 {
    let of = |wanted: &&str| {
        ranges.iter().find_map(|range| {
            let mut pieces = range.split(';');
            let is_it = pieces.next()?.trim().eq_ignore_ascii_case(wanted);
            let given = pieces.find_map(|piece| weight(piece.as_bytes()));
            is_it.then_some(given.unwrap_or(1000))
        })
    };
    from_special_to_general.iter().find_map(of).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_who_asks_for_html_is_shown_a_page() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("text/html;q=0.5", true),
            ("Text/HTML", true),
            ("text/*", true),
            ("application/json, text/html;q=0.1", false),
            ("application/json;q=0.5, text/html;Q=0.9", true),
            ("text/html, application/*", false),
            ("text/html;q=0", false),
            ("*/*", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(wanted(&headers), html, "{accept}");
        }
        assert!(!wanted(&HeaderMap::new()));
    }
}
