//! The format of a version's file: the object's bytes, then a JSON trailer, the trailer's length
//! in bytes (u32, big endian), and a magic number. One file, so that bytes and description can
//! never part; the bytes first, so that `head -c` recovers them with nothing of ours.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::fault;
use crate::store::{Attributes, StoreError, StoreResult};

const MAGIC: [u8; 8] = *b"CCPOBJ1\n";

/// The trailer's length and the magic number.
const FOOTER: usize = 12;

/// Attributes come from request headers, 16 KiB at most, and JSON escapes a byte in six.
const MAX_TRAILER: usize = 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Trailer {
    /// Bytes of the object, to tell a file that was cut or patched.
    size: u64,
    attributes: Attributes,
}

/// What follows the object's `size` bytes.
pub(super) fn encode(size: u64, attributes: &Attributes) -> StoreResult<Vec<u8>> {
    let trailer = Trailer {
        size,
        attributes: attributes.clone(),
    };
    let mut bytes =
        serde_json::to_vec(&trailer).map_err(|error| StoreError::TooLarge(error.into()))?;
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|&length| length as usize <= MAX_TRAILER)
        .ok_or_else(|| StoreError::TooLarge("too many attributes".into()))?;
    bytes.extend(length.to_be_bytes());
    bytes.extend(MAGIC);
    Ok(bytes)
}

/// Size and attributes of the object in `file`.
pub(super) fn read(file: &File) -> StoreResult<(u64, Attributes)> {
    let (size, length) = measure(file)?;
    let mut json = vec![0; length];
    file.read_exact_at(&mut json, size).map_err(cut_or_fault)?;
    let trailer: Trailer =
        serde_json::from_slice(&json).map_err(|error| StoreError::Corrupt(error.into()))?;
    if trailer.size != size {
        return Err(corrupt("its length is not the one it was stored with"));
    }
    Ok((size, trailer.attributes))
}

/// Size of the object in `file`, from the file's end alone: a listing needs no more.
pub(super) fn read_size(file: &File) -> StoreResult<u64> {
    measure(file).map(|(size, _)| size)
}

/// Lengths of the object and of the JSON after it.
fn measure(file: &File) -> StoreResult<(u64, usize)> {
    let length = file.metadata().map_err(fault)?.len();
    let before_footer = length
        .checked_sub(FOOTER as u64)
        .ok_or_else(|| corrupt("it is too short"))?;
    let mut footer = [0; FOOTER];
    file.read_exact_at(&mut footer, before_footer)
        .map_err(cut_or_fault)?;
    let [a, b, c, d, magic @ ..] = footer;
    if magic != MAGIC {
        return Err(corrupt("it does not end as a version does"));
    }
    let json = u32::from_be_bytes([a, b, c, d]) as usize;
    let size = before_footer
        .checked_sub(json as u64)
        .filter(|_| json <= MAX_TRAILER)
        .ok_or_else(|| corrupt("its trailer's length makes no sense"))?;
    Ok((size, json))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("a version's file: {what}").into())
}

fn cut_or_fault(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => corrupt("it was cut while it was read"),
        _ => fault(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn attributes() -> Attributes {
        Attributes {
            content_type: Some("text/plain; charset=\"ü\"".into()),
            metadata: vec![("a".into(), "1".into()), ("b".into(), String::new())],
            ..Attributes::default()
        }
    }

    #[test]
    fn what_was_encoded_reads_back() {
        for (data, attributes) in [(&b"hello"[..], attributes()), (b"", Attributes::default())] {
            let tail = encode(data.len() as u64, &attributes).unwrap();
            let file = file(&[data, &tail].concat());
            assert_eq!(read(&file).unwrap(), (data.len() as u64, attributes));
            assert_eq!(read_size(&file).unwrap(), data.len() as u64);
        }
    }

    #[test]
    fn a_file_that_was_cut_anywhere_or_grew_is_corrupt() {
        let whole = [&b"hello"[..], &encode(5, &attributes()).unwrap()].concat();
        for end in 0..whole.len() {
            let result = read(&file(&whole[..end]));
            assert!(matches!(result, Err(StoreError::Corrupt(_))), "{end}");
        }
        for changed in [
            [&whole[..], b"x"].concat(),
            [b"x", &whole[..]].concat(),
            whole[1..].into(),
        ] {
            assert!(matches!(read(&file(&changed)), Err(StoreError::Corrupt(_))));
        }
        let mut wild = whole;
        let at = wild.len() - FOOTER;
        wild[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(read(&file(&wild)), Err(StoreError::Corrupt(_))));
    }
}
