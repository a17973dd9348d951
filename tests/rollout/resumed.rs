//! Resumable uploads that go on over the end of a replica, as clients of both protocols do.

use std::time::Instant;

use super::load::{BLOCK, Resumed, Uploader, pace};
use crate::support::{Answer, Client};

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
/// Requests after which an upload makes no progress.
const PATIENCE: u64 = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tus,
    Ietf,
}
use Protocol::{Ietf, Tus};

impl Uploader<'_> {
    pub fn tus(&mut self) {
        self.resume(Tus);
    }

    pub fn ietf(&mut self) {
        self.resume(Ietf);
    }

    fn resume(&mut self, protocol: Protocol) {
        let name = self.name(if protocol == Tus { "t" } else { "i" });
        let data = self.data(6 << 20, 22 << 20);
        let size = data.len().to_string();
        let own = if protocol == Tus {
            TUS
        } else {
            ("Upload-Complete", "?0")
        };
        let headers = [own, ("Upload-Length", size.as_str())];
        let target = format!("/uploads?key={name}");
        let Some(answer) = self.ask("create", "POST", &target, &headers, &[201]) else {
            return;
        };
        let upload = answer.header("location").unwrap().to_owned();
        let (mut at, mut ends) = (0, 0);
        for number in 0..PATIENCE {
            let Some((answer, sent)) = self.append(protocol, &upload, &name, number, at, &data)
            else {
                return;
            };
            // A draft's client asks after a 503 how far it came; a client of tus reads a 204.
            let now = match (answer.status, protocol) {
                (200 | 201, Ietf) => data.len(),
                (204, Tus) => offset(&answer).unwrap_or(0),
                (503, Ietf) if answer.problem() == "shutting_down" => {
                    let Some(told) = self.ask("ask", "HEAD", &upload, &[], &[200, 204]) else {
                        return;
                    };
                    offset(&told).unwrap_or(0)
                }
                (status, _) => return self.failed(&upload, &format!("PATCH gave {status}")),
            };
            if now < at || now > sent {
                return self.failed(&upload, &format!("{now} is not in {at}..={sent}"));
            }
            at = now;
            if at == data.len() {
                break;
            }
            ends += 1;
            self.report.interrupted += 1;
            self.report.sent_again += (sent - at) as u64;
        }
        if at < data.len() {
            return self.failed(&upload, &format!("it came to {at} of {}", data.len()));
        }
        let size = data.len() as u64;
        self.report.resumed.push(Resumed {
            name: name.clone(),
            size,
            ends,
        });
        self.stored(name, &data);
    }

    /// A request without a body.
    fn ask(
        &mut self,
        kind: &'static str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        want: &[u16],
    ) -> Option<Answer> {
        *self.report.requests.entry(kind).or_default() += 1;
        let Some(mut client) = self.connection() else {
            self.failed(target, "no connection");
            return None;
        };
        let mut all = headers.to_vec();
        all.push(("Content-Length", "0"));
        client.send_head(method, target, &all);
        match client.try_answer(method) {
            Some(answer) if want.contains(&answer.status) => {
                self.keep(client, &answer);
                Some(answer)
            }
            answer => {
                self.failed(target, &format!("{method} gave {answer:?}"));
                None
            }
        }
    }

    /// Sends what is missing until all is sent or an answer comes; that, and how far it came.
    fn append(
        &mut self,
        protocol: Protocol,
        upload: &str,
        name: &str,
        number: u64,
        at: usize,
        data: &[u8],
    ) -> Option<(Answer, usize)> {
        *self.report.requests.entry("append").or_default() += 1;
        let Some(mut client) = self.connection() else {
            self.failed(upload, "no connection");
            return None;
        };
        let (from, left) = (at.to_string(), (data.len() - at).to_string());
        let id = format!("{name}.{number}");
        let [own, kind] = match protocol {
            Tus => [TUS, ("Content-Type", "application/offset+octet-stream")],
            Ietf => [
                ("Upload-Complete", "?1"),
                ("Content-Type", "application/partial-upload"),
            ],
        };
        let headers = [
            own,
            kind,
            ("Upload-Offset", from.as_str()),
            ("Content-Length", left.as_str()),
            ("X-Request-Id", id.as_str()),
        ];
        client.send_head("PATCH", upload, &headers);
        let sent = send(&mut client, at, data, self.load.slow);
        self.report.bytes += (sent - at) as u64;
        let Some(answer) = client.try_answer("PATCH") else {
            self.failed(upload, &format!("no answer after {at}..{sent}"));
            return None;
        };
        if sent == data.len() {
            self.keep(client, &answer);
        } else {
            self.report.closes += 1;
        }
        Some((answer, sent))
    }
}

fn send(client: &mut Client, at: usize, data: &[u8], per_second: f64) -> usize {
    let begun = Instant::now();
    let mut sent = at;
    for block in data[at..].chunks(BLOCK) {
        if client.has_answer() || client.try_send(block).is_err() {
            break;
        }
        sent += block.len();
        pace(begun, sent - at, per_second);
    }
    sent
}

fn offset(answer: &Answer) -> Option<usize> {
    answer.header("upload-offset")?.parse().ok()
}
