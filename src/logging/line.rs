//! One record as one line, as text or as a JSON object. Whatever is in it, it stays one line that
//! can be read back: nobody can forge a second.

use std::cell::RefCell;
use std::fmt::{self, Display, Write as _};
use std::io::Write as _;

use chrono::{SecondsFormat, Utc};
use log::Record;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};

use crate::config::LogFormat;

/// Adds the line, with its end.
pub(super) fn write(out: &mut Vec<u8>, format: LogFormat, record: &Record<'_>) {
    match format {
        LogFormat::Text => text(out, record),
        LogFormat::Json => json(out, record),
    }
    out.push(b'\n');
}

fn text(out: &mut Vec<u8>, record: &Record<'_>) {
    stamp(|time| write_all(out, format_args!("{time}")));
    let (level, target) = (record.level(), record.target());
    write_all(out, format_args!(" {level:<5} {target}"));
    let before = out.len();
    let _ = record.key_values().visit(&mut TextFields(out));
    if out.len() == before {
        out.push(b' ');
        let _ = write!(OneLine(out), "{}", record.args());
    }
}

fn json(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    stamp(|time| write_all(out, format_args!("{time}")));
    let level = record.level();
    write_all(out, format_args!("\",\"level\":\"{level}\",\"target\":"));
    quoted(out, record.target());
    out.extend_from_slice(b",\"message\":");
    quoted(out, record.args());
    let _ = record.key_values().visit(&mut JsonFields(out));
    out.push(b'}');
}

/// Writing to memory does not fail.
fn write_all(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Adds it as a JSON string.
fn quoted(out: &mut Vec<u8>, text: impl Display) {
    out.push(b'"');
    let _ = write!(Escaped(out), "{text}");
    out.push(b'"');
}

thread_local! {
    /// The second of the last line, and its text up to there.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// The time as RFC 3339 with milliseconds, formatted anew once a second.
fn stamp<T>(write: impl FnOnce(fmt::Arguments<'_>) -> T) -> T {
    let now = Utc::now();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.timestamp() {
            *second = now.timestamp();
            *text = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            text.pop();
        }
        write(format_args!("{text}.{:03}Z", now.timestamp_subsec_millis()))
    })
}

/// What may end a line, or change how what stands beside it is shown: controls (also ESC and U+009B,
/// which terminals obey), line and paragraph separators, and marks of the writing's direction.
fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text without line ends.
struct OneLine<'a>(&'a mut Vec<u8>);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, piece) in text.split(is_special).enumerate() {
            if at > 0 {
                self.0.push(b' ');
            }
            self.0.extend_from_slice(piece.as_bytes());
        }
        Ok(())
    }
}

/// Text as it stands in a JSON string (RFC 8259 section 7).
struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let escaped = |c: char| matches!(c, '"' | '\\') || is_special(c);
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| escaped(*c)) {
            self.0.extend_from_slice(&rest.as_bytes()[..at]);
            match c {
                '"' => self.0.extend_from_slice(b"\\\""),
                '\\' => self.0.extend_from_slice(b"\\\\"),
                '\n' => self.0.extend_from_slice(b"\\n"),
                '\r' => self.0.extend_from_slice(b"\\r"),
                '\t' => self.0.extend_from_slice(b"\\t"),
                // All of them are in the Basic Multilingual Plane: four digits.
                c => write_all(self.0, format_args!("\\u{:04x}", u32::from(c))),
            }
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.extend_from_slice(rest.as_bytes());
        Ok(())
    }
}

/// ` name=value` for each field; a value that is not a plain word is a JSON string.
struct TextFields<'a>(&'a mut Vec<u8>);

impl<'kvs> VisitSource<'kvs> for TextFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push(b' ');
        self.0.extend_from_slice(key.as_str().as_bytes());
        self.0.push(b'=');
        value.visit(TextValue(self.0))
    }
}

struct TextValue<'a>(&'a mut Vec<u8>);

impl VisitValue<'_> for TextValue<'_> {
    fn visit_any(&mut self, value: Value) -> Result<(), Error> {
        let _ = write!(Escaped(self.0), "{value}");
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        write_all(self.0, format_args!("{value:.1}"));
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:{}+@~".contains(&byte);
        if !value.is_empty() && value.bytes().all(plain) {
            self.0.extend_from_slice(value.as_bytes());
        } else {
            quoted(self.0, value);
        }
        Ok(())
    }
}

/// `,"name":value` for each field.
struct JsonFields<'a>(&'a mut Vec<u8>);

impl<'kvs> VisitSource<'kvs> for JsonFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push(b',');
        quoted(self.0, key.as_str());
        self.0.push(b':');
        value.visit(JsonValue(self.0))
    }
}

struct JsonValue<'a>(&'a mut Vec<u8>);

impl VisitValue<'_> for JsonValue<'_> {
    fn visit_any(&mut self, value: Value) -> Result<(), Error> {
        quoted(self.0, value);
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        write_all(self.0, format_args!("{value}"));
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        write_all(self.0, format_args!("{value}"));
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        write_all(self.0, format_args!("{value}"));
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            write_all(self.0, format_args!("{value:.1}"));
            return Ok(());
        }
        self.visit_null()
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        quoted(self.0, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
