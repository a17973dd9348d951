//! Log lines: one line each on standard error, with a UTC time. What is logged is others'
//! business; that nothing of rusoto's below a warning is, is ours: it prints session tokens.

use std::io::Write as _;

use chrono::{SecondsFormat, Utc};
use env_logger::Builder;
use log::Level;

/// Starts logging; `filter` is a level, or levels by module, as env_logger reads them.
pub fn start(filter: &str) {
    Builder::new()
        .parse_filters(filter)
        .format(|out, record| {
            if record.target().starts_with("rusoto") && record.level() > Level::Warn {
                return Ok(());
            }
            let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
            // One record is one line, whatever is in it: nobody can forge a second.
            let text = record.args().to_string().replace(['\n', '\r'], " ");
            writeln!(
                out,
                "{time} {:<5} {} {text}",
                record.level(),
                record.target()
            )
        })
        .init();
    // A panic is one line as well, without the default hook's backtrace of many.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        log::error!("panic in {name} at {place}: {text}");
    }));
}
