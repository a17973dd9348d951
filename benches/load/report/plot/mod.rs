//! A run as a handful of SVG files, each of all scenarios that have such figures. Here is said what
//! is drawn of which figure; the others draw.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{figures, numbers};

mod bars;
mod colours;
mod latency;
mod memory;
mod scale;
mod svg;

use bars::{Bar, Group, Panel};
use colours::Colours;
use figures::{Round, Run, Unit};

struct Plot {
    file: &'static str,
    /// For who cannot see it.
    describes: &'static str,
    /// None when the run has nothing of it.
    draw: fn(&Run, &Colours<'_>) -> Option<String>,
}

const PLOTS: [Plot; 5] = [
    Plot {
        file: "throughput.svg",
        describes: "Bars of the work done in a second, by scenario and program",
        draw: throughput,
    },
    Plot {
        file: "per-cpu.svg",
        describes: "Bars of the work done in a CPU-second, by scenario and program",
        draw: per_cpu,
    },
    Plot {
        file: "latency.svg",
        describes: "Latency from the median to the 99.9th percentile, by scenario and program",
        draw: latency::draw,
    },
    Plot {
        file: "memory.svg",
        describes: "Bars of the most resident memory, by scenario and program",
        draw: peaks,
    },
    Plot {
        file: "memory-over-time.svg",
        describes: "Lines of the resident memory during a round, by scenario and program",
        draw: memory::draw,
    },
];

/// Draws them into `dir`, which is made when it is missing; the files that there are now.
pub fn plots(run: &Run, dir: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(dir)?;
    let colours = Colours::of(run);
    let mut paths = Vec::new();
    for plot in &PLOTS {
        if let Some(text) = (plot.draw)(run, &colours) {
            let path = dir.join(plot.file);
            fs::write(&path, text)?;
            paths.push(path);
        }
    }
    Ok(paths)
}

pub fn describes(path: &Path) -> &'static str {
    let name = path.file_name().unwrap_or_default();
    let plot = PLOTS.iter().find(|plot| plot.file == name);
    plot.map_or("A plot", |plot| plot.describes)
}

const SPREAD: &str = "Median of the rounds; the thin line spans all of them.";

fn throughput(run: &Run, colours: &Colours<'_>) -> Option<String> {
    let of = |unit, of| groups(run, |of_unit| of_unit == unit, of, |_| None);
    let seconds = Panel {
        show: numbers::duration,
        tick: numbers::short_duration,
        ..Panel::new(
            "time until it is so (less is better)",
            of(Unit::Seconds, |round| Some(round.seconds * 1e6)),
        )
    };
    let panels = vec![
        Panel::new("requests per second", of(Unit::Requests, Round::rate)),
        Panel::new("megabytes per second", of(Unit::Megabytes, Round::rate)),
        seconds,
    ];
    bars::draw(colours, "Work per second", SPREAD, panels)
}

fn per_cpu(run: &Run, colours: &Colours<'_>) -> Option<String> {
    let of = |unit| groups(run, |of_unit| of_unit == unit, Round::per_cpu, |_| None);
    let panels = vec![
        Panel::new("requests per CPU-second", of(Unit::Requests)),
        Panel::new("megabytes per CPU-second", of(Unit::Megabytes)),
    ];
    let subtitle = format!("Of the program's own processes, user and system time. {SPREAD}");
    bars::draw(colours, "Work per CPU-second", &subtitle, panels)
}

fn peaks(run: &Run, colours: &Colours<'_>) -> Option<String> {
    let groups = groups(
        run,
        |_| true,
        |round| round.peak_bytes.map(numbers::mib),
        |round| round.idle_bytes.map(numbers::mib),
    );
    let panels = vec![Panel::new("MiB resident at most (less is better)", groups)];
    let subtitle =
        format!("All processes of a program; the white notch is where it began. {SPREAD}");
    bars::draw(colours, "Memory", &subtitle, panels)
}

/// Of every scenario of such a unit, the programs that have that figure.
fn groups(
    run: &Run,
    wanted: impl Fn(Unit) -> bool,
    of: fn(&Round) -> Option<f64>,
    notch: fn(&Round) -> Option<f64>,
) -> Vec<Group<'_>> {
    let scenarios = run
        .scenarios
        .iter()
        .filter(|scenario| wanted(scenario.unit));
    let groups = scenarios.map(|scenario| Group {
        name: &scenario.name,
        bars: scenario
            .peers
            .iter()
            .filter_map(|measured| {
                let (least, median, most) = measured.spread(of)?;
                Some(Bar {
                    peer: &measured.peer,
                    least,
                    median,
                    most,
                    notch: measured.median(notch),
                })
            })
            .filter(|bar| bar.median > 0.0)
            .collect(),
    });
    groups.filter(|group| !group.bars.is_empty()).collect()
}
