//! Accepting: who makes room for a new connection, who is turned away, and the worker with the
//! fewest gets it. Which connections are open is `slots`' business.

use std::io::{self, Write as _};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout_at};

use super::refusals;
use super::slots::Slots;
use super::worker::{Handover, Worker};
use crate::address::holder;
use crate::app::Process;
use crate::counters::Count;

/// After a failed accept (EMFILE and the like): trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long everyone waits for an address at its cap while as many are on their way out as may be:
/// those need no longer, unless their worker is stuck.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two tries to hand a connection to workers that are all too far behind.
const BEHIND: Duration = Duration::from_millis(2);
/// How long it is tried: who comes after it waits in the listener's backlog meanwhile.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Most connections at once.
#[derive(Clone, Copy)]
pub(super) struct Caps {
    pub(super) all: usize,
    pub(super) per_address: usize,
}

/// A connection that was accepted, and whom it is counted for.
pub(super) struct Newcomer {
    stream: TcpStream,
    address: Option<IpAddr>,
    since: Instant,
}

/// Accepts one connection and hands it to a worker. At the cap the oldest connection without a
/// complete header makes room; when all are busy, this one waits in `waiting`, and those after it
/// in the listener's backlog. May be dropped at any await without losing a connection.
///
/// At the cap of an address its own oldest makes room, or this one is not taken: others wait no more
/// than a moment for what one address does.
pub(super) async fn accept(
    process: &Process,
    listener: &TcpListener,
    waiting: &mut Option<Newcomer>,
    slots: &Slots,
    workers: &[Option<Worker>],
    caps: Caps,
) {
    if waiting.is_none() {
        match listener
            .accept()
            .await
            .and_then(|(stream, from)| Ok((stream.into_std()?, from.ip())))
        {
            Ok((stream, from)) => {
                let trusted = process.config.trusted_proxies.contain(from);
                // Whose share is all of them waits for its turn, as all do.
                let counted = !trusted && caps.per_address < caps.all;
                let address = counted.then(|| holder(from));
                let since = Instant::now();
                *waiting = Some(Newcomer {
                    stream,
                    address,
                    since,
                });
            }
            Err(error) if passing(&error) => return,
            Err(error) => {
                log::error!("a connection could not be accepted: {error}");
                // Out of descriptors: an idle connection is worth less than a new one.
                slots.evict_oldest();
                sleep(ACCEPT_PAUSE).await;
                return;
            }
        }
    }
    let patience = Instant::now() + PATIENCE;
    while let Some(address) = waiting.as_ref().and_then(|newcomer| newcomer.address)
        && slots.count_of(address) >= caps.per_address
    {
        if slots.evict_oldest_of(address) {
            continue;
        }
        if slots.is_crowded() && timeout_at(patience, slots.freed()).await.is_ok() {
            continue;
        }
        if let Some(newcomer) = waiting.take() {
            process.counters.count(Count::ConnectionsRefused);
            turn_away(newcomer.stream, address);
        }
        return;
    }
    // More than once where one that was told to go has stayed for a request.
    while slots.count() >= caps.all {
        if !slots.evict_oldest() {
            slots.freed().await;
        }
    }
    if let Some(newcomer) = waiting.take()
        && let Some(left) = hand_out(newcomer, slots, workers)
    {
        *waiting = Some(left);
        sleep(BEHIND).await;
    }
}

/// Says why, as far as that can be done without waiting. Who asks before reading may see no more
/// than a reset.
fn turn_away(mut stream: TcpStream, address: IpAddr) {
    log::debug!("a connection of {address} was turned away: it has its share");
    let _ = stream.write(refusals::TOO_MANY_CONNECTIONS);
    let _ = stream.shutdown(Shutdown::Write);
}

/// The client went away between its connect and our accept.
fn passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Gives the connection back while all workers are too far behind to take it, but not for ever.
fn hand_out(newcomer: Newcomer, slots: &Slots, workers: &[Option<Worker>]) -> Option<Newcomer> {
    let Newcomer { address, since, .. } = newcomer;
    let mut by_load: Vec<&Worker> = workers.iter().flatten().collect();
    by_load.sort_by_key(|worker| worker.load());
    let mut handover = Handover {
        stream: newcomer.stream,
        slot: slots.take(address),
    };
    for worker in &by_load {
        match worker.hand(handover) {
            Ok(()) => return None,
            Err(back) => handover = back,
        }
    }
    if by_load.is_empty() || since.elapsed() > CATCH_UP {
        log::warn!("no worker could take a connection");
        return None;
    }
    Some(Newcomer {
        stream: handover.stream,
        address,
        since,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use tokio::time::timeout;

    use super::*;
    use crate::config::Config;

    /// Accepts one, with room for `all`, `per_address` of them from one address.
    async fn accept_one(
        process: &Process,
        slots: &Slots,
        all: usize,
        per_address: usize,
    ) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let caps = Caps { all, per_address };
        let mut waiting = None;
        let accepted = accept(process, &listener, &mut waiting, slots, &[], caps);
        timeout(Duration::from_secs(10), accepted)
            .await
            .expect("nobody waits for one address");
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    fn process() -> Process {
        Process::new(Config::from_lookup(&|_| None).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn an_address_at_its_cap_is_turned_away_while_many_of_its_own_are_on_their_way_out() {
        let (process, slots) = (process(), Slots::default());
        let address = Some(IpAddr::from([127, 0, 0, 1]));
        let taken: Vec<_> = (0..20).map(|_| slots.take(address)).collect();
        while slots.evict_oldest() {}
        let left = slots.count();
        assert!(left > 0);
        let answer = accept_one(&process, &slots, 100, left).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        let refused = " http_connections_refused_total=1";
        assert!(process.counters.to_string().contains(refused));
        drop(taken);
    }

    #[tokio::test]
    async fn those_that_stay_for_a_request_leave_no_room_for_a_new_one() {
        let (process, slots) = (process(), Slots::default());
        let (busy, _idle, _other) = (slots.take(None), slots.take(None), slots.take(None));
        assert!(slots.evict_oldest());
        let _newcomer = slots.take(None);
        busy.in_service().begin();
        busy.stay();
        assert_eq!(slots.count(), 4, "one over the cap of three");
        // There is no worker: what is accepted is closed.
        assert_eq!(accept_one(&process, &slots, 3, 3).await, "");
        assert_eq!(slots.count(), 2, "two made room for it");
    }
}
