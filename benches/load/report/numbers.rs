//! Figures as people read them: three digits that count, and a unit that fits.

/// Three digits, or all of a whole number with its thousands apart.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size < 0.000_995 => format!("{value:.1e}"),
        size if size < 0.0995 => {
            // Two digits that count.
            let places = if size < 0.00995 { 4 } else { 3 };
            format!("{value:.places$}")
        }
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => thousands(value),
    }
}

/// For an axis: 0.5, 20, 3k, 1M.
pub fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    // Nine digits hide what adding up steps of 0.1 leaves behind.
    let rounded = (value * 1e9).round() / 1e9;
    format!("{rounded}{unit}")
}

pub fn duration(micros: f64) -> String {
    let (value, unit) = with_unit(micros);
    format!("{} {unit}", digits(value))
}

/// For an axis: 20 ms.
pub fn short_duration(micros: f64) -> String {
    let (value, unit) = with_unit(micros);
    format!("{} {unit}", short(value))
}

fn with_unit(micros: f64) -> (f64, &'static str) {
    match micros {
        micros if micros < 999.5 => (micros, "µs"),
        micros if micros < 999_500.0 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    }
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub fn ratio(value: f64) -> String {
    format!("{}x", number(value))
}

/// How far the rounds are from their median at most, in percent of it.
pub fn spread((least, median, most): (f64, f64, f64)) -> Option<String> {
    let farthest = (most - median).max(median - least);
    (median > 0.0).then(|| format!("±{:.0}%", 100.0 * farthest / median))
}

fn digits(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn thousands(value: f64) -> String {
    let plain = format!("{value:.0}");
    let count = plain.len();
    let mut text = String::new();
    for (at, digit) in plain.chars().enumerate() {
        if at > 0 && (count - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
