//! A run as it might have been, small enough to know what must come of it.

use crate::figures::{
    Goal, Latency, Machine, Measured, Missing, Round, Run, Sample, Scenario, Throttled, Unit,
};

pub const MIB: u64 = 1 << 20;

/// Three rounds of a second, the one in the middle with just that rate.
pub fn measured(peer: &str, rate: f64, p99: u64, peak: u64) -> Measured {
    let round = |factor: f64| Round {
        work: rate * factor,
        seconds: 1.0,
        cpu_seconds: Some(0.5),
        client_cpu_seconds: 0.3,
        latency: Some(Latency {
            p50: p99 / 4,
            p90: p99 / 2,
            p99,
            p999: p99 * 3,
            max: p99 * 4,
        }),
        idle_bytes: Some(4 * MIB),
        peak_bytes: Some(peak),
        samples: (0_u32..10)
            .map(|at| Sample {
                at: f64::from(at) / 10.0,
                work: rate * f64::from(at) / 10.0,
                resident_bytes: Some(peak - u64::from(9 - at) * 1000),
            })
            .collect(),
        ..Round::default()
    };
    Measured {
        peer: peer.into(),
        rounds: vec![round(0.98), round(1.0), round(1.02)],
    }
}

pub fn scenario(name: &str, unit: Unit, peers: Vec<Measured>) -> Scenario {
    Scenario {
        name: name.into(),
        what: format!("What {name} does."),
        unit,
        peers,
    }
}

fn goal(what: &str, value: Option<f64>, at_least: bool) -> Goal {
    Goal {
        what: what.into(),
        value,
        want: 2.0,
        at_least,
        unit: "x".into(),
    }
}

pub fn run() -> Run {
    let mut flask = measured("flask", 1_000.0, 80_000, 120 * MIB);
    flask.rounds[1].failures = 7;
    flask.rounds[1].throttled = Some(Throttled {
        periods: 37,
        seconds: 1.5,
    });
    Run {
        command: "cargo bench --bench load".into(),
        begun: "2026-01-02T03:04:05Z".into(),
        seconds: 61.5,
        machine: Machine {
            cpu: "Made Up 3000".into(),
            cores: 2,
            memory_bytes: 8 << 30,
            kernel: "Linux 6.1".into(),
        },
        versions: vec![("portfolio".into(), "0.1.0".into())],
        scenarios: vec![
            scenario(
                "health",
                Unit::Requests,
                vec![measured("portfolio", 50_000.0, 400, 8 * MIB), flask],
            ),
            scenario(
                "upload-1m",
                Unit::Megabytes,
                vec![measured("portfolio", 800.0, 9_000, 64 * MIB)],
            ),
        ],
        goals: vec![
            goal("reached", Some(2.5), true),
            goal("not reached", Some(2.5), false),
            goal("beside one that is missing", None, true),
        ],
        missing: vec![Missing {
            peer: "nginx".into(),
            why: "it is not installed".into(),
        }],
    }
}
