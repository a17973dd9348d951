//! What is going on, for who waits: a bar on a terminal, else a line for each scenario.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style =
            ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {prefix} {msg}");
        bar.set_style(style.expect("a template"));
        Self {
            bar,
            begun: Instant::now(),
        }
    }

    pub fn begin(&self, scenario: &'static str, steps: usize) {
        if self.bar.is_hidden() {
            eprintln!("{:>6.1} s {scenario}", self.begun.elapsed().as_secs_f64());
        }
        self.bar.set_position(0);
        self.bar.set_length(steps as u64);
        self.bar.set_prefix(scenario);
    }

    pub fn step(&self, peer: &str) {
        self.bar.set_message(peer.to_owned());
        self.bar.inc(1);
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
