//! Latency of every scenario and program along one axis: a dot at the median, a bar to the 99th
//! percentile, a line to the 99.9th.

use super::bars::{axis, left};
use super::colours::Colours;
use super::figures::{Latency, Measured, Run, Unit};
use super::numbers;
use super::scale::Scale;
use super::svg::{MARGIN, Svg, WIDTH};

const PITCH: f64 = 16.0;
const GAP: f64 = 13.0;
/// For two values at the right of the longest line.
const VALUES: f64 = 130.0;

/// In microseconds.
struct Row<'a> {
    peer: &'a str,
    p50: f64,
    p99: f64,
    p999: f64,
}

struct Group<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
}

pub fn draw(run: &Run, colours: &Colours<'_>) -> Option<String> {
    let groups: Vec<Group<'_>> = run
        .scenarios
        .iter()
        .filter(|scenario| scenario.unit != Unit::Bytes)
        .map(|scenario| Group {
            name: &scenario.name,
            rows: scenario.peers.iter().filter_map(row).collect(),
        })
        .filter(|group| !group.rows.is_empty())
        .collect();
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let left = left(groups.iter().map(|group| group.name));
    let values = rows().flat_map(|row| [row.p50, row.p99, row.p999]);
    let scale = Scale::of(values, left, WIDTH - MARGIN - VALUES)?;
    let mut svg = Svg::new(
        "Latency",
        "Dot: median. Bar: to the 99th percentile. Line: to the 99.9th. Medians of the rounds; less is better.",
        colours,
        rows().map(|row| row.peer),
    );
    let height: f64 = groups
        .iter()
        .map(|group| PITCH * group.rows.len() as f64 + GAP)
        .sum();
    let (top, bottom) = (svg.top, svg.top + height);
    let value = WIDTH - MARGIN - VALUES + 14.0;
    svg.text("k", value + 22.0, top - 6.0, "p50");
    svg.text("k", value + 90.0, top - 6.0, "p99");
    axis(
        &mut svg,
        &scale,
        (top, bottom),
        "time until the answer",
        numbers::short_duration,
    );
    for group in &groups {
        svg.top += GAP / 2.0;
        let middle = svg.top + PITCH * group.rows.len() as f64 / 2.0;
        svg.text("n", left - 10.0, middle + 4.0, group.name);
        for row in &group.rows {
            let y = svg.top + PITCH / 2.0;
            let fill = svg.colour(row.peer);
            let [p50, p99, p999] = [row.p50, row.p99, row.p999].map(|value| scale.at(value));
            svg.range(y, p50, p99, p999, &fill);
            svg.text("y", value + 46.0, y + 4.0, &numbers::duration(row.p50));
            svg.text("y", value + 114.0, y + 4.0, &numbers::duration(row.p99));
            svg.top += PITCH;
        }
        svg.top += GAP / 2.0;
        svg.line("", (MARGIN, svg.top), (WIDTH - MARGIN, svg.top));
    }
    svg.top = bottom + 60.0;
    Some(svg.finish())
}

fn row(measured: &Measured) -> Option<Row<'_>> {
    let median = |of: fn(&Latency) -> u64| {
        measured.median(|round| round.latency.as_ref().map(|latency| of(latency) as f64))
    };
    Some(Row {
        peer: &measured.peer,
        p50: median(|latency| latency.p50)?,
        p99: median(|latency| latency.p99)?,
        p999: median(|latency| latency.p999)?,
    })
}
