//! What an outage of the store costs.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use super::protocol::Protocol::{Ietf, Tus};
use super::protocol::number;
use super::sender::Sender;
use crate::support::place::PART;
use crate::support::relay::{Mode, Relay};
use crate::support::{Noise, Server, wait_for};
use crate::{BOUND, READ_BUFFER, assert_stored, endpoint, mib, place};

/// What a server says in its log of the requests that brought bytes.
#[derive(Default)]
struct Taken {
    requests: usize,
    bytes: u64,
}

impl Taken {
    fn of(server: &Server) -> Self {
        let mut all = Self::default();
        for line in server
            .log()
            .lines()
            .filter(|l| l.contains(" method=PATCH "))
        {
            let bytes = line.split(' ').find_map(|word| word.strip_prefix("in="));
            all.requests += 1;
            all.bytes += bytes.unwrap().parse::<u64>().unwrap();
        }
        all
    }
}

#[test]
fn an_outage_of_the_store_ends_with_the_file_stored_and_little_sent_twice() {
    let asked = std::env::var("RESUME_OUTAGE_SECONDS").ok();
    let seconds: u64 = asked.map_or(8, |text| text.parse().unwrap());
    let place = place();
    let relay = Relay::before(&endpoint());
    let server = place.serve(&[("AWS_ENDPOINT_URL_S3", relay.endpoint.as_str())]);
    let size = 12 * PART + 7;
    let data = Noise::bytes(26, size);
    for protocol in [Tus, Ietf] {
        let name = format!("o{protocol:?}");
        let upload = protocol.create(&mut server.client(), &name, Some(size));
        let before = Taken::of(&server);
        let (mut at, mut sent) = (0, 0);
        let (mut heads, mut patches, mut refusals) = (0, 0, Vec::new());
        let mut back: Option<Instant> = None;
        loop {
            patches += 1;
            let head = protocol.patch(&upload, at, Some(size - at));
            let mut sender = Sender::begin(&server, &head);
            let rest = &data[at as usize..];
            if back.is_none() {
                let half = rest.len() / 2;
                assert!(sender.send(&rest[..half]));
                relay.set(Mode::Down);
                back = Some(Instant::now() + Duration::from_secs(seconds));
                sender.send(&rest[half..]);
            } else {
                sender.send(rest);
            }
            sent += sender.sent;
            let status = sender.answer();
            if matches!(status, Some(201 | 204)) {
                break;
            }
            refusals.push(status.unwrap_or(0));
            assert!(patches < 100, "it makes no progress: {refusals:?}");
            // As clients of tus do: ask, and ask again while the answer is 423, 5xx or none.
            at = loop {
                if back.is_some_and(|back| Instant::now() >= back) {
                    relay.set(Mode::Open);
                }
                heads += 1;
                let answer = protocol.head(&mut server.client(), &upload);
                match answer.status {
                    200 | 204 => break number(&answer, "upload-offset"),
                    423 | 500.. => refusals.push(answer.status),
                    _ => panic!("a client would give up: {answer:?}"),
                }
                thread::sleep(Duration::from_millis(250));
            };
        }
        // What the kernel held, and what was drained after an early answer, never came to the
        // upload: how much that is depends on the machine's socket buffers.
        let mut taken = Taken::default();
        wait_for("the log lines", || {
            taken = Taken::of(&server);
            taken.requests == before.requests + patches
        });
        let again = taken.bytes - before.bytes - size;
        eprintln!(
            "an outage of {seconds} s, {protocol:?}: {patches} PATCH, {heads} HEAD, {} refused with {:?}; \
             {:.2} MiB taken again, of at most {:.2}; {:.2} MiB sent again",
            refusals.len(),
            refusals.iter().collect::<BTreeSet<_>>(),
            mib(again),
            mib(BOUND + READ_BUFFER),
            mib(sent - size),
        );
        assert!(patches > 1 && refusals.len() > 1, "there was no outage");
        assert!(again <= BOUND + READ_BUFFER, "{again} again");
        assert_stored(&server, &name, &data);
    }
}
