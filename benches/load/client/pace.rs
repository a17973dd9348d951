//! When the next request is due: at once, until time is up, or at a fixed rate whatever the
//! answers do, so that a stall counts for all the requests that it kept waiting.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::load::interrupt;

pub struct Pace {
    begun: Instant,
    duration: Duration,
    fixed: Option<Fixed>,
    first: AtomicBool,
}

struct Fixed {
    /// Requests a second.
    rate: f64,
    /// How many there will be.
    total: u64,
    /// A permit for each that is due, and one more when all were.
    due: Semaphore,
    /// How many were begun.
    begun: AtomicU64,
}

impl Fixed {
    fn after(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate)
    }
}

impl Pace {
    pub fn new(rate: Option<f64>, duration: Duration) -> Self {
        let fixed = rate.map(|rate| Fixed {
            rate,
            total: (rate * duration.as_secs_f64()).ceil() as u64,
            due: Semaphore::new(0),
            begun: AtomicU64::new(0),
        });
        Self {
            begun: Instant::now(),
            duration,
            fixed,
            first: AtomicBool::new(true),
        }
    }

    /// Since when the next request counts, once it may be sent; None when there is none.
    pub async fn next(&self) -> Option<Instant> {
        let Some(fixed) = &self.fixed else {
            let now = Instant::now();
            let in_time = now - self.begun < self.duration && !interrupt::requested();
            return (in_time || self.first.swap(false, Ordering::Relaxed)).then_some(now);
        };
        let permit = fixed.due.acquire().await.ok()?;
        let number = fixed.begun.fetch_add(1, Ordering::Relaxed);
        if number >= fixed.total || interrupt::requested() {
            // The permit goes back, to tell the next.
            return None;
        }
        permit.forget();
        Some(self.begun + fixed.after(number))
    }

    /// Says when requests are due, until all were. By a thread's sleep: the runtime's timer has a
    /// grain of a millisecond.
    pub fn keep(&self) {
        let Some(fixed) = &self.fixed else { return };
        for number in 0..fixed.total {
            let due = self.begun + fixed.after(number);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if interrupt::requested() {
                break;
            }
            fixed.due.add_permits(1);
        }
        fixed.due.add_permits(1);
    }

    /// Seconds from the beginning to `moment`, or to now.
    pub fn seconds_to(&self, moment: Option<Instant>) -> f64 {
        let moment = moment.unwrap_or_else(Instant::now);
        moment.saturating_duration_since(self.begun).as_secs_f64()
    }
}
