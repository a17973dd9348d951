//! Random faults, the same for the same seed: one draw for each request, in the order in which
//! they come.

use std::time::Duration;

use super::super::Dice;
use super::Fault;
use super::wire::Head;

pub(super) struct Storm {
    dice: Dice,
    rate: f64,
    /// Faults that have not come up yet, in the order of [`WEIGHTS`].
    new: [bool; WEIGHTS.len()],
}

/// Short of any timeout: what comes late and still counts.
const DELAY: Duration = Duration::from_millis(300);

/// How often each fault comes up among those that can happen to a request. What a client must
/// see, and what costs a timeout, is rare: most requests would fail else.
const WEIGHTS: [(Fault, u64); 13] = [
    (Fault::LoseAnswer, 20),
    (Fault::Delay(DELAY), 10),
    (Fault::CutAnswer, 20),
    (Fault::MalformedHeader, 8),
    (Fault::MalformedXml, 12),
    (Fault::Reset, 15),
    (Fault::ResetInBody, 15),
    (Fault::ResetAfterBody, 15),
    (Fault::Stall, 2),
    (Fault::InternalError, 15),
    (Fault::SlowDown, 20),
    (Fault::ExpiredToken, 3),
    (Fault::ErrorIn200, 40),
];

impl Storm {
    pub(super) fn new(seed: u64, rate: f64) -> Self {
        Self {
            dice: Dice::new(seed),
            rate,
            new: [true; WEIGHTS.len()],
        }
    }

    pub(super) fn strike(&mut self, request: &Head) -> Option<Fault> {
        if !self.dice.chance(self.rate) {
            return None;
        }
        let possible = || {
            let all = WEIGHTS.iter().enumerate();
            all.filter(|(_, (fault, _))| can(*fault, request))
        };
        // Each of them once, before any comes up by its weight.
        if let Some((at, (fault, _))) = possible().find(|(at, _)| self.new[*at]) {
            self.new[at] = false;
            return Some(*fault);
        }
        let mut left = self
            .dice
            .below(possible().map(|(_, (_, weight))| weight).sum());
        for (_, (fault, weight)) in possible() {
            if left < *weight {
                return Some(*fault);
            }
            left -= weight;
        }
        None
    }
}

/// Whether a fault would be one to this request.
fn can(fault: Fault, request: &Head) -> bool {
    let query = request
        .target
        .split_once('?')
        .map_or("", |(_, query)| query);
    let is_get = request.method == "GET";
    let is_copy = request.has("x-amz-copy-source");
    let completes = request.method == "POST" && query.contains("uploadId=");
    match fault {
        Fault::CutAnswer => is_get,
        Fault::ErrorIn200 => is_copy || completes,
        Fault::MalformedXml => {
            let is_object = query.is_empty() || query.starts_with("versionId");
            is_copy || request.method == "POST" || (is_get && !is_object)
        }
        Fault::ResetInBody | Fault::ResetAfterBody => request.length > 0,
        _ => true,
    }
}
