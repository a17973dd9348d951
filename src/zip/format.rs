//! The bytes of a zip's headers. Sections are those of PKWARE's APPNOTE 6.3.10.

use bytes::Bytes;
use chrono::{DateTime, Datelike, Timelike, Utc};

use super::catalog::Entry;

/// Sizes and CRC follow the data (4.4.4, bit 3): the CRC is not known before.
const DESCRIPTOR: u16 = 1 << 3;
/// The name is UTF-8 (4.4.4, bit 11).
const UTF8: u16 = 1 << 11;
/// Version needed (4.4.3.2): folders, and ZIP64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Made on Unix (4.4.2.1), so that the mode below counts.
const MADE_ON_UNIX: u16 = 3 << 8;
/// `st_mode` in the upper half of the external attributes, and for folders MS-DOS' bit (4.4.15).
const FILE_MODE: u32 = 0o100_644 << 16;
const FOLDER_MODE: u32 = (0o040_755 << 16) | 0x10;
/// Extra fields (4.5.2): ZIP64, and Info-ZIP's "extended timestamp".
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_TIME: u16 = 0x5455;

/// From which number on a field is too small and ZIP64 stands in for it (4.4.1.4).
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Sizes and offsets.
    pub(super) max_u32: u64,
    /// Entries.
    pub(super) max_u16: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            max_u32: u64::from(u32::MAX),
            max_u16: u64::from(u16::MAX),
        }
    }
}

impl Layout {
    /// Local file header (4.3.7).
    pub(super) fn local_header(self, entry: &Entry, name: &str) -> Bytes {
        let zip64 = self.is_large(entry);
        let mut extra = Vec::new();
        if zip64 {
            // Their being here, even as zeros, makes the descriptor's sizes 8 bytes (4.3.9.2).
            put(
                &mut extra,
                &[&EXTRA_ZIP64.to_le_bytes(), &16_u16.to_le_bytes(), &[0; 16]],
            );
        }
        put_time(&mut extra, entry.modified);
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(version(zip64).to_le_bytes());
        put_common(&mut header, entry);
        let size = if zip64 { u32::MAX } else { 0 };
        put(
            &mut header,
            &[
                &0_u32.to_le_bytes(),
                &size.to_le_bytes(),
                &size.to_le_bytes(),
                &(name.len() as u16).to_le_bytes(),
                &(extra.len() as u16).to_le_bytes(),
                name.as_bytes(),
                &extra,
            ],
        );
        header.into()
    }

    /// Data descriptor (4.3.9).
    pub(super) fn descriptor(self, entry: &Entry) -> Bytes {
        let mut descriptor = b"PK\x07\x08".to_vec();
        descriptor.extend(entry.crc.to_le_bytes());
        for _ in ["compressed", "uncompressed"] {
            if self.is_large(entry) {
                descriptor.extend(entry.size.to_le_bytes());
            } else {
                descriptor.extend((entry.size as u32).to_le_bytes());
            }
        }
        descriptor.into()
    }

    /// Central directory header (4.3.12).
    pub(super) fn directory_header(self, out: &mut Vec<u8>, entry: &Entry, name: &str) {
        let large = self.is_large(entry);
        let far = entry.offset >= self.max_u32;
        let mut extra = Vec::new();
        if large || far {
            // Only what does not fit, in this order (4.5.3).
            let mut values = Vec::new();
            if large {
                put(
                    &mut values,
                    &[&entry.size.to_le_bytes(), &entry.size.to_le_bytes()],
                );
            }
            if far {
                values.extend(entry.offset.to_le_bytes());
            }
            let length = (values.len() as u16).to_le_bytes();
            put(&mut extra, &[&EXTRA_ZIP64.to_le_bytes(), &length, &values]);
        }
        put_time(&mut extra, entry.modified);
        let size = if large { u32::MAX } else { entry.size as u32 };
        let offset = if far { u32::MAX } else { entry.offset as u32 };
        let mode = if entry.is_folder {
            FOLDER_MODE
        } else {
            FILE_MODE
        };
        let needed = version(large || far);
        put(
            out,
            &[
                b"PK\x01\x02",
                &(MADE_ON_UNIX | needed).to_le_bytes(),
                &needed.to_le_bytes(),
            ],
        );
        put_common(out, entry);
        put(
            out,
            &[
                &entry.crc.to_le_bytes(),
                &size.to_le_bytes(),
                &size.to_le_bytes(),
                &(name.len() as u16).to_le_bytes(),
                &(extra.len() as u16).to_le_bytes(),
                // No comment, the first disk, no internal attributes.
                &[0; 6],
                &mode.to_le_bytes(),
                &offset.to_le_bytes(),
                name.as_bytes(),
                &extra,
            ],
        );
    }

    /// End of central directory (4.3.16), with ZIP64's (4.3.14, 4.3.15) where it is needed.
    pub(super) fn end(self, out: &mut Vec<u8>, count: u64, start: u64, length: u64) {
        let many = count >= self.max_u16;
        let long = length >= self.max_u32;
        let far = start >= self.max_u32;
        if many || long || far {
            let needed = VERSION_ZIP64.to_le_bytes();
            put(
                out,
                &[
                    b"PK\x06\x06",
                    // What follows this field.
                    &44_u64.to_le_bytes(),
                    &(MADE_ON_UNIX | VERSION_ZIP64).to_le_bytes(),
                    &needed,
                    // This disk, and the directory's.
                    &[0; 8],
                    &count.to_le_bytes(),
                    &count.to_le_bytes(),
                    &length.to_le_bytes(),
                    &start.to_le_bytes(),
                    b"PK\x06\x07",
                    &[0; 4],
                    &(start + length).to_le_bytes(),
                    &1_u32.to_le_bytes(),
                ],
            );
        }
        let count = if many { u16::MAX } else { count as u16 }.to_le_bytes();
        let length = if long { u32::MAX } else { length as u32 };
        let start = if far { u32::MAX } else { start as u32 };
        put(
            out,
            &[
                b"PK\x05\x06",
                &[0; 4],
                &count,
                &count,
                &length.to_le_bytes(),
                &start.to_le_bytes(),
                &[0; 2],
            ],
        );
    }

    fn is_large(self, entry: &Entry) -> bool {
        entry.size >= self.max_u32
    }
}

fn version(zip64: bool) -> u16 {
    if zip64 { VERSION_ZIP64 } else { VERSION }
}

/// Flags, method "stored", and the time, which both headers have alike.
fn put_common(out: &mut Vec<u8>, entry: &Entry) {
    let flags = if entry.is_folder {
        UTF8
    } else {
        UTF8 | DESCRIPTOR
    };
    let (date, time) = dos_time(entry.modified);
    put(
        out,
        &[
            &flags.to_le_bytes(),
            &[0; 2],
            &time.to_le_bytes(),
            &date.to_le_bytes(),
        ],
    );
}

/// The time in UTC, which MS-DOS' has no way to say (Info-ZIP's `extrafld.txt`): one flag for
/// "modified", and the seconds. Left out where they do not fit.
fn put_time(extra: &mut Vec<u8>, modified: i64) {
    if let Ok(seconds) = i32::try_from(modified) {
        let field = EXTRA_TIME.to_le_bytes();
        put(
            extra,
            &[&field, &5_u16.to_le_bytes(), &[1], &seconds.to_le_bytes()],
        );
    }
}

/// Date and time in MS-DOS' format (4.4.6): two seconds exact, from 1980 to 2107.
fn dos_time(modified: i64) -> (u16, u16) {
    const FIRST: (u16, u16) = (0b0000_0000_0010_0001, 0);
    let Some(time) = DateTime::<Utc>::from_timestamp(modified, 0) else {
        return FIRST;
    };
    let years = time.year().checked_sub(1980);
    let Some(year) = years.and_then(|years| u32::try_from(years).ok()) else {
        return FIRST;
    };
    if year > 127 {
        return FIRST;
    }
    let date = (year << 9) | (time.month() << 5) | time.day();
    let clock = (time.hour() << 11) | (time.minute() << 5) | (time.second() / 2);
    (date as u16, clock as u16)
}

fn put(out: &mut Vec<u8>, fields: &[&[u8]]) {
    for field in fields {
        out.extend_from_slice(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_ms_dos_cannot_say_are_its_first() {
        // Sun, 06 Nov 1994 08:49:37 UTC: year 14, month 11, day 6; 8 h, 49 min, 18 times 2 s.
        let want = (7526, 17_970);
        assert_eq!(dos_time(784_111_777), want);
        for odd in [0, -1, i64::MAX, 4_354_819_200] {
            assert_eq!(dos_time(odd), (33, 0));
        }
    }
}
