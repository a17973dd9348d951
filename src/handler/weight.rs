//! How much a client wants what it accepts: the weight that each element of an `Accept…` field may
//! have. What the elements mean is for those who read the field.

/// `q=0.5` in thousandths: 0 to 1 with at most three digits after the point (RFC 9110, 12.4.2).
pub(super) fn weight(text: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), rest @ ..] = text.trim_ascii() else {
        return None;
    };
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut value = u16::from(whole - b'0');
    for place in 0..3 {
        let digit = digits.get(place).copied().unwrap_or(b'0');
        value = value * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_as_the_rfc_writes_them() {
        for (text, value) in [
            ("q=1", Some(1000)),
            ("q=1.000", Some(1000)),
            (" q=0.5 ", Some(500)),
            ("q=0.", Some(0)),
            ("q=0.001", Some(1)),
            ("q=1.001", None),
            ("q=0.0001", None),
            ("q=2", None),
            ("q=", None),
            ("q=0.x", None),
            ("q=-1", None),
            ("level=3", None),
        ] {
            assert_eq!(weight(text.as_bytes()), value, "{text}");
        }
    }
}
