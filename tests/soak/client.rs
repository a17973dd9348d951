//! One client: chooses at random what to do next, does it, and notes what it knows of it.

use super::ledger::{Ledger, digest};
use super::report::Figures;
use super::run::Shared;
use crate::support::{Client, Dice, Noise};

/// What a client knows of its own write.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It is there: the server said so.
    Stored,
    /// It had no effect.
    Untouched,
    /// Nobody said.
    Unknown,
}

pub struct Uploader<'a> {
    pub shared: &'a Shared,
    pub dice: Dice,
    pub figures: Figures,
    ledger: Ledger,
    number: u64,
    keys: u64,
}

/// Sizes by how often they come up, in percent: mostly small.
const SIZES: [(u64, u64, u64); 6] = [
    (6, 0, 1),
    (54, 1, 20_000),
    (24, 20_000, 200_000),
    (9, 200_000, 1_500_000),
    (5, 1_500_000, 7_000_000),
    (2, 7_000_000, 30_000_000),
];

impl<'a> Uploader<'a> {
    pub fn new(shared: &'a Shared, seed: u64, number: u64) -> Self {
        Self {
            shared,
            dice: Dice::new(seed.wrapping_add(number << 48)),
            figures: Figures::default(),
            ledger: Ledger::default(),
            number,
            keys: 0,
        }
    }

    pub fn work(mut self) -> (Ledger, Figures) {
        while self.shared.next_upload() {
            self.upload();
            match self.dice.below(100) {
                0..12 => self.copy(false),
                12..18 => self.copy(true),
                18..26 => self.delete(),
                26..60 => self.read(),
                _ => {}
            }
        }
        (self.ledger, self.figures)
    }

    /// A connection to some replica; None when it is not there just now.
    pub fn connect(&mut self) -> Option<Client> {
        let port = self.shared.fleet.port(&mut self.dice);
        Client::try_connect(port)
    }

    /// What must not be: the run fails at its end.
    pub fn wrong(&mut self, what: String) {
        self.figures.wrong.push(what);
    }

    fn new_key(&mut self) -> String {
        self.keys += 1;
        format!("c{}-{}", self.number, self.keys)
    }

    fn live_key(&mut self) -> Option<String> {
        let live = self.ledger.live();
        (!live.is_empty()).then(|| self.dice.pick(live).clone())
    }

    fn size(&mut self) -> u64 {
        let mut left = self.dice.below(100);
        for (share, from, to) in SIZES {
            if left < share {
                return from + self.dice.below(to - from);
            }
            left -= share;
        }
        0
    }

    fn upload(&mut self) {
        let over = self.dice.chance(0.25);
        let old = if over { self.live_key() } else { None };
        let exists = old.is_some();
        let key = old.unwrap_or_else(|| self.new_key());
        let size = self.size();
        let data = Noise::new(self.dice.roll(), size)
            .collect::<Vec<_>>()
            .concat();
        let digest = digest(&data);
        self.figures.uploads += 1;
        self.shared.journal.note(|| format!("begin {key} {digest}"));
        let outcome = match self.dice.below(100) {
            0..22 => self.put(&key, &data),
            22..34 => self.put_chunked(&key, &data),
            34..50 => self.form(&key, &data),
            50..62 => self.put_if_absent(&key, &data, exists),
            62..84 => self.tus(&key, &data),
            _ => self.ietf(&key, &data),
        };
        self.shared
            .journal
            .note(|| format!("end {key} {digest} {outcome:?}"));
        match outcome {
            Outcome::Stored => {
                self.figures.acknowledged += 1;
                self.ledger.certain(&key, Some(digest));
            }
            Outcome::Untouched => self.ledger.untouched(&key),
            Outcome::Unknown => {
                self.figures.unknown += 1;
                self.ledger.perhaps(&key, Some(digest));
            }
        }
    }

    /// A request without a body, and what came of it; None when no replica could be asked.
    fn change(&mut self, method: &str, target: &str, done: u16) -> Option<Outcome> {
        let mut client = self.connect()?;
        client.send_head(method, target, &[("Content-Length", "0")]);
        let answer = client.try_answer(method);
        let outcome = self.judge(answer.as_ref(), target, &[done]);
        self.shared
            .journal
            .note(|| format!("{method} {target} {outcome:?}"));
        Some(outcome)
    }

    fn copy(&mut self, moves: bool) {
        let Some(from) = self.live_key() else { return };
        let to = self.new_key();
        let content = self.ledger.content(&from);
        let what = if moves { "move_to" } else { "copy_to" };
        let target = format!("/files/{from}?{what}={to}");
        let Some(outcome) = self.change("POST", &target, 201) else {
            return;
        };
        match outcome {
            Outcome::Stored => {
                self.figures.copies += 1;
                self.ledger.certain(&to, content);
                if moves {
                    self.ledger.certain(&from, None);
                }
            }
            Outcome::Untouched => {}
            Outcome::Unknown => {
                self.ledger.perhaps(&to, content);
                if moves {
                    self.ledger.perhaps(&from, None);
                    self.ledger.moves.push((from, to));
                }
            }
        }
    }

    fn delete(&mut self) {
        let Some(key) = self.live_key() else { return };
        let Some(outcome) = self.change("DELETE", &format!("/files/{key}"), 204) else {
            return;
        };
        match outcome {
            Outcome::Stored => {
                self.figures.deletes += 1;
                self.ledger.certain(&key, None);
            }
            Outcome::Untouched => {}
            Outcome::Unknown => self.ledger.perhaps(&key, None),
        }
    }

    fn read(&mut self) {
        let Some(key) = self.live_key() else { return };
        let Some(mut client) = self.connect() else {
            return;
        };
        let mut body = Vec::new();
        let target = format!("/files/{key}");
        let answer = client.download(&target, &[], |block| body.extend_from_slice(block));
        match answer.map(|answer| answer.status) {
            Some(200) => {
                self.figures.reads += 1;
                if Some(digest(&body)) != self.ledger.content(&key) {
                    self.wrong(format!("GET {key} gave other bytes"));
                }
            }
            // It broke off, or the store failed: said, and no harm.
            None | Some(502..=504) => {}
            Some(status) => self.wrong(format!("GET {key} gave {status}")),
        }
    }
}
