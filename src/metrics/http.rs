//! Numbers of the requests that were served: fixed arrays of atomics, so that a request is counted
//! without a lock, an allocation or a search by label.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::{Method, StatusCode};

use super::histogram::{DURATIONS, Histogram, SIZES, micros};

/// Routes as [`crate::route::Route::name`] has them; the last is for what has none.
pub const ROUTES: [&str; 9] = [
    "/",
    "/upload",
    "/files",
    "/files/{key}",
    "/uploads",
    "/uploads/{id}",
    "/health",
    "/ready",
    "other",
];

/// Methods; the last is for any other.
pub const METHODS: [&str; 8] = [
    "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "other",
];

/// Classes of statuses. A request whose client left before the answer is a 499.
pub const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// One of something for each route and class of status.
pub type ByRoute<T> = [[T; CLASSES.len()]; ROUTES.len()];

/// The numbers of one worker. What each request writes stands on cache lines (which come in pairs)
/// that no other worker's does; the boxed ones are larger than such lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Http {
    /// Requests by route, method and class.
    pub requests: Box<[[[AtomicU64; CLASSES.len()]; METHODS.len()]; ROUTES.len()]>,
    /// From a request's head to the last byte of its answer, in microseconds.
    pub durations: Box<ByRoute<Histogram<16>>>,
    /// Body bytes of requests.
    pub received: Box<ByRoute<Histogram<8>>>,
    /// Body bytes of answers.
    pub sent: Box<ByRoute<Histogram<8>>>,
    /// Requests that are being served.
    pub requests_open: Open,
    /// Client connections.
    pub connections: Open,
}

/// What begins and ends: how often it has begun, and how often ended.
#[derive(Debug, Default)]
pub struct Open {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Open {
    /// One more.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn add(&self, other: &Self) {
        // In this order: what ends meanwhile is not missing below.
        let ended = other.ended.load(Ordering::Relaxed);
        self.ended.fetch_add(ended, Ordering::Relaxed);
        self.begun.fetch_add(other.begun(), Ordering::Relaxed);
    }

    /// How many have begun.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// How many there are now.
    #[must_use]
    pub fn now(&self) -> u64 {
        // In this order: what ends meanwhile is not missing below.
        let ended = self.ended.load(Ordering::Relaxed);
        self.begun().saturating_sub(ended)
    }
}

/// A request that is over.
pub struct Over<'a> {
    /// The route's name.
    pub route: &'a str,
    /// Its method.
    pub method: &'a Method,
    /// The answer's status.
    pub status: StatusCode,
    /// Body bytes that came.
    pub received: u64,
    /// Body bytes that went.
    pub sent: u64,
    /// From its head to now.
    pub took: Duration,
}

impl Http {
    /// What workers have counted, together.
    #[must_use]
    pub fn sum(all: &[Arc<Self>]) -> Self {
        let sum = Self::default();
        for one in all {
            let requests = one.requests.as_flattened().as_flattened();
            for (to, from) in sum
                .requests
                .as_flattened()
                .as_flattened()
                .iter()
                .zip(requests)
            {
                to.fetch_add(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            add(&sum.durations, &one.durations);
            add(&sum.received, &one.received);
            add(&sum.sent, &one.sent);
            sum.requests_open.add(&one.requests_open);
            sum.connections.add(&one.connections);
        }
        sum
    }

    /// Counts a request that is over.
    pub fn count(&self, over: &Over<'_>) {
        let class = usize::from(over.status.as_u16() / 100).saturating_sub(2);
        let class = class.min(CLASSES.len() - 1);
        let route = place(&ROUTES, over.route);
        let method = place(&METHODS, over.method.as_str());
        let of_route = self.requests.get(route).and_then(|of| of.get(method));
        if let Some(number) = of_route.and_then(|of| of.get(class)) {
            number.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(histogram) = of(&self.durations, route, class) {
            histogram.add(&DURATIONS, micros(over.took));
        }
        if let Some(histogram) = of(&self.received, route, class) {
            histogram.add(&SIZES, over.received);
        }
        if let Some(histogram) = of(&self.sent, route, class) {
            histogram.add(&SIZES, over.sent);
        }
    }
}

fn of<T>(by_route: &ByRoute<T>, route: usize, class: usize) -> Option<&T> {
    by_route.get(route)?.get(class)
}

fn add<const N: usize>(to: &ByRoute<Histogram<N>>, from: &ByRoute<Histogram<N>>) {
    let from = from.as_flattened();
    for (to, from) in to.as_flattened().iter().zip(from) {
        to.merge(from);
    }
}

/// Where the name is; the last place for one that is not there.
fn place(names: &[&str], name: &str) -> usize {
    let found = names.iter().position(|&known| known == name);
    found.unwrap_or(names.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route;

    fn count(http: &Http, route: &str, method: &Method, status: StatusCode) {
        http.count(&Over {
            route,
            method,
            status,
            received: 1,
            sent: 2,
            took: Duration::from_millis(3),
        });
    }

    #[test]
    fn each_route_has_a_place_of_its_own() {
        let paths = [
            "/",
            "/upload",
            "/files",
            "/files/a",
            "/uploads",
            "/uploads/a",
            "/health",
            "/ready",
        ];
        for (want, path) in paths.into_iter().enumerate() {
            let name = route::find("", path).map(route::Route::name);
            assert_eq!(place(&ROUTES, name.unwrap()), want, "{path}");
        }
    }

    #[test]
    fn whatever_a_client_sends_is_counted_under_a_name_of_ours() {
        let http = Http::default();
        let odd = Method::from_bytes(b"BREW").unwrap();
        count(&http, "-", &odd, StatusCode::NOT_FOUND);
        count(&http, "/upload", &Method::POST, StatusCode::CREATED);
        count(
            &http,
            "/upload",
            &Method::POST,
            StatusCode::from_u16(999).unwrap(),
        );
        let number = |route: usize, method: usize, class: usize| {
            http.requests[route][method][class].load(Ordering::Relaxed)
        };
        assert_eq!(number(ROUTES.len() - 1, 7, 2), 1);
        assert_eq!(number(1, 3, 0), 1);
        assert_eq!(number(1, 3, 3), 1);
        assert_eq!(http.durations[1][0].snapshot(&DURATIONS, 1e6).count, 1);
    }

    #[test]
    fn what_each_worker_has_counted_comes_together() {
        let workers: [Arc<Http>; 3] = Default::default();
        for (http, times) in workers.iter().zip(1..) {
            for _ in 0..times {
                http.requests_open.begin();
                count(http, "/upload", &Method::POST, StatusCode::CREATED);
            }
            http.requests_open.end();
            http.connections.begin();
        }
        let sum = Http::sum(&workers);
        assert_eq!(sum.requests[1][3][0].load(Ordering::Relaxed), 6);
        let durations = sum.durations[1][0].snapshot(&DURATIONS, 1e6);
        assert_eq!((durations.count, durations.sum), (6, 18_000));
        let sizes = [&sum.received, &sum.sent].map(|of| of[1][0].snapshot(&SIZES, 1.0).sum);
        assert_eq!(sizes, [6, 12]);
        assert_eq!((sum.requests_open.now(), sum.connections.begun()), (3, 3));
    }
}
