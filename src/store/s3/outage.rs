//! Whether S3 is gone. While it is, calls fail at once rather than each wait for itself; what is
//! under way, parts and copies, keeps its patience. When to look again is `server::watch`'s.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

/// A call without an answer for so long is worth a check, and is given up when S3 turns out to be
/// gone. S3 answers small calls within 0.2 s; a slow one costs no more than that check.
pub(super) const DOUBT: Duration = Duration::from_secs(1);
/// S3 is not gone before nothing was heard for so long: a restart behind a balancer is shorter.
const BLIP: Duration = Duration::from_secs(1);
/// What was under way and does not move so long after S3 is back has a connection that is dead.
pub(super) const RETURN: Duration = Duration::from_secs(2);

/// What all workers know of it.
pub(super) struct Outage {
    origin: Instant,
    /// When S3 last sent anything, in milliseconds after `origin`.
    heard_ms: AtomicU64,
    missing: Mutex<Option<Missing>>,
    doubted: Notify,
    state: watch::Sender<State>,
}

/// Nothing was heard since.
struct Missing {
    since: Instant,
    /// Calls and checks that say so.
    signs: u32,
}

#[derive(Clone, Copy, Default)]
struct State {
    gone: bool,
    /// How often it has been. Connections of before may be dead without a word.
    times: u32,
}

impl Outage {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            heard_ms: AtomicU64::new(0),
            missing: Mutex::default(),
            doubted: Notify::new(),
            state: watch::Sender::default(),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.state.borrow().gone
    }

    pub(super) fn times(&self) -> u32 {
        self.state.borrow().times
    }

    /// Whether S3 has been gone since it had been so often, and is back.
    pub(super) fn is_back_since(&self, times: u32) -> bool {
        let state = self.state.borrow();
        !state.gone && state.times != times
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_millis() as u64
    }

    /// S3 sent something.
    pub(super) fn heard(&self) {
        let now = self.ms(Instant::now());
        self.heard_ms.store(now.max(1), Ordering::Relaxed);
    }

    /// S3 answered a call: it is not gone, whatever a check says. Bytes of an answer say less: they
    /// may have waited in a buffer.
    pub(super) fn answered(&self) {
        self.heard();
        if self.is_gone() {
            self.turn(false);
        }
    }

    fn has_heard_since(&self, since: Instant) -> bool {
        self.heard_ms.load(Ordering::Relaxed) > self.ms(since)
    }

    /// A call got no answer since then.
    pub(super) fn doubt(&self, since: Instant) {
        if !self.has_heard_since(since) {
            self.sign(since);
            self.doubted.notify_one();
        }
    }

    /// Ends when there is a doubt that a check may end.
    pub(super) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Notes a sign; whether that is enough of them.
    fn sign(&self, since: Instant) -> bool {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = match &mut *missing {
            Some(missing) if !self.has_heard_since(missing.since) => missing,
            other => other.insert(Missing { since, signs: 0 }),
        };
        missing.signs = missing.signs.saturating_add(1);
        missing.signs > 1 && missing.since.elapsed() >= BLIP
    }

    /// A check that begins now. When it ends, in whichever way, S3 is gone or is not.
    pub(super) fn check(&self) -> Check<'_> {
        Check {
            outage: self,
            begun: Instant::now(),
        }
    }

    fn judge(&self, begun: Instant) {
        let gone = !self.has_heard_since(begun) && (self.is_gone() || self.sign(begun));
        self.turn(gone);
    }

    fn turn(&self, gone: bool) {
        let turned = self.state.send_if_modified(|state| {
            let turns = state.gone != gone;
            state.gone = gone;
            state.times = state.times.wrapping_add(u32::from(turns && gone));
            turns
        });
        match (turned, gone) {
            (false, _) => {}
            (_, true) => log::error!("S3 is gone: calls fail at once until it answers"),
            (_, false) => log::warn!("S3 is back"),
        }
    }

    /// Ends when a call is to be given up that S3 leaves without a word; `quiet` says for how long
    /// by now. One that is `under_way` waits for S3 to come back, and then whether it goes on.
    pub(super) async fn over(&self, quiet: impl Fn() -> Duration, under_way: bool) {
        let silence = async || {
            loop {
                let quiet = quiet();
                if quiet >= DOUBT {
                    return quiet;
                }
                sleep(DOUBT.saturating_sub(quiet)).await;
            }
        };
        let for_now = silence().await;
        let now = Instant::now();
        self.doubt(now.checked_sub(for_now).unwrap_or(now));
        let mut state = self.state.subscribe();
        loop {
            // The sender is `self`: it never closes.
            let _ = state.wait_for(|state| state.gone).await;
            if under_way {
                let _ = state.wait_for(|state| !state.gone).await;
                let back = Instant::now();
                sleep(RETURN).await;
                if quiet() >= back.elapsed() {
                    return;
                }
                continue;
            }
            tokio::select! {
                _ = silence() => return,
                _ = state.wait_for(|state| !state.gone) => {}
            }
        }
    }
}

/// See [`Outage::check`].
pub(super) struct Check<'a> {
    outage: &'a Outage,
    begun: Instant,
}

impl Drop for Check<'_> {
    fn drop(&mut self) {
        self.outage.judge(self.begun);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    const LONG: Duration = Duration::from_mins(10);

    async fn check(outage: &Outage, takes: Duration) {
        let _judged = outage.check();
        advance(takes).await;
    }

    /// A call that has been quiet from now on.
    async fn silent(outage: &Outage, under_way: bool) {
        let begun = Instant::now();
        outage.over(move || begun.elapsed(), under_way).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_sign_or_a_short_silence_is_no_outage_and_what_is_heard_ends_it() {
        let outage = Outage::new();
        advance(LONG).await;
        // A slow check, and nothing else.
        check(&outage, Duration::from_secs(5)).await;
        assert!(!outage.is_gone());
        advance(DOUBT).await;
        outage.heard();
        // Refused within a moment, several times.
        advance(DOUBT).await;
        for _ in 0..3 {
            outage.doubt(Instant::now());
            check(&outage, Duration::from_millis(200)).await;
        }
        assert!(!outage.is_gone());
        advance(DOUBT).await;
        check(&outage, Duration::from_millis(200)).await;
        assert!(outage.is_gone() && outage.times() == 1);
        {
            let _judged = outage.check();
            advance(DOUBT).await;
            outage.heard();
        }
        assert!(!outage.is_gone() && outage.times() == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_an_outage_also_while_checks_get_none() {
        let outage = Outage::new();
        advance(LONG).await;
        for _ in 0..2 {
            check(&outage, Duration::from_secs(5)).await;
        }
        assert!(outage.is_gone());
        // What was in a buffer.
        advance(DOUBT).await;
        outage.heard();
        assert!(outage.is_gone());
        let judged = outage.check();
        advance(DOUBT).await;
        outage.answered();
        assert!(!outage.is_gone());
        drop(judged);
        assert!(!outage.is_gone() && outage.times() == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_call_is_given_up_when_s3_is_gone_and_one_under_way_when_it_is_back() {
        let outage = Outage::new();
        advance(LONG).await;
        assert!(timeout(LONG, silent(&outage, false)).await.is_err());
        let mut call = std::pin::pin!(silent(&outage, false));
        let mut part = std::pin::pin!(silent(&outage, true));
        assert!(timeout(DOUBT * 2, &mut call).await.is_err());
        check(&outage, Duration::from_secs(5)).await;
        assert!(timeout(DOUBT * 2, &mut call).await.is_ok());
        assert!(timeout(LONG, &mut part).await.is_err());
        {
            let _judged = outage.check();
            advance(DOUBT).await;
            outage.heard();
        }
        assert!(timeout(RETURN * 2, &mut part).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_again_when_s3_is_back_is_not_given_up() {
        let outage = Outage::new();
        advance(LONG).await;
        let begun = Instant::now();
        let back = begun + DOUBT * 20;
        let quiet = move || {
            let now = Instant::now();
            if now >= back {
                Duration::ZERO
            } else {
                now - begun
            }
        };
        let mut part = std::pin::pin!(outage.over(quiet, true));
        assert!(timeout(DOUBT * 2, &mut part).await.is_err());
        check(&outage, Duration::from_secs(5)).await;
        assert!(outage.is_gone());
        advance(DOUBT * 20).await;
        {
            let _judged = outage.check();
            advance(DOUBT).await;
            outage.heard();
        }
        assert!(timeout(LONG, &mut part).await.is_err());
    }
}
