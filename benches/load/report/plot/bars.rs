//! Panels of lying bars: a group for each scenario, a bar for each program, its value beside it.

use super::colours::Colours;
use super::numbers;
use super::scale::Scale;
use super::svg::{MARGIN, Svg, WIDTH, width};

pub struct Bar<'a> {
    pub peer: &'a str,
    pub least: f64,
    pub median: f64,
    pub most: f64,
    /// A value that is cut into the bar.
    pub notch: Option<f64>,
}

pub struct Group<'a> {
    pub name: &'a str,
    pub bars: Vec<Bar<'a>>,
}

/// Groups along one axis.
pub struct Panel<'a> {
    /// What is measured, and in which unit.
    pub axis: &'static str,
    /// A value beside its bar, and one of the axis.
    pub show: fn(f64) -> String,
    pub tick: fn(f64) -> String,
    pub groups: Vec<Group<'a>>,
}

impl<'a> Panel<'a> {
    pub fn new(axis: &'static str, groups: Vec<Group<'a>>) -> Self {
        Self {
            axis,
            show: numbers::number,
            tick: numbers::short,
            groups,
        }
    }
}

/// From one bar to the next.
const PITCH: f64 = 15.0;
const THICKNESS: f64 = 12.0;
/// Between groups.
const GAP: f64 = 13.0;
/// For a value at the right of the longest bar.
const VALUE: f64 = 62.0;
const MOST_TICKS: usize = 9;

/// None when no panel has a bar.
pub fn draw(
    colours: &Colours<'_>,
    title: &str,
    subtitle: &str,
    mut panels: Vec<Panel<'_>>,
) -> Option<String> {
    panels.retain(|panel| !panel.groups.is_empty());
    if panels.is_empty() {
        return None;
    }
    let groups = || panels.iter().flat_map(|panel| &panel.groups);
    let peers = groups().flat_map(|group| group.bars.iter().map(|bar| bar.peer));
    let mut svg = Svg::new(title, subtitle, colours, peers);
    let left = left(groups().map(|group| group.name));
    for panel in &panels {
        draw_panel(&mut svg, panel, left);
    }
    Some(svg.finish())
}

/// Where the axes begin, at the right of the longest name.
pub fn left<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    MARGIN + names.map(width).fold(60.0, f64::max) + 10.0
}

fn draw_panel(svg: &mut Svg<'_>, panel: &Panel<'_>, left: f64) {
    let values = panel.groups.iter().flat_map(|group| &group.bars);
    let values = values.flat_map(|bar| [bar.least, bar.most].into_iter().chain(bar.notch));
    let Some(scale) = Scale::of(values, left, WIDTH - MARGIN - VALUE) else {
        return;
    };
    let height: f64 = panel
        .groups
        .iter()
        .map(|group| PITCH * group.bars.len() as f64 + GAP)
        .sum();
    let (top, bottom) = (svg.top, svg.top + height);
    axis(svg, &scale, (top, bottom), panel.axis, panel.tick);
    for group in &panel.groups {
        svg.top += GAP / 2.0;
        let middle = svg.top + PITCH * group.bars.len() as f64 / 2.0;
        svg.text("n", left - 10.0, middle + 4.0, group.name);
        for bar in &group.bars {
            draw_bar(svg, bar, (&scale, left), panel.show);
            svg.top += PITCH;
        }
        svg.top += GAP / 2.0;
        svg.line("", (MARGIN, svg.top), (WIDTH - MARGIN, svg.top));
    }
    svg.top = bottom + 66.0;
}

fn draw_bar(
    svg: &mut Svg<'_>,
    bar: &Bar<'_>,
    (scale, left): (&Scale, f64),
    show: fn(f64) -> String,
) {
    let top = svg.top + (PITCH - THICKNESS) / 2.0;
    let middle = svg.top + PITCH / 2.0;
    let end = scale.at(bar.median);
    svg.rect(
        (left, top),
        ((end - left).max(1.0), THICKNESS),
        &svg.colour(bar.peer),
    );
    if let Some(notch) = bar.notch.filter(|&notch| notch < bar.median) {
        svg.rect((scale.at(notch) - 1.0, top), (2.0, THICKNESS), "#fff");
    }
    let most = scale.at(bar.most);
    if bar.most > bar.least {
        svg.line("w", (scale.at(bar.least), middle), (most, middle));
    }
    svg.text("v", most.max(end) + 6.0, middle + 4.0, &show(bar.median));
}

/// A grid of upright lines between `top` and `bottom`, their values and what they mean.
pub fn axis(
    svg: &mut Svg<'_>,
    scale: &Scale,
    (top, bottom): (f64, f64),
    what: &str,
    show: fn(f64) -> String,
) {
    for tick in scale.ticks(MOST_TICKS) {
        let x = scale.at(tick);
        svg.line("", (x, top), (x, bottom));
        svg.text("k", x, bottom + 16.0, &show(tick));
    }
    let kind = if scale.logarithmic {
        ", logarithmic"
    } else {
        ""
    };
    let middle = f64::midpoint(scale.at(0.0), WIDTH - MARGIN - VALUE);
    svg.text("a", middle, bottom + 36.0, &format!("{what}{kind}"));
}
