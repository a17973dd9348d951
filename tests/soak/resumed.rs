//! Resumable uploads in both protocols: piece by piece over any replicas, broken off anywhere, and
//! gone on with where the server says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::{Outcome, Uploader};
use crate::support::Answer;

/// Requests after which a client gives up.
const PATIENCE: usize = 60;
/// Pieces that their client breaks off.
const CUTS: f64 = 0.25;
/// Uploads that their client forgets before the end.
const FORGOTTEN: f64 = 0.04;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tus,
    Ietf,
}

impl Protocol {
    /// What marks a request that has no other header.
    fn marks(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Tus => &[TUS],
            Self::Ietf => &[],
        }
    }
}

/// How far an upload is.
enum Status {
    Open(u64),
    Complete,
    Lost,
    Unknown,
}

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

impl Uploader<'_> {
    pub fn tus(&mut self, key: &str, data: &[u8]) -> Outcome {
        let metadata = format!("filename {}", STANDARD.encode(key));
        let length = data.len().to_string();
        // Told in the end only, of some.
        let deferred = !data.is_empty() && self.dice.chance(0.3);
        let length = if deferred {
            ("Upload-Defer-Length", "1")
        } else {
            ("Upload-Length", length.as_str())
        };
        let headers = [
            TUS,
            length,
            ("Upload-Metadata", metadata.as_str()),
            ("Content-Length", "0"),
        ];
        let tries = if data.is_empty() { 1 } else { 6 };
        let Some(answer) = self.create("/uploads", &headers, tries) else {
            // Only an empty one could be complete already.
            return if data.is_empty() {
                Outcome::Unknown
            } else {
                Outcome::Untouched
            };
        };
        if data.is_empty() {
            return Outcome::Stored;
        }
        self.send_all(Protocol::Tus, &answer, data)
    }

    pub fn ietf(&mut self, key: &str, data: &[u8]) -> Outcome {
        let length = data.len().to_string();
        let mut headers = vec![("Upload-Complete", "?0"), ("Content-Length", "0")];
        if !data.is_empty() && self.dice.chance(0.5) {
            headers.push(("Upload-Length", length.as_str()));
        }
        match self.create(&format!("/uploads?key={key}"), &headers, 6) {
            Some(answer) => self.send_all(Protocol::Ietf, &answer, data),
            None => Outcome::Untouched,
        }
    }

    /// The path of a new upload. Tried again only where nothing can come of a try that got no answer.
    fn create(&mut self, target: &str, headers: &[(&str, &str)], tries: usize) -> Option<String> {
        for _ in 0..tries {
            let Some(mut client) = self.connect() else {
                continue;
            };
            client.send_head("POST", target, headers);
            let answer = client.try_answer("POST");
            if let Outcome::Stored = self.judge(answer.as_ref(), target, &[201]) {
                return answer?.header("location").map(str::to_owned);
            }
        }
        None
    }

    fn send_all(&mut self, protocol: Protocol, upload: &str, data: &[u8]) -> Outcome {
        let size = data.len() as u64;
        let forget = self.dice.chance(FORGOTTEN).then(|| self.dice.below(size));
        let mut at = 0;
        for _ in 0..PATIENCE {
            if forget.is_some_and(|forget| at > forget) {
                self.figures.forgotten += 1;
                return Outcome::Unknown;
            }
            let end = if self.dice.chance(0.5) {
                size
            } else {
                at + self.dice.below(size - at + 1)
            };
            match self.append(protocol, upload, at, end, data) {
                Some(answer)
                    if protocol == Protocol::Ietf && matches!(answer.status, 200 | 201) =>
                {
                    return Outcome::Stored;
                }
                Some(answer) if answer.status == 204 => {
                    let told = offset(&answer).unwrap_or(end);
                    if told < at || told > end {
                        self.wrong(format!("{upload}: {told} is not in {at}..={end}"));
                    }
                    at = told;
                    if protocol == Protocol::Tus && at == size {
                        return Outcome::Stored;
                    }
                    continue;
                }
                // By the request before, that was cut when all of it was there.
                Some(answer) if answer.status == 400 && answer.problem() == "upload_completed" => {}
                Some(answer) => {
                    // An offset that is another one's, or the store's troubles.
                    self.judge(Some(&answer), "PATCH", &[]);
                }
                None => {}
            }
            match self.ask(protocol, upload) {
                Status::Open(now) if now < at || now > size => {
                    self.wrong(format!("{upload}: the offset went from {at} to {now}"));
                    return Outcome::Unknown;
                }
                Status::Open(now) => at = now,
                Status::Complete => return Outcome::Stored,
                Status::Lost => {
                    self.wrong(format!("{upload} of {size} is lost at {at}"));
                    return Outcome::Unknown;
                }
                Status::Unknown => break,
            }
        }
        if self.dice.chance(0.5)
            && let Some(mut client) = self.connect()
        {
            client.send_head("DELETE", upload, protocol.marks());
            drop(client.try_answer("DELETE"));
        }
        Outcome::Unknown
    }

    /// Sends the bytes from `at` to `end`, or breaks off before; None without an answer.
    fn append(
        &mut self,
        protocol: Protocol,
        upload: &str,
        at: u64,
        end: u64,
        data: &[u8],
    ) -> Option<Answer> {
        let (from, length) = (at.to_string(), (end - at).to_string());
        let size = data.len().to_string();
        let mut headers = vec![
            ("Upload-Offset", from.as_str()),
            ("Content-Length", &length),
        ];
        if protocol == Protocol::Tus {
            headers.extend([TUS, ("Content-Type", "application/offset+octet-stream")]);
            // Of a deferred length this is where it is told; else it is said once more.
            if end == data.len() as u64 || self.dice.chance(0.1) {
                headers.push(("Upload-Length", size.as_str()));
            }
        } else {
            let last = if end == data.len() as u64 { "?1" } else { "?0" };
            headers.extend([
                ("Content-Type", "application/partial-upload"),
                ("Upload-Complete", last),
            ]);
        }
        let piece = &data[at as usize..end as usize];
        let mut client = self.connect()?;
        self.shared
            .journal
            .note(|| format!("patch {upload} {at}..{end}"));
        client.send_head("PATCH", upload, &headers);
        if self.dice.chance(CUTS) {
            self.figures.cuts += 1;
            client.send(&piece[..self.dice.below(piece.len() as u64 + 1) as usize]);
            return None;
        }
        client.send(piece);
        let answer = client.try_answer("PATCH");
        let status = answer.as_ref().map(|answer| answer.status);
        self.shared
            .journal
            .note(|| format!("patched {upload} {status:?}"));
        answer
    }

    fn ask(&mut self, protocol: Protocol, upload: &str) -> Status {
        for _ in 0..30 {
            let Some(mut client) = self.connect() else {
                continue;
            };
            client.send_head("HEAD", upload, protocol.marks());
            let Some(answer) = client.try_answer("HEAD") else {
                continue;
            };
            let offset = offset(&answer);
            let status = answer.status;
            self.shared
                .journal
                .note(|| format!("head {upload} {status} {offset:?}"));
            match (answer.status, offset) {
                // It says so only of what is complete.
                (200, Some(now)) if protocol == Protocol::Tus => {
                    let length = answer.header("upload-length").map(str::parse);
                    let complete = length == Some(Ok(now));
                    return if complete {
                        Status::Complete
                    } else {
                        Status::Open(now)
                    };
                }
                (200 | 204, Some(now)) => {
                    let complete = answer.header("upload-complete") == Some("?1");
                    return if complete {
                        Status::Complete
                    } else {
                        Status::Open(now)
                    };
                }
                (404, _) => return Status::Lost,
                (423 | 409 | 502..=504, _) => {}
                _ => self.wrong(format!("HEAD {upload} gave {answer:?}")),
            }
        }
        Status::Unknown
    }
}

fn offset(answer: &Answer) -> Option<u64> {
    answer.header("upload-offset")?.parse().ok()
}
