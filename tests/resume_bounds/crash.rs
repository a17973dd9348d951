//! What a crash costs, also while the store takes nothing.

use super::protocol::Protocol::{Ietf, Tus};
use super::sender::Sender;
use crate::support::place::PART;
use crate::support::relay::{Mode, Relay};
use crate::support::{Dice, Noise, wait_for};
use crate::{BOUND, READ_BUFFER, endpoint, finish, mib, place};

#[test]
fn a_crash_costs_at_most_the_parts_on_their_way_and_the_one_being_gathered() {
    let place = place();
    let other = place.serve(&[]);
    let mut dice = Dice::new(0x5eed);
    let size = 12 * PART + 4321;
    let data = Noise::bytes(21, size);
    for round in 0..6 {
        for (protocol, known) in [(Tus, true), (Ietf, false)] {
            let mut server = place.serve(&[]);
            let name = format!("k{round}{known}");
            let length = Some(size).filter(|_| known);
            let upload = protocol.create(&mut other.client(), &name, length);
            let mut sender = Sender::begin(&server, &protocol.patch(&upload, 0, length));
            let count = 1 + dice.below(size - 1);
            assert!(sender.send(&data[..count as usize]));
            // Stopped first, so that the kernel's share is of the moment of the crash.
            server.signal("STOP");
            let in_kernel = sender.in_kernel();
            server.kill();
            let at = protocol.offset(&other, &upload);
            let lost = count - at.min(count);
            eprintln!(
                "SIGKILL, {protocol:?}, length {}: sent {count}, in the kernel {in_kernel}, offset {at}: \
                 {:.2} MiB again, of at most {:.2}",
                if known { "known" } else { "unknown" },
                mib(lost),
                mib(BOUND + READ_BUFFER + in_kernel),
            );
            assert!(at <= count, "{at} was never sent");
            assert!(lost <= BOUND + READ_BUFFER + in_kernel, "{lost} are lost");
            finish(protocol, &other, &upload, at, &name, &data);
        }
    }
}

#[test]
fn a_crash_while_the_store_takes_nothing_costs_no_more() {
    let place = place();
    let other = place.serve(&[]);
    // More than server and kernel may hold: a socket's buffer alone grows to 32 MiB (tcp_rmem).
    let size = 20 * PART;
    let data = Noise::bytes(22, size);
    for (protocol, known) in [(Tus, true), (Ietf, false)] {
        let relay = Relay::before(&endpoint());
        let mut server = place.serve(&[("AWS_ENDPOINT_URL_S3", relay.endpoint.as_str())]);
        let name = format!("w{known}");
        let length = Some(size).filter(|_| known);
        let upload = protocol.create(&mut other.client(), &name, length);
        let mut sender = Sender::begin(&server, &protocol.patch(&upload, 0, length));
        let first = 2 * PART + 77;
        assert!(sender.send(&data[..first as usize]));
        wait_for("two parts", || protocol.offset(&other, &upload) == 2 * PART);
        relay.set(Mode::Stalled);
        // Until every buffer on the way is full.
        assert!(!sender.send(&data[first as usize..]));
        server.signal("STOP");
        let in_kernel = sender.in_kernel();
        server.kill();
        let at = protocol.offset(&other, &upload);
        let lost = sender.sent - at;
        eprintln!(
            "SIGKILL with a stalled store, {protocol:?}, length {}: sent {}, in the kernel {in_kernel}, \
             offset {at}: {:.2} MiB again, {:.2} of them received, of at most {:.2}",
            if known { "known" } else { "unknown" },
            sender.sent,
            mib(lost),
            mib(lost.saturating_sub(in_kernel)),
            mib(BOUND + READ_BUFFER),
        );
        assert_eq!(at, 2 * PART);
        assert!(lost <= BOUND + READ_BUFFER + in_kernel, "{lost} are lost");
        finish(protocol, &other, &upload, at, &name, &data);
    }
}
