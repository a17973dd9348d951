//! What the figures should be, as ratios within one run: absolute figures are the machine's.

use super::figures::{Goal, Measured, Round, Scenario};
use super::peers::{flask, nginx, portfolio};

const MIB: f64 = 1_048_576.0;
const OURS: &str = portfolio::NAME;

/// Of what a run measured: goals of scenarios that were not played are left out.
pub fn of(scenarios: &[Scenario]) -> Vec<Goal> {
    let mut goals = Goals {
        scenarios,
        goals: Vec::new(),
    };
    goals.rates();
    goals.large();
    goals.memory();
    goals.starts();
    goals.connections();
    goals.goals
}

struct Goals<'a> {
    scenarios: &'a [Scenario],
    goals: Vec<Goal>,
}

impl Goals<'_> {
    fn rates(&mut self) {
        let per_cpu = Round::per_cpu;
        let rate = Round::rate;
        self.ratio("health", nginx::NAME, "requests a CPU-second", per_cpu, 1.0);
        self.ratio("page", nginx::NAME, "requests a CPU-second", per_cpu, 2.0);
        self.ratio("page", flask::NAME, "requests a CPU-second", per_cpu, 15.0);
        for name in ["upload-1k-16", "upload-1k-256"] {
            self.ratio(name, flask::NAME, "rate", rate, 20.0);
            self.ratio(name, flask::NAME, "uploads a CPU-second", per_cpu, 20.0);
            self.ratio(name, "straight", "rate", rate, 0.8);
        }
    }

    fn large(&mut self) {
        self.ratio("upload-100m", "straight", "rate", Round::rate, 0.95);
        for name in ["upload-100m", "upload-100m-discard", "upload-100m-tls"] {
            let ours = self.median(name, OURS, gigabyte_cost);
            if name != "upload-100m-tls" {
                self.at_most(name, "CPU-seconds a GB", ours, 1.0, "s");
            }
            let what = "CPU-seconds a GB, of nginx's as a proxy";
            let ratio = self.paired(name, (OURS, nginx::NAME), gigabyte_cost);
            self.at_most(name, what, ratio, 1.2, "x");
        }
    }

    fn memory(&mut self) {
        let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / MIB);
        let first = |measured: &Measured| mib(measured.rounds.first()?.idle_bytes);
        let most = |measured: &Measured| {
            mib(measured
                .rounds
                .iter()
                .filter_map(|round| round.peak_bytes)
                .max())
        };
        let idle = self.ours("mixed-256").and_then(first);
        self.at_most(
            "mixed-256",
            "resident before the first request",
            idle,
            4.0,
            "MiB",
        );
        for name in ["upload-100m", "upload-100m-discard", "upload-100m-tls"] {
            let one = self.ours(name).and_then(most);
            self.at_most(name, "resident at most", one, 16.0, "MiB");
        }
        let many = self.ours("mixed-256").and_then(most);
        self.at_most("mixed-256", "resident at most", many, 96.0, "MiB");
    }

    fn starts(&mut self) {
        for (name, want) in [("cold-start", 10.0), ("pod-cold-start", 50.0)] {
            let took = self.median(name, OURS, |round| Some(round.seconds * 1e3));
            self.at_most(name, "exec to the first answer", took, want, "ms");
        }
    }

    fn connections(&mut self) {
        const NAME: &str = "idle-connections";
        let cost = |round: &Round| Some(1.0 / round.per_cpu()?);
        for peer in ["portfolio-100", "portfolio-1000"] {
            let what = format!("CPU a request of {peer}, of portfolio-1's");
            let ratio = self.paired(NAME, (peer, "portfolio-1"), cost);
            self.at_most(NAME, &what, ratio, 1.15, "x");
        }
        let idle = |round: &Round| Some(round.idle_bytes? as f64 / 1024.0);
        let many = self.median(NAME, "portfolio-1000", idle);
        let one = self.median(NAME, "portfolio-1", idle);
        let each = many.zip(one).map(|(many, one)| (many - one) / 999.0);
        self.at_most(NAME, "memory of an idle connection", each, 32.0, "KiB");
    }

    /// Ours is to be at least `want` times that of `peer`.
    fn ratio(
        &mut self,
        name: &str,
        peer: &str,
        what: &str,
        of: fn(&Round) -> Option<f64>,
        want: f64,
    ) {
        let value = self.paired(name, (OURS, peer), of);
        self.push(
            name,
            &format!("{what}, of {peer}'s"),
            value,
            want,
            true,
            "x",
        );
    }

    /// The median of the rounds' own ratios: what is between two turns of one round is shorter than
    /// most of what else the machine has to do, and so counts for both.
    fn paired(
        &self,
        name: &str,
        (ours, theirs): (&str, &str),
        of: fn(&Round) -> Option<f64>,
    ) -> Option<f64> {
        let scenario = self.scenario(name)?;
        let (ours, theirs) = (scenario.peer(ours)?, scenario.peer(theirs)?);
        let both = ours.rounds.iter().zip(&theirs.rounds);
        let mut ratios: Vec<f64> = both
            .filter_map(|(ours, theirs)| Some(of(ours)? / of(theirs)?))
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied()
    }

    fn at_most(&mut self, name: &str, what: &str, value: Option<f64>, want: f64, unit: &str) {
        self.push(name, what, value, want, false, unit);
    }

    fn push(
        &mut self,
        name: &str,
        what: &str,
        value: Option<f64>,
        want: f64,
        at_least: bool,
        unit: &str,
    ) {
        if self.scenario(name).is_some() {
            self.goals.push(Goal {
                what: format!("{name}: {what}"),
                value,
                want,
                at_least,
                unit: unit.to_owned(),
            });
        }
    }

    fn scenario(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }

    fn ours(&self, name: &str) -> Option<&Measured> {
        self.scenario(name)?.peer(OURS)
    }

    fn median(&self, name: &str, peer: &str, of: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        self.scenario(name)?.peer(peer)?.median(of)
    }
}

/// CPU-seconds for 1,000 MB.
fn gigabyte_cost(round: &Round) -> Option<f64> {
    Some(1e3 / round.per_cpu()?)
}
