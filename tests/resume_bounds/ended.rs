//! What a request costs that ends without its last byte, because of the client or of SIGTERM.

use std::net::Shutdown;

use super::protocol::Protocol::{Ietf, Tus};
use super::sender::Sender;
use crate::support::place::PART;
use crate::support::{Dice, Noise, Server, wait_for};
use crate::{finish, mib, place};

/// How a request ends without its last byte.
#[derive(Clone, Copy, Debug)]
enum End {
    Closed,
    HalfClosed,
    Reset,
    Terminated,
}

impl End {
    const ALL: [Self; 4] = [
        Self::Closed,
        Self::HalfClosed,
        Self::Reset,
        Self::Terminated,
    ];

    /// What still has to live until the offset is known.
    fn happen(self, sender: Sender, server: &mut Server) -> Option<Sender> {
        match self {
            Self::Closed => drop(sender),
            Self::Reset => sender.reset(),
            Self::HalfClosed => {
                sender.stream.shutdown(Shutdown::Write).unwrap();
                return Some(sender);
            }
            Self::Terminated => {
                server.signal("TERM");
                assert_eq!(server.wait(), 0);
            }
        }
        None
    }
}

#[test]
fn nothing_that_was_gathered_is_sent_again_when_a_connection_breaks_or_the_server_is_told_to_end() {
    let place = place();
    let other = place.serve(&[]);
    let mut dice = Dice::new(0xca11);
    let size = 5 * PART;
    let data = Noise::bytes(23, size);
    for end in End::ALL {
        for (protocol, known) in [(Tus, true), (Ietf, true), (Ietf, false)] {
            let mut server = place.serve(&[]);
            let name = format!("g{end:?}{protocol:?}{known}");
            let length = Some(size).filter(|_| known);
            let upload = protocol.create(&mut other.client(), &name, length);
            let mut sender = Sender::begin(&server, &protocol.patch(&upload, 0, length));
            let count = 1 + dice.below(size - 1);
            assert!(sender.send(&data[..count as usize]));
            sender.wait_received();
            let _open = end.happen(sender, &mut server);
            let mut at = 0;
            wait_for("all that was received", || {
                at = protocol.offset(&other, &upload);
                assert!(at <= count, "{at} was never sent");
                at == count
            });
            eprintln!(
                "{end:?}, gathered, {protocol:?}, length {}: received {count}, offset {at}: {} again",
                if known { "known" } else { "unknown" },
                count - at
            );
            finish(protocol, &other, &upload, at, &name, &data);
        }
    }
}

#[test]
fn what_was_streamed_falls_back_to_the_beginning_of_its_part_or_to_the_tail_before_it() {
    let place = place();
    let other = place.serve(&[]);
    let mut dice = Dice::new(0xfa11);
    let size = 4 * PART;
    let data = Noise::bytes(24, size);
    for end in End::ALL {
        for tail in [0, 100_000] {
            // A part over a quarter of the budget is always streamed.
            let mut server = place.serve(&[("UPLOAD_BUFFER_BYTES", "10485760")]);
            let name = format!("s{end:?}{tail}");
            let upload = Tus.create(&mut other.client(), &name, Some(size));
            if tail > 0 {
                let mut first = Sender::begin(&server, &Tus.patch(&upload, 0, Some(tail)));
                assert!(first.send(&data[..tail as usize]));
                assert_eq!(first.answer(), Some(204));
            }
            let head = Tus.patch(&upload, tail, Some(size - tail));
            let mut sender = Sender::begin(&server, &head);
            // In the first part, where the tail is, or in a later one.
            let parts = if tail > 0 { 0 } else { 1 + dice.below(3) };
            let from = (parts * PART).max(tail);
            let count = from + 1 + dice.below((parts + 1) * PART - from - 1);
            assert!(sender.send(&data[tail as usize..count as usize]));
            sender.wait_received();
            wait_for("the parts before", || Tus.offset(&other, &upload) >= from);
            let _open = end.happen(sender, &mut server);
            // A request of this process waits for the one that ends; of another it does not, but
            // the offset is what it will be.
            let at = Tus.offset(&other, &upload);
            eprintln!(
                "{end:?}, streamed, with a tail of {tail}: received {count}, offset {at}: {:.2} MiB again, \
                 of at most {:.2}",
                mib(count - at),
                mib(PART),
            );
            assert_eq!(at, from);
            finish(Tus, &other, &upload, at, &name, &data);
        }
    }
}
