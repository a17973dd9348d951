//! The figures of a run, and what must be true of them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use super::fleet::Ended;
use super::verify::Found;

/// What clients counted.
#[derive(Default)]
pub struct Figures {
    pub uploads: u64,
    pub acknowledged: u64,
    /// Writes whose outcome nobody said.
    pub unknown: u64,
    pub cuts: u64,
    pub forgotten: u64,
    /// Conditions that did not hold, as they should not.
    pub preconditions: u64,
    pub copies: u64,
    pub deletes: u64,
    pub reads: u64,
    /// Refusals by status.
    pub refused: BTreeMap<u16, u64>,
    /// What must not be.
    pub wrong: Vec<String>,
}

pub struct Report {
    pub seed: u64,
    pub took: Duration,
    pub verifying: Duration,
    pub faults: BTreeMap<&'static str, u64>,
    pub figures: Figures,
    pub ended: Ended,
    pub found: Found,
}

/// Goes past the test harness, which shows nothing of a test that passes.
pub fn say(line: &str) {
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

impl Figures {
    pub fn merge(&mut self, other: Self) {
        for (mine, its) in [
            (&mut self.uploads, other.uploads),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.unknown, other.unknown),
            (&mut self.cuts, other.cuts),
            (&mut self.forgotten, other.forgotten),
            (&mut self.preconditions, other.preconditions),
            (&mut self.copies, other.copies),
            (&mut self.deletes, other.deletes),
            (&mut self.reads, other.reads),
        ] {
            *mine += its;
        }
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.wrong.extend(other.wrong);
    }
}

impl Report {
    pub fn print(&self) {
        let Self {
            figures: f,
            ended,
            found,
            ..
        } = self;
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let pairs = |all: Vec<String>| all.join(" ");
        let faults = self
            .faults
            .iter()
            .map(|(name, count)| format!("{name}={count}"));
        let refused = f
            .refused
            .iter()
            .map(|(status, count)| format!("{status}={count}"));
        let counted = ended
            .counters
            .iter()
            .map(|(name, count)| format!("{name}={count}"));
        for (name, value) in [
            ("took", seconds(self.took)),
            ("verified in", seconds(self.verifying)),
            ("uploads", f.uploads.to_string()),
            ("acknowledged", f.acknowledged.to_string()),
            ("outcome unknown", f.unknown.to_string()),
            ("cut by clients", f.cuts.to_string()),
            ("forgotten", f.forgotten.to_string()),
            ("conditions refused", f.preconditions.to_string()),
            ("copies and moves", f.copies.to_string()),
            ("deletes", f.deletes.to_string()),
            ("reads", f.reads.to_string()),
            ("refused", pairs(refused.collect())),
            ("replicas terminated", ended.terminated.to_string()),
            ("replicas killed", ended.killed.len().to_string()),
            ("faults", self.faults.values().sum::<u64>().to_string()),
            ("faults by kind", pairs(faults.collect())),
            ("counted", pairs(counted.collect())),
            ("keys checked", found.checked.to_string()),
            ("unfinished, swept", found.swept.to_string()),
            ("begun and told nobody", found.untold.to_string()),
            ("lost", found.lost.len().to_string()),
            ("corrupt", found.corrupt.len().to_string()),
            ("orphans", found.orphans.len().to_string()),
            ("panics", ended.panics.len().to_string()),
        ] {
            say(&format!("soak: {name}: {value}"));
        }
    }

    /// Fails with everything that is not as it must be.
    pub fn check(&self) {
        let Self {
            figures,
            ended,
            found,
            ..
        } = self;
        let mut wrong = Vec::new();
        for (what, all) in [
            ("wrong", &figures.wrong),
            ("wrong", &ended.wrong),
            ("panic", &ended.panics),
            ("lost", &found.lost),
            ("corrupt", &found.corrupt),
            ("orphan", &found.orphans),
        ] {
            wrong.extend(all.iter().map(|one| format!("{what}: {one}")));
        }
        for name in super::run::FAULTS {
            if !self.faults.contains_key(name) {
                wrong.push(format!("no {name} has happened"));
            }
        }
        for name in [
            "store_retries_total",
            "store_settled_total{outcome=\"found\"}",
            "uploads_resumed_total",
        ] {
            if ended.counters.get(name).is_none_or(|&count| count == 0) {
                wrong.push(format!("{name} is 0"));
            }
        }
        if figures.acknowledged * 2 < figures.uploads {
            wrong.push("most uploads fail".to_owned());
        }
        let seed = self.seed;
        assert!(wrong.is_empty(), "SOAK_SEED={seed}\n{}", wrong.join("\n"));
    }
}
