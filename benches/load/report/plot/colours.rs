//! A colour for each program, the same in every plot of a run. A variant, `nginx-logging`, has a
//! shade of its family's, `nginx`, and the same one as other families' variants of that name.

use super::figures::Run;

type Rgb = [u8; 3];

/// Told apart also by who sees no red or no green.
const KNOWN: [(&str, Rgb); 4] = [
    ("portfolio", [0x0b, 0x5f, 0xc0]),
    ("nginx", [0x12, 0x94, 0x6c]),
    ("flask", [0xe3, 0x7c, 0x0a]),
    ("straight", [0x76, 0x7d, 0x87]),
];
const OTHERS: [Rgb; 3] = [[0x8a, 0x55, 0xc4], [0xb8, 0x3b, 0x72], [0x12, 0x9a, 0xab]];

/// In the order in which the run has them.
pub struct Colours<'a> {
    /// Families that have no colour of their own.
    others: Vec<&'a str>,
    variants: Vec<&'a str>,
}

impl<'a> Colours<'a> {
    pub fn of(run: &'a Run) -> Self {
        let (mut others, mut variants) = (Vec::new(), vec![""]);
        for measured in run.scenarios.iter().flat_map(|scenario| &scenario.peers) {
            let (family, variant) = parts(&measured.peer);
            if known(family).is_none() && !others.contains(&family) {
                others.push(family);
            }
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
        Self { others, variants }
    }

    /// As `#rrggbb`.
    pub fn colour(&self, peer: &str) -> String {
        let (family, variant) = parts(peer);
        let place = |all: &[&str], name| all.iter().position(|other| *other == name);
        let other = place(&self.others, family).unwrap_or(0) % OTHERS.len();
        let rgb = known(family).unwrap_or(OTHERS[other]);
        let [red, green, blue] = match place(&self.variants, variant).unwrap_or(0) {
            0 => rgb,
            at => rgb.map(|part| shade(part, at)),
        };
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

fn known(family: &str) -> Option<Rgb> {
    let known = KNOWN.iter().find(|(name, _)| *name == family);
    known.map(|(_, rgb)| *rgb)
}

/// The family, and what is told of it after the dash.
fn parts(peer: &str) -> (&str, &str) {
    peer.split_once('-').unwrap_or((peer, ""))
}

/// Lighter, darker, still lighter, and around again.
fn shade(part: u8, at: usize) -> u8 {
    match at % 3 {
        1 => 255 - (255 - part) / 2,
        2 => part / 2,
        _ => 255 - (255 - part) / 4,
    }
}
