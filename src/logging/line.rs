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

/// Text without line ends.
struct OneLine<'a>(&'a mut Vec<u8>);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, piece) in text.split(['\n', '\r']).enumerate() {
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
        let mut rest = text.as_bytes();
        let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f);
        while let Some(at) = rest.iter().position(special) {
            let (plain, from) = rest.split_at(at);
            self.0.extend_from_slice(plain);
            let Some((byte, after)) = from.split_first() else {
                break;
            };
            match byte {
                b'"' => self.0.extend_from_slice(b"\\\""),
                b'\\' => self.0.extend_from_slice(b"\\\\"),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                b'\r' => self.0.extend_from_slice(b"\\r"),
                b'\t' => self.0.extend_from_slice(b"\\t"),
                byte => write_all(self.0, format_args!("\\u{byte:04x}")),
            }
            rest = after;
        }
        self.0.extend_from_slice(rest);
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
mod tests {
    use log::Level;
    use proptest::prelude::*;

    use super::*;
    use crate::logging::Fields;

    fn line(
        format: LogFormat,
        message: &str,
        fields: &[(&'static str, Option<Value<'_>>)],
    ) -> String {
        let mut out = Vec::new();
        let fields = Fields(fields);
        let mut record = Record::builder();
        record
            .target("audit")
            .level(Level::Info)
            .key_values(&fields);
        write(
            &mut out,
            format,
            &record.args(format_args!("{message}")).build(),
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_one_line() {
        let text = line(LogFormat::Text, "a\nb\r\nc\n", &[]);
        assert!(text.ends_with("Z INFO  audit a b  c \n"), "{text}");
    }

    #[test]
    fn fields_have_their_types() {
        let host = std::net::Ipv4Addr::LOCALHOST;
        let fields = [
            ("key", Some(Value::from("a b\"\n"))),
            ("none", None),
            ("from", Some(Value::from_dyn_display(&host))),
            ("in", Some(Value::from(7_u64))),
            ("ms", Some(Value::from(1.26))),
            ("cut", Some(Value::from(true))),
            ("empty", Some(Value::from(""))),
        ];
        let text = line(LogFormat::Text, "unseen", &fields);
        let want = r#" audit key="a b\"\n" from=127.0.0.1 in=7 ms=1.3 cut=true empty="""#;
        assert!(text.trim_end().ends_with(want), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&line(LogFormat::Json, "m", &fields)).unwrap();
        let want = serde_json::json!({
            "time": json["time"], "level": "INFO", "target": "audit", "message": "m",
            "key": "a b\"\n", "from": "127.0.0.1", "in": 7, "ms": 1.3, "cut": true, "empty": "",
        });
        assert_eq!(json, want);
    }

    #[test]
    fn a_time_is_of_its_own_second() {
        let text = stamp(|time| time.to_string());
        let parsed = chrono::DateTime::parse_from_rfc3339(&text).unwrap();
        let age = Utc::now().signed_duration_since(parsed);
        assert!(text.ends_with('Z') && age.num_seconds().abs() < 2, "{text}");
    }

    proptest! {
        #[test]
        fn any_message_and_key_is_one_line_of_json_that_reads_back(
            message in any::<String>(),
            key in any::<String>(),
        ) {
            let fields = [("key", Some(Value::from(key.as_str())))];
            let line = line(LogFormat::Json, &message, &fields);
            let one = line.strip_suffix('\n').unwrap();
            prop_assert!(!one.contains(['\n', '\r']));
            let json: serde_json::Value = serde_json::from_str(one).unwrap();
            prop_assert_eq!(json["message"].as_str(), Some(message.as_str()));
            prop_assert_eq!(json["key"].as_str(), Some(key.as_str()));
        }

        #[test]
        fn any_key_as_text_is_one_line_and_ends_where_it_ends(key in any::<String>()) {
            let fields = [("key", Some(Value::from(key.as_str()))), ("status", Some(Value::from(201_u64)))];
            let line = line(LogFormat::Text, "", &fields);
            let one = line.strip_suffix(" status=201\n").unwrap();
            prop_assert!(!one.contains(['\n', '\r']));
            let (_, value) = one.split_once(" key=").unwrap();
            let read = match value.strip_prefix('"') {
                None => value.to_owned(),
                Some(_) => serde_json::from_str(value).unwrap(),
            };
            prop_assert_eq!(read, key);
        }
    }
}
