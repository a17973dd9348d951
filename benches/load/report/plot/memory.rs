//! Resident memory during a round: a small panel for each scenario, a curve for each program, all of
//! them on one scale of memory.

use super::colours::Colours;
use super::figures::{Measured, Run, Sample};
use super::numbers;
use super::scale::Scale;
use super::svg::{MARGIN, Svg, WIDTH};

const ACROSS: usize = 3;
/// More of them would be more than anybody looks at.
const MOST_PANELS: usize = 12;
/// Points of all curves together, of about 11 bytes each.
const MOST_POINTS: usize = 1800;
const HEIGHT: f64 = 120.0;
/// For the heading above a panel, and for ticks below it.
const ABOVE: f64 = 26.0;
const BELOW: f64 = 40.0;
/// For the scale of memory, at the left of a row's panels.
const TICKS: f64 = 38.0;
const BETWEEN: f64 = 26.0;

struct Curve<'a> {
    peer: &'a str,
    /// Seconds and MiB.
    points: Vec<(f64, f64)>,
}

struct Panel<'a> {
    name: &'a str,
    curves: Vec<Curve<'a>>,
}

pub fn draw(run: &Run, colours: &Colours<'_>) -> Option<String> {
    let all = run.scenarios.iter().map(|scenario| Panel {
        name: &scenario.name,
        curves: scenario.peers.iter().filter_map(curve).collect(),
    });
    let mut panels: Vec<Panel<'_>> = all.filter(|panel| !panel.curves.is_empty()).collect();
    choose(&mut panels);
    let curves = || panels.iter().flat_map(|panel| &panel.curves);
    let each = MOST_POINTS / curves().count().max(1);
    let values = || {
        curves()
            .flat_map(|curve| &curve.points)
            .map(|(_, mib)| *mib)
    };
    let logarithmic = if Scale::of(values(), 0.0, 1.0)?.logarithmic {
        " Logarithmic scale."
    } else {
        ""
    };
    let subtitle = format!(
        "Resident MiB of all processes of a program, in that round of each in which it took most.{logarithmic}"
    );
    let mut svg = Svg::new(
        "Memory over time",
        &subtitle,
        colours,
        curves().map(|curve| curve.peer),
    );
    let across = WIDTH - 2.0 * MARGIN - TICKS;
    let width = (across - BETWEEN * (ACROSS - 1) as f64) / ACROSS as f64;
    for row in panels.chunks(ACROSS) {
        let (top, bottom) = (svg.top + ABOVE, svg.top + ABOVE + HEIGHT);
        let scale = Scale::of(values(), bottom, top)?;
        for (at, panel) in row.iter().enumerate() {
            let left = MARGIN + TICKS + at as f64 * (width + BETWEEN);
            let frame = Frame {
                left,
                right: left + width,
                bottom,
            };
            if at == 0 {
                svg.text("y", left - 6.0, top - 14.0, "MiB");
            }
            svg.text("h", left, top - 14.0, panel.name);
            frame.draw(&mut svg, &scale, at == 0, panel, each);
        }
        svg.top = bottom + BELOW;
    }
    svg.top += 8.0;
    Some(svg.finish())
}

/// Where a panel is.
struct Frame {
    left: f64,
    right: f64,
    bottom: f64,
}

impl Frame {
    fn draw(
        &self,
        svg: &mut Svg<'_>,
        memory: &Scale,
        first: bool,
        panel: &Panel<'_>,
        points: usize,
    ) {
        for tick in memory.ticks(5) {
            let y = memory.at(tick);
            svg.line("", (self.left, y), (self.right, y));
            if first {
                svg.text("y", self.left - 6.0, y + 4.0, &numbers::short(tick));
            }
        }
        let ends = panel.curves.iter().filter_map(|curve| curve.points.last());
        let longest = ends.map(|(at, _)| *at).fold(0.0, f64::max);
        let Some(time) = Scale::of([longest], self.left, self.right) else {
            return;
        };
        for tick in time.ticks(4) {
            let label = format!("{} s", numbers::short(tick));
            svg.text("k", time.at(tick), self.bottom + 17.0, &label);
        }
        // Ours come first, and so are drawn last.
        for curve in panel.curves.iter().rev() {
            let points = thinned(&curve.points, points);
            let points = points
                .into_iter()
                .map(|(at, mib)| (time.at(at), memory.at(mib)));
            let stroke = svg.colour(curve.peer);
            svg.curve(points, &stroke);
        }
    }
}

/// Keeps those in which most memory is taken, in the order that they are in.
fn choose(panels: &mut Vec<Panel<'_>>) {
    let peak = |panel: &Panel<'_>| {
        let points = panel.curves.iter().flat_map(|curve| &curve.points);
        points.map(|(_, mib)| *mib).fold(0.0, f64::max)
    };
    let mut peaks: Vec<f64> = panels.iter().map(peak).collect();
    peaks.sort_by(|one, other| other.total_cmp(one));
    if let Some(&least) = peaks.get(MOST_PANELS - 1) {
        panels.retain(|panel| peak(panel) >= least);
        panels.truncate(MOST_PANELS);
    }
}

fn curve(measured: &Measured) -> Option<Curve<'_>> {
    let round = measured
        .rounds
        .iter()
        .max_by_key(|round| round.peak_bytes)?;
    let point = |sample: &Sample| Some((sample.at, numbers::mib(sample.resident_bytes?)));
    let points: Vec<_> = round.samples.iter().filter_map(point).collect();
    // One moment is no curve.
    (points.len() > 1).then_some(Curve {
        peer: &measured.peer,
        points,
    })
}

/// At most so many points: of neighbours, the one that took most, so that no peak is lost.
fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(most.max(1)).max(1);
    let highest = |points: &[(f64, f64)]| {
        let mut points = points.iter().copied();
        let first = points.next()?;
        Some(points.fold(
            first,
            |one, other| if other.1 > one.1 { other } else { one },
        ))
    };
    points.chunks(size).filter_map(highest).collect()
}
