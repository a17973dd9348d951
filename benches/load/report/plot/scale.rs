//! Where a value lies along an axis, and which values are written there.

/// Values further apart than this are on a logarithmic scale: the least would not be seen.
const DECADES_FROM: f64 = 25.0;

pub struct Scale {
    low: f64,
    high: f64,
    /// In the drawing; `to` may be less than `from`, as upwards is.
    from: f64,
    to: f64,
    pub logarithmic: bool,
}

impl Scale {
    /// Holds all of them, and 0 unless it is logarithmic; None when none is above 0.
    pub fn of(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let above = values
            .into_iter()
            .filter(|value| *value > 0.0 && value.is_finite());
        let (least, most) = above.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let logarithmic = most / least >= DECADES_FROM;
        // A logarithmic axis has no natural beginning: one at which the least is well visible.
        let low = if logarithmic {
            step_below(least / 2.0)
        } else {
            0.0
        };
        (most > 0.0).then_some(Self {
            low,
            high: most,
            from,
            to,
            logarithmic,
        })
    }

    pub fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            value / self.high
        };
        self.from + share * (self.to - self.from)
    }

    /// Round values, at most so many.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        if !self.logarithmic {
            // The first round step of which there are not too many.
            let least = self.high / most as f64;
            let below = step_below(least);
            let step = steps(below).find(|step| *step >= least).unwrap_or(least);
            let count = (self.high / step).floor() as usize;
            return (0..=count).map(|at| at as f64 * step).collect();
        }
        let all: Vec<f64> = steps(self.low)
            .take_while(|step| *step <= self.high)
            .collect();
        let decades: Vec<f64> = all
            .iter()
            .copied()
            .filter(|step| (step.log10() - step.log10().round()).abs() < 1e-9)
            .collect();
        if all.len() <= most {
            return all;
        }
        let every = decades.len().div_ceil(most).max(1);
        let rest = decades
            .into_iter()
            .filter(|step| *step > self.low)
            .step_by(every);
        // Where the bars begin is nowhere else to be seen.
        [self.low].into_iter().chain(rest).collect()
    }
}

/// The greatest of 1, 2 and 5 times a power of ten that is not above.
fn step_below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let factors = [5.0, 2.0, 1.0];
    let fits = factors
        .into_iter()
        .find(|factor| factor * power <= value * (1.0 + 1e-9));
    fits.unwrap_or(1.0) * power
}

/// 1, 2 and 5 times powers of ten, from `first`, which is one of them.
fn steps(first: f64) -> impl Iterator<Item = f64> {
    let power = 10_f64.powf((first * (1.0 + 1e-9)).log10().floor());
    (0..)
        .flat_map(move |more| {
            let power = power * 10_f64.powi(more);
            [power, 2.0 * power, 5.0 * power]
        })
        .skip_while(move |step| *step < first * (1.0 - 1e-9))
}
