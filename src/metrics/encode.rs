//! Writes metrics in the words of prometheus-client, and its OpenMetrics text in Prometheus' older
//! format for those who ask for that.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::histogram::{Histogram, Snapshot, float};

/// Labels of one number.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Where metrics are written to.
pub(super) struct Out<'a>(pub(super) DescriptorEncoder<'a>);

impl Out<'_> {
    /// A counter without labels. `_total` is added to the name.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let kind = MetricType::Counter;
        self.0
            .encode_descriptor(name, help, None, kind)?
            .encode_counter::<NoLabelSet, u64, f64>(&value, None)
    }

    /// The same, of a number that is not whole.
    pub(super) fn counter_of(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let kind = MetricType::Counter;
        self.0
            .encode_descriptor(name, help, None, kind)?
            .encode_counter::<NoLabelSet, f64, f64>(&value, None)
    }

    /// A counter with labels. `_total` is added to the name.
    pub(super) fn counters<'v>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'v>, u64)>,
    ) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            encoder
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        Ok(())
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let kind = MetricType::Gauge;
        self.0
            .encode_descriptor(name, help, None, kind)?
            .encode_gauge(&value)
    }

    /// A gauge that is always 1, and what its labels tell.
    pub(super) fn info(&mut self, name: &str, help: &str, labels: Labels<'_>) -> fmt::Result {
        let kind = MetricType::Gauge;
        self.0
            .encode_descriptor(name, help, None, kind)?
            .encode_family(&labels)?
            .encode_gauge(&1_u64)
    }

    /// Histograms with labels, those left out that nothing was added to. `unit` of a value's own
    /// unit are one of the metric's.
    pub(super) fn histograms<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        (bounds, unit): (&[u64; N], f64),
        values: impl IntoIterator<Item = ([(&'v str, &'v str); 2], &'v Histogram<N>)>,
    ) -> fmt::Result {
        let kind = MetricType::Histogram;
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, histogram) in values {
            let Snapshot {
                sum,
                count,
                buckets,
            } = histogram.snapshot(bounds, unit);
            if count > 0 {
                encoder
                    .encode_family(&labels)?
                    .encode_histogram::<NoLabelSet>(float(sum) / unit, count, &buckets, None)?;
            }
        }
        Ok(())
    }
}

/// The same in Prometheus' text format 0.0.4, where a counter is described under its whole name.
pub(super) fn to_prometheus_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 1024);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            break;
        }
        if let Some(rest) = line.strip_prefix("# HELP ")
            && let Some((name, help)) = rest.split_once(' ')
            && let Some(kind) = lines
                .peek()
                .and_then(|next| next.strip_prefix("# TYPE ")?.strip_prefix(name))
        {
            let total = if kind == " counter" { "_total" } else { "" };
            let _ = writeln!(
                text,
                "# HELP {name}{total} {help}\n# TYPE {name}{total}{kind}"
            );
            lines.next();
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_described_under_its_whole_name_in_the_older_format() {
        let text = "# HELP a_b Help.\n# TYPE a_b counter\na_b_total{x=\"y\"} 1\n\
                    # HELP c It.\n# TYPE c gauge\nc 2\n# EOF\n";
        let want = "# HELP a_b_total Help.\n# TYPE a_b_total counter\na_b_total{x=\"y\"} 1\n\
                    # HELP c It.\n# TYPE c gauge\nc 2\n";
        assert_eq!(to_prometheus_text(text), want);
    }
}
