//! Uploads of one request: whole, or broken off at any byte.

use super::client::{Outcome, Uploader};
use crate::support::Answer;
use crate::support::client::{FORM, form_ends};

/// Bytes in a chunk of a chunked body.
const CHUNK: usize = 50_000;
/// Of the uploads that their client breaks off.
const CUTS: f64 = 0.08;

impl Uploader<'_> {
    /// What an answer to a write says of it; `done` are the statuses that acknowledge.
    pub fn judge(&mut self, answer: Option<&Answer>, what: &str, done: &[u16]) -> Outcome {
        let Some(answer) = answer else {
            return Outcome::Unknown;
        };
        match answer.status {
            status if done.contains(&status) => return Outcome::Stored,
            // Silent too long, another writer, or the store's troubles.
            408 | 409 | 502..=504 => {}
            _ => {
                let body = String::from_utf8_lossy(&answer.body);
                self.wrong(format!("{what} gave {} {body}", answer.status));
            }
        }
        *self.figures.refused.entry(answer.status).or_default() += 1;
        Outcome::Unknown
    }

    pub fn put(&mut self, key: &str, data: &[u8]) -> Outcome {
        let length = data.len().to_string();
        let headers = [("Content-Length", length.as_str())];
        self.send("PUT", &format!("/files/{key}"), &headers, data)
    }

    pub fn put_chunked(&mut self, key: &str, data: &[u8]) -> Outcome {
        let headers = [("Transfer-Encoding", "chunked")];
        self.send("PUT", &format!("/files/{key}"), &headers, &chunked(data))
    }

    pub fn form(&mut self, key: &str, data: &[u8]) -> Outcome {
        let (head, tail) = form_ends(key);
        let body = [&head, data, &tail].concat();
        // A file of a form is whole with its own last byte, whatever comes of the form.
        let whole = head.len() + data.len();
        let length = body.len().to_string();
        let known = self.dice.chance(0.7);
        if known {
            let headers = [("Content-Type", FORM), ("Content-Length", length.as_str())];
            self.send_some("POST", "/upload", &headers, &body, whole)
        } else {
            let headers = [("Content-Type", FORM), ("Transfer-Encoding", "chunked")];
            self.send_some("POST", "/upload", &headers, &chunked(&body), whole)
        }
    }

    /// Under `If-None-Match: *`, which holds for a new key and not for one that is there.
    pub fn put_if_absent(&mut self, key: &str, data: &[u8], exists: bool) -> Outcome {
        let length = data.len().to_string();
        let headers = [("Content-Length", length.as_str()), ("If-None-Match", "*")];
        let Some(mut client) = self.connect() else {
            return Outcome::Untouched;
        };
        client.send_head("PUT", &format!("/files/{key}"), &headers);
        client.send(data);
        let answer = client.try_answer("PUT");
        match answer.as_ref().map(|answer| answer.status) {
            Some(412) if exists => {
                self.figures.preconditions += 1;
                Outcome::Untouched
            }
            Some(200 | 201) if exists => {
                self.wrong(format!("PUT {key} replaced in spite of its condition"));
                Outcome::Unknown
            }
            // Whatever happened, it was no replacing.
            _ if exists => Outcome::Untouched,
            _ => self.judge(answer.as_ref(), "PUT if absent", &[201]),
        }
    }

    fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Outcome {
        self.send_some(method, target, headers, body, body.len())
    }

    /// Sends the body, or less than `whole` bytes of it: too few to be stored.
    fn send_some(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        whole: usize,
    ) -> Outcome {
        let Some(mut client) = self.connect() else {
            return Outcome::Untouched;
        };
        client.send_head(method, target, headers);
        if whole > 0 && self.dice.chance(CUTS) {
            // Short of its last byte: of this nothing may ever be seen.
            self.figures.cuts += 1;
            client.send(&body[..self.dice.below(whole as u64) as usize]);
            return Outcome::Untouched;
        }
        client.send(body);
        if self.dice.chance(CUTS / 4.0) {
            self.figures.cuts += 1;
            return Outcome::Unknown;
        }
        let answer = client.try_answer(method);
        self.judge(answer.as_ref(), method, &[200, 201])
    }
}

fn chunked(data: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(data.len() + data.len() / 1000 + 16);
    for chunk in data.chunks(CHUNK) {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}
