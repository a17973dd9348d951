//! The metrics of the process itself. Where their numbers come from is `system`'s business.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::encode::Out;
use super::histogram::float;
use super::system;

/// Under the names that every Prometheus client library gives these.
#[derive(Debug)]
pub(super) struct Own {
    started: Option<f64>,
}

impl Own {
    pub(super) fn new() -> Self {
        Self {
            started: system::started(),
        }
    }
}

impl Collector for Own {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut out = Out(encoder);
        if let Some(started) = self.started {
            out.gauge(
                "process_start_time_seconds",
                "When the process started, in seconds since 1970.",
                started,
            )?;
        }
        // Not all of them is better than none.
        let Ok(now) = system::now() else {
            return Ok(());
        };
        out.counter_of(
            "process_cpu_seconds",
            "CPU seconds in user and kernel mode.",
            now.cpu_seconds,
        )?;
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Resident memory.",
                Some(now.resident_memory),
            ),
            (
                "process_virtual_memory_bytes",
                "Virtual memory.",
                Some(now.virtual_memory),
            ),
            ("process_threads", "Threads.", Some(now.threads)),
            (
                "process_open_fds",
                "Open descriptors.",
                Some(now.open_descriptors),
            ),
            (
                "process_max_fds",
                "Descriptors that may be open.",
                now.max_descriptors,
            ),
        ] {
            if let Some(value) = value {
                out.gauge(name, help, float(value))?;
            }
        }
        Ok(())
    }
}
