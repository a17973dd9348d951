//! S3's documents, by the parser that rusoto uses too, with what that leaves to others: white space
//! before the beginning, how deep a document may be, and that it must come to its end. Listings have
//! a parser of their own.

use xml::reader::{EventReader, XmlEvent};

use crate::store::{StoreError, StoreResult};

/// S3's own are four deep. The parser's time grows with the square of the depth: 256 KiB of nothing
/// but beginnings take it 17 seconds.
const MAX_DEPTH: usize = 16;

/// What a document consists of, to its end or to the first thing that is wrong with it.
pub(super) fn events(document: &[u8]) -> impl Iterator<Item = StoreResult<XmlEvent>> {
    let mut depth = 0;
    // S3 sends white space to keep a slow answer alive, which no XML parser takes before `<?xml`.
    let reader = EventReader::new(document.trim_ascii_start());
    let mut ended = false;
    reader.into_iter().map_while(move |event| {
        if ended {
            return None;
        }
        match &event {
            Ok(XmlEvent::StartElement { .. }) => depth += 1,
            Ok(XmlEvent::EndElement { .. }) => depth -= 1,
            _ => {}
        }
        let event = match event {
            Ok(_) if depth > MAX_DEPTH => {
                Err(StoreError::Corrupt("S3's document is too deep".into()))
            }
            event => event.map_err(|error| StoreError::Corrupt(error.into())),
        };
        ended = event.is_err();
        Some(event)
    })
}

/// Whether a document can be read to its end.
pub(super) fn is_well_formed(document: &[u8]) -> bool {
    events(document).all(|event| event.is_ok())
}

/// The text of the first element of this name in a document that says what came of a request.
/// None for one that is broken, or that says what went wrong: that may name an ETag, too.
pub(super) fn result(document: &[u8], name: &str) -> Option<String> {
    let [text] = texts(document, [name], |root| root.ends_with("Result"))?;
    text
}

/// The texts of the first elements of these names in an answer of STS.
pub(super) fn response<const N: usize>(
    document: &[u8],
    names: [&str; N],
) -> Option<[Option<String>; N]> {
    texts(document, names, |root| root.ends_with("Response"))
}

/// S3's code and message, each empty where it is missing, of a document that says what went wrong.
pub(super) fn error(document: &[u8]) -> (String, String) {
    let names = ["Code", "Message"];
    let [code, message] =
        texts(document, names, |root| !root.ends_with("Result")).unwrap_or_default();
    (code.unwrap_or_default(), message.unwrap_or_default())
}

/// The texts of the first elements of these names. None for a document that does not come to its
/// end, or has another root.
fn texts<const N: usize>(
    document: &[u8],
    names: [&str; N],
    is_root: fn(&str) -> bool,
) -> Option<[Option<String>; N]> {
    let mut found = [const { None }; N];
    let mut rooted = false;
    let mut inside: Option<usize> = None;
    for event in events(document) {
        match event.ok()? {
            XmlEvent::StartElement { name: element, .. } => {
                if !rooted && !is_root(&element.local_name) {
                    return None;
                }
                rooted = true;
                let at = names.iter().position(|name| *name == element.local_name);
                if let Some(at) = at.filter(|&at| found[at].is_none()) {
                    inside = Some(at);
                    found[at] = Some(String::new());
                }
            }
            XmlEvent::Characters(more) | XmlEvent::CData(more) => {
                if let Some(text) = inside.and_then(|at| found[at].as_mut()) {
                    text.push_str(&more);
                }
            }
            XmlEvent::EndElement { .. } => inside = None,
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_from_a_whole_document_only() {
        let whole = b"\n <?xml version=\"1.0\"?><CopyObjectResult><ETag>&quot;a<![CDATA[b]]>c&quot;</ETag></CopyObjectResult>";
        assert_eq!(result(whole, "ETag").as_deref(), Some("\"abc\""));
        assert_eq!(result(whole, "Key"), None);
        let body = "<CopyObjectResult><ETag>abc</ETag>";
        for end in [
            "",
            "</Wrong>",
            "</CopyObjectResult",
            "</CopyObjectResult>junk<",
        ] {
            let broken = format!("{body}{end}");
            assert_eq!(result(broken.as_bytes(), "ETag"), None, "{broken}");
        }
        for nothing in [&b""[..], b"   ", b"<", b"\xff\xfe", b"no XML"] {
            assert_eq!(result(nothing, "ETag"), None);
            assert_eq!(error(nothing), (String::new(), String::new()));
        }
    }

    #[test]
    fn what_went_wrong_is_no_result_whatever_it_names() {
        let late =
            b"<Error><Code>InvalidPart</Code><PartNumber>1</PartNumber><ETag>e868</ETag></Error>";
        assert_eq!(result(late, "ETag"), None);
        assert_eq!(error(late), ("InvalidPart".into(), String::new()));
    }

    #[test]
    fn a_document_that_only_goes_deeper_is_left_soon() {
        let deep = "<a>x".repeat(1 << 20);
        let begun = std::time::Instant::now();
        assert!(!is_well_formed(deep.as_bytes()));
        assert_eq!(events(deep.as_bytes()).filter(Result::is_err).count(), 1);
        // Not a bench: without the limit this takes hours.
        assert!(begun.elapsed().as_secs() < 10);
    }
}
