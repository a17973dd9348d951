//! Properties of the handlers' parsers: conditions and ranges, names in headers, forms.
//! What properties are is said in `crate::properties`.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a property that does not hold panics"
)]

use std::cell::RefCell;
use std::path::Path;

use futures_util::stream;
use hyper::HeaderMap;
use hyper::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use tokio::runtime::{Builder, Runtime};

use super::conditions::{self as judged, Verdict};
use super::resumable::properties::file_name;
use super::{headers as fields, upload};
use crate::app::App;
use crate::error::Error;
use crate::properties::{self, headers, stored, text};
use crate::store::{Attributes, Condition, ObjectMeta, RangeSpec};

/// An object to hold conditions against.
pub(super) fn meta() -> ObjectMeta {
    ObjectMeta {
        key: "k".into(),
        size: 10,
        etag: "abc".into(),
        // Sun, 06 Nov 1994 08:49:37 GMT
        last_modified: chrono::DateTime::from_timestamp(784_111_777, 5).unwrap(),
        version_id: None,
        attributes: Attributes::default(),
    }
}

/// Ranges and conditions. Input: lines of `name: value`.
///
/// A range covers bytes of the object or none, and reads back; no verdict comes without a header
/// that asks for it; a condition of a write is taken whole or refused.
pub fn conditions(data: &[u8]) {
    let headers = headers(data);
    let meta = meta();
    for known in [None, Some(&meta)] {
        if let Some(spec) = judged::range(&headers, known) {
            assert!(headers.contains_key(RANGE));
            covers(spec);
        }
    }
    let verdict = judged::judge(&headers, &meta);
    let has = |names: [_; 2]| names.iter().any(|name| headers.contains_key(name));
    match verdict {
        Verdict::Send => {}
        Verdict::NotModified => assert!(has([IF_NONE_MATCH, IF_MODIFIED_SINCE])),
        Verdict::Failed => assert!(has([IF_MATCH, IF_UNMODIFIED_SINCE])),
    }
    if verdict != Verdict::Send {
        assert!(judged::is_conditional(&headers));
    }
    match judged::of_write(&headers) {
        Ok(Condition::None) => assert!(!has([IF_NONE_MATCH, IF_MATCH])),
        Ok(Condition::IfAbsent) => assert!(has([IF_NONE_MATCH, IF_NONE_MATCH])),
        Ok(condition @ Condition::IfMatch(_)) => {
            let Condition::IfMatch(etag) = &condition else {
                return;
            };
            assert!(has([IF_MATCH, IF_MATCH]));
            let again = [(IF_MATCH, format!("\"{etag}\"").try_into().unwrap())];
            let again: HeaderMap = again.into_iter().collect();
            assert_eq!(judged::of_write(&again).unwrap(), condition);
        }
        Err(error) => assert_eq!(error.outcome(), (400, "invalid_condition")),
    }
    if headers.contains_key(IF_MATCH) {
        assert!(judged::none_for_delete(&headers).is_err());
    }
}

fn covers(spec: RangeSpec) {
    for size in [0, 1, 10, u64::MAX] {
        if let Ok(range) = spec.resolve(size) {
            assert!(range.start < range.end && range.end <= size);
        }
    }
    let text = match spec {
        RangeSpec::From(start) => format!("bytes={start}-"),
        RangeSpec::Between(start, end) => format!("bytes={start}-{end}"),
        RangeSpec::Last(count) => format!("bytes=-{count}"),
    };
    let again: HeaderMap = [(RANGE, text.try_into().unwrap())].into_iter().collect();
    assert_eq!(judged::range(&again, None), Some(spec));
}

/// File names in `Content-Disposition`. Input: a name, and the same as a header's value.
///
/// What is written reads back as it was; a name that is read keeps a key below its prefix.
pub fn disposition(data: &[u8]) {
    let Some(name) = text(data) else { return };
    for kind in ["attachment", "inline"] {
        let value = fields::disposition(kind, name);
        let value = value.to_str().unwrap();
        assert!(value.starts_with(&format!("{kind}; filename=\"")));
        assert_eq!(file_name(value).as_deref(), Some(name));
    }
    if let Some(read) = file_name(name) {
        named("in", &read);
        assert!(read.len() <= name.len());
    }
    // Browsers believe what comes after the last comma.
    assert!(!(fields::safe_inline(name) && name.contains(',')));
}

/// A key made of a prefix and a name lies below the prefix, and takes the name's last segment.
pub(crate) fn named(prefix: &str, name: &str) {
    APP.with_borrow(|(app, _)| {
        if let Ok(key) = upload::key_of(app, Some(prefix), name) {
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            assert!(Path::new(key.as_str()).starts_with(prefix));
            let last = name.rsplit(['/', '\\']).next();
            assert_eq!(Some(key.file_name()), last);
        }
    });
}

thread_local! {
    static APP: RefCell<(App, std::sync::Arc<properties::Memory>)> = RefCell::new(properties::app());
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
}

/// Forms. Input: a line whose bytes are the lengths of the pieces in which the form comes, then
/// the form; its boundary is `b`.
///
/// In pieces it gives the same as at once, and every key that it stores may be written.
pub fn form(data: &[u8]) {
    let (lengths, body) = match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => data.split_at(at),
        None => (&[][..], data),
    };
    let body = body.get(1..).unwrap_or_default();
    let whole = read(body, &[]);
    assert_eq!(read(body, lengths), whole);
    assert_eq!(read(body, &[0]), whole, "byte by byte");
    let (_, objects) = whole;
    for key in objects.keys() {
        let rules = crate::store::KeyRules::default();
        properties::contained(&rules.writable(key).unwrap());
    }
}

/// The outcome, as status and code, and what is stored then.
fn read(body: &[u8], lengths: &[u8]) -> ((u16, &'static str), properties::Objects) {
    let pieces = properties::pieces(body, lengths);
    APP.with_borrow(|(app, memory)| {
        let source = stream::iter(pieces.into_iter().map(Ok::<_, Error>));
        let outcome = RUNTIME.with(|runtime| runtime.block_on(upload::read(app, "b", source)));
        let outcome = match outcome {
            Ok(()) => (201, ""),
            Err(error) => error.outcome(),
        };
        (outcome, stored(memory))
    })
}
