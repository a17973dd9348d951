//! CRC-64/NVME: of blocks, of a whole from its parts, and as S3's headers have it. When it is used
//! is `integrity`'s choice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc64fast_nvme::Digest;

use crate::store::Part;

/// Name of the header, or the trailer, that carries it.
pub(super) const HEADER: &str = "x-amz-checksum-crc64nvme";

/// The CRC-64/NVME of blocks in their order.
pub(super) fn of(blocks: &[Bytes]) -> u64 {
    let mut digest = Digest::new();
    for block in blocks {
        digest.write(block);
    }
    digest.sum64()
}

/// The CRC of the whole from those of its parts, in their order; None when one is not known.
pub(super) fn combine(parts: &[Part]) -> Option<u64> {
    let mut whole = 0;
    for (index, part) in parts.iter().enumerate() {
        let crc = part.crc64?;
        whole = if index == 0 {
            crc
        } else {
            append(whole, crc, part.size)
        };
    }
    Some(whole)
}

/// The polynomial of CRC-64/NVME, reflected: the top bit is x^0.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// The CRC of bytes with the CRC `first`, followed by `len` bytes with the CRC `second`: the first
/// is moved up by x^(8 len), modulo the polynomial, and the second added. What the CRC begins and
/// ends with cancels out, as both are the same.
fn append(first: u64, second: u64, len: u64) -> u64 {
    const ONE: u64 = 1 << 63;
    let mut shift = ONE;
    // x^8, squared again and again: x^(8 len) is the product of those that len's bits name.
    let mut power = ONE >> 8;
    let mut rest = len;
    while rest > 0 {
        if rest & 1 == 1 {
            shift = multiply(shift, power);
        }
        power = multiply(power, power);
        rest >>= 1;
    }
    multiply(shift, first) ^ second
}

/// The product of two polynomials, modulo [`POLYNOMIAL`].
fn multiply(left: u64, mut right: u64) -> u64 {
    let mut product = 0;
    for power in (0..64).rev() {
        if left >> power & 1 == 1 {
            product ^= right;
        }
        let carry = if right & 1 == 1 { POLYNOMIAL } else { 0 };
        right = right >> 1 ^ carry;
    }
    product
}

/// A CRC as headers have it: base64 of its 8 bytes, most significant first.
pub(super) fn encode(crc: u64) -> String {
    STANDARD.encode(crc.to_be_bytes())
}

/// What [`encode`] made.
pub(super) fn decode(text: &str) -> Option<u64> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &'static [u8]) -> Part {
        Part {
            number: 1,
            size: bytes.len() as u64,
            etag: String::new(),
            crc64: Some(of(&[Bytes::from_static(bytes)])),
        }
    }

    #[test]
    fn crc_64_is_the_one_of_nvme_and_parts_combine_to_the_whole() {
        // The check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms.
        assert_eq!(
            of(&[Bytes::from_static(b"123456789")]),
            0xae8b_1486_0a79_9888
        );
        let parts = [part(b"1234"), part(b""), part(b"56789")];
        assert_eq!(combine(&parts), Some(0xae8b_1486_0a79_9888));
        assert_eq!(decode(&encode(77)), Some(77));
    }

    proptest::proptest! {
        #[test]
        fn a_crc_is_put_together_of_any_two_pieces(
            first in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
            second in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        ) {
            let of = |bytes: &[u8]| of(&[Bytes::copy_from_slice(bytes)]);
            let whole = [&first[..], &second[..]].concat();
            let joined = append(of(&first), of(&second), second.len() as u64);
            proptest::prop_assert_eq!(joined, of(&whole));
        }
    }
}
