//! Either protocol, as a client of resumable uploads speaks it.

use crate::support::client::Answer;
use crate::support::{Client, Server};

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// Either protocol; the bounds are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tus,
    Ietf,
}
use Protocol::{Ietf, Tus};

impl Protocol {
    /// An upload without bytes; its path. A tus client may name the length later, an IETF client
    /// need not.
    pub fn create(self, client: &mut Client, name: &str, length: Option<u64>) -> String {
        let target = format!("/uploads?key={name}");
        let known = length.map(|length| length.to_string());
        let mut headers = vec![match self {
            Tus => TUS,
            Ietf => ("Upload-Complete", "?0"),
        }];
        match (&known, self) {
            (Some(length), _) => headers.push(("Upload-Length", length)),
            (None, Tus) => headers.push(("Upload-Defer-Length", "1")),
            (None, Ietf) => {}
        }
        let answer = client.request("POST", &target, &headers, b"");
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    pub fn head(self, client: &mut Client, upload: &str) -> Answer {
        let headers = [TUS];
        client.send_head("HEAD", upload, &headers[..usize::from(self == Tus)]);
        client.answer_to("HEAD")
    }

    pub fn offset(self, server: &Server, upload: &str) -> u64 {
        let answer = self.head(&mut server.client(), upload);
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        number(&answer, "upload-offset")
    }

    /// Whether HEAD says that all is there, so that there is nothing to send again.
    pub fn assert_complete(self, answer: &Answer, size: u64) {
        assert_eq!(number(answer, "upload-offset"), size, "{answer:?}");
        assert_eq!(number(answer, "upload-length"), size, "{answer:?}");
        if self == Ietf {
            assert_eq!(answer.header("upload-complete"), Some("?1"));
        }
    }

    /// The head of a request that brings the last bytes, all of `length` if that is told.
    pub fn patch(self, upload: &str, offset: u64, length: Option<u64>) -> String {
        let own = match self {
            Tus => "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream",
            Ietf => "Upload-Complete: ?1\r\nContent-Type: application/partial-upload",
        };
        let length = match length {
            Some(length) => format!("Content-Length: {length}"),
            None => "Transfer-Encoding: chunked".to_owned(),
        };
        format!(
            "PATCH {upload} HTTP/1.1\r\nHost: test\r\nUpload-Offset: {offset}\r\n{own}\r\n{length}\r\n\r\n"
        )
    }
}

pub fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.header(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    value.parse().unwrap()
}
