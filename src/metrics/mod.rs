//! What Prometheus reads: every metric with its name, its meaning and where its number comes from.
//! Numbers are kept where things happen, in [`http`], [`calls`], [`Counters`](crate::counters) and
//! others; here they are only read. Who may ask for them is `server::metrics`' business.

pub mod calls;
mod encode;
pub mod histogram;
pub mod http;
mod process;
mod system;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::app::Process;
use crate::logging;
use calls::{Calls, OPERATIONS, OUTCOMES};
use encode::Out;
use histogram::{DURATIONS, SIZES, float};
use http::{ByRoute, CLASSES, Http, METHODS, ROUTES};
use process::Own;

/// Before the name of each metric of our own.
const PREFIX: &str = "cloud_portfolio";

/// Bounds of durations and of sizes, and how many of their units are one of the metric's.
const SECONDS: (&[u64; 16], f64) = (&DURATIONS, 1e6);
const BYTES: (&[u64; 8], f64) = (&SIZES, 1.0);

/// The format that an answer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What whoever sends this `Accept` is given: OpenMetrics where it is named.
    #[must_use]
    pub fn of(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Every metric of the process.
pub struct Metrics(Registry);

impl Metrics {
    /// Those of this process.
    #[must_use]
    pub fn new(process: &Arc<Process>) -> Self {
        let mut registry = Registry::default();
        registry
            .sub_registry_with_prefix(PREFIX)
            .register_collector(Box::new(Ours(Arc::clone(process))));
        registry.register_collector(Box::new(Own::new()));
        Self(registry)
    }

    /// All of them as they are now.
    pub fn encode(&self, format: Format) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0)?;
        Ok(match format {
            Format::OpenMetrics => out,
            Format::Prometheus => encode::to_prometheus_text(&out),
        })
    }
}

struct Ours(Arc<Process>);

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ours")
    }
}

impl Collector for Ours {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let process = &self.0;
        let mut out = Out(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.info("build_info", "The program's version.", &version)?;
        requests(&mut out, process)?;
        uploads(&mut out, process)?;
        for (name, help, values) in process.counters.families() {
            if let [([("", ""), ..], value)] = values.as_slice() {
                out.counter(name, help, *value)?;
            } else {
                let values = values.iter().map(|(labels, value)| (&labels[..], *value));
                out.counters(name, help, values)?;
            }
        }
        store(&mut out, process)?;
        out.counter(
            "log_lines_dropped",
            "Log lines left out because nobody read those before.",
            logging::left_out(),
        )
    }
}

fn requests(out: &mut Out<'_>, process: &Process) -> fmt::Result {
    let http = Http::sum(&process.http);
    let mut values = Vec::new();
    for (route, of_route) in ROUTES.iter().zip(http.requests.iter()) {
        for (method, of_method) in METHODS.iter().zip(of_route) {
            for (class, number) in CLASSES.iter().zip(of_method) {
                let number = number.load(Ordering::Relaxed);
                if number > 0 {
                    values.push((
                        [("route", *route), ("method", method), ("status", class)],
                        number,
                    ));
                }
            }
        }
    }
    out.counters(
        "http_requests",
        "Requests that are over.",
        values.iter().map(|(labels, number)| (&labels[..], *number)),
    )?;
    out.histograms(
        "http_request_duration_seconds",
        "From a request's head to the last byte of its answer, the client's own pace included.",
        SECONDS,
        by_route(&http.durations),
    )?;
    out.histograms(
        "http_request_size_bytes",
        "Body bytes of requests.",
        BYTES,
        by_route(&http.received),
    )?;
    out.histograms(
        "http_response_size_bytes",
        "Body bytes of answers.",
        BYTES,
        by_route(&http.sent),
    )?;
    out.gauge(
        "http_requests_in_flight",
        "Requests that are being served.",
        float(http.requests_open.now()),
    )?;
    out.gauge(
        "http_connections",
        "Client connections that are open.",
        float(http.connections.now()),
    )?;
    out.counter(
        "http_connections_accepted",
        "Client connections that were taken.",
        http.connections.begun(),
    )
}

fn by_route<T>(of: &ByRoute<T>) -> impl Iterator<Item = ([(&str, &str); 2], &T)> {
    ROUTES.iter().zip(of).flat_map(|(route, of_route)| {
        let each = CLASSES.iter().zip(of_route);
        each.map(move |(class, value)| ([("route", *route), ("status", *class)], value))
    })
}

fn uploads(out: &mut Out<'_>, process: &Process) -> fmt::Result {
    let budget = &process.budget;
    out.gauge(
        "upload_buffer_used_bytes",
        "Of the upload buffers, what is in use.",
        float(budget.in_use() as u64),
    )?;
    out.gauge(
        "upload_buffer_limit_bytes",
        "Of the upload buffers, what may be in use at most.",
        float(process.config.upload.buffer_bytes as u64),
    )?;
    let waits = budget.waits();
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    out.counters(
        "upload_buffer_waits",
        "Uploads of unknown length that had to wait for room in the upload buffers.",
        [
            (&[("outcome", "granted")][..], read(&waits.granted)),
            (&[("outcome", "refused")][..], read(&waits.refused)),
        ],
    )?;
    out.counter_of(
        "upload_buffer_wait_seconds",
        "How long they waited in all.",
        float(read(&waits.micros)) / 1e6,
    )
}

fn store(out: &mut Out<'_>, process: &Process) -> fmt::Result {
    let calls: &Calls = &process.counters.calls;
    let ready =
        process.health.is_ready(process.config.ready_strict) && !process.phase.is_withdrawing();
    let flag = |set: bool| f64::from(u8::from(set));
    out.gauge("ready", "Whether /ready answers 200.", flag(ready))?;
    out.gauge(
        "store_up",
        "Whether the store answered when it was last asked.",
        flag(process.health.is_reachable()),
    )?;
    out.histograms(
        "s3_call_duration_seconds",
        "From sending a call to S3 until its answer is read, of an object's bytes until they begin.",
        SECONDS,
        OPERATIONS.iter().zip(calls.durations.iter()).flat_map(|(name, of)| {
            let each = OUTCOMES.iter().zip(of);
            each.map(move |(outcome, value)| ([("operation", *name), ("outcome", *outcome)], value))
        }),
    )?;
    out.gauge(
        "s3_calls_in_flight",
        "Calls to S3 under way.",
        float(calls.open.now()),
    )?;
    out.gauge(
        "s3_connections",
        "Connections to S3, those in use and those kept for the next calls.",
        float(calls.connections.now()),
    )?;
    out.counters(
        "s3_connections_opened",
        "Connections to S3 that were tried.",
        [
            (&[("outcome", "success")][..], calls.connections.begun()),
            (
                &[("outcome", "failure")][..],
                calls.failed_connections.load(Ordering::Relaxed),
            ),
        ],
    )?;
    if let Some(expiry) = process.counters.credentials_expiry() {
        out.gauge(
            "s3_credentials_expiry_timestamp_seconds",
            "When the credentials in use end, in seconds since 1970.",
            float(expiry),
        )?;
    }
    Ok(())
}
