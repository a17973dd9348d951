//! Refuses a request target with a fragment. hyper's `Uri` cuts `/files/a#b` to `/files/a` before
//! anyone sees it, and the wrong object would be written; RFC 9112 section 3.2 knows no `#` there.

/// How far the head of a request has been seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing of it but empty lines.
    #[default]
    Nothing,
    /// A part of the method.
    Method,
    /// The method, and what follows on its line.
    Target,
    /// Its first line.
    Line,
}

impl Seen {
    /// Goes on with these bytes. A `#` behind the method becomes a byte that hyper refuses.
    pub(super) fn spoil(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            match (*self, *byte) {
                (Self::Nothing, b'\r' | b'\n') => {}
                (Self::Method | Self::Target, b'\n') => {
                    *self = Self::Line;
                    return;
                }
                (Self::Nothing, _) => *self = Self::Method,
                (Self::Method, b' ') => *self = Self::Target,
                (Self::Target, b'#') => *byte = 0,
                (Self::Line, _) => return,
                (Self::Method | Self::Target, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_fragment_in_the_target_is_spoiled() {
        for (head, want) in [
            (
                "PUT /a#b HTTP/1.1\r\nX: #\r\n\r\n#",
                "PUT /a\0b HTTP/1.1\r\nX: #\r\n\r\n#",
            ),
            (
                "\r\n\r\nGET # HTTP/1.1\nX: #",
                "\r\n\r\nGET \0 HTTP/1.1\nX: #",
            ),
            ("G#T / HTTP/1.1\r\n#", "G#T / HTTP/1.1\r\n#"),
        ] {
            let mut bytes = head.as_bytes().to_vec();
            Seen::default().spoil(&mut bytes);
            assert_eq!(str::from_utf8(&bytes).unwrap(), want);
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_in_any_pieces(head in "[\r\n]{0,2}[A-Z# ]{0,8}[a-z#\r\n ]{0,20}", cut in 1_usize..8) {
            let mut whole = head.clone().into_bytes();
            Seen::default().spoil(&mut whole);
            let mut pieces = head.into_bytes();
            let mut seen = Seen::default();
            pieces.chunks_mut(cut).for_each(|piece| seen.spoil(piece));
            prop_assert_eq!(pieces, whole);
        }
    }
}
