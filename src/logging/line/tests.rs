//! One record is one line, in text and in JSON, whatever is in it.

use log::Level;
use proptest::prelude::*;

use super::*;
use crate::logging::Fields;

fn line(format: LogFormat, message: &str, fields: &[(&'static str, Option<Value<'_>>)]) -> String {
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
