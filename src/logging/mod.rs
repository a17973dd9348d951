//! Log lines on standard error, as text or as JSON. What is logged is others' business; that nothing
//! of rusoto's below a warning is, is ours: it prints session tokens. And so is that no level for
//! everything silences the audit.

mod line;
mod waiting;

use std::cell::Cell;
use std::io::{self, Write as _};
use std::time::Duration;

use env_logger::Builder;
use log::kv::{Key, Source, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::config::LogFormat;
use waiting::{KEPT, MOST, MOST_AUDIT, Waiting};

/// What the lines about changes are logged under.
pub const AUDIT: &str = "audit";

/// How long the last lines may take at the end of the process.
const LAST: Duration = Duration::from_secs(1);

static WAITING: Waiting = Waiting::new();

/// Starts logging; `filter` is a level, or levels by module, as env_logger reads them. Changes are
/// logged at `info` whatever it says of other lines, unless it says something of [`AUDIT`].
pub fn start(filter: &str, format: LogFormat) -> io::Result<()> {
    let logger = Logger::new(filter, format);
    let level = logger.level();
    log::set_boxed_logger(Box::new(logger)).map_err(io::Error::other)?;
    log::set_max_level(level);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || {
            WAITING.write_for_ever(&mut io::stderr(), |count, batch| {
                let record = Record::builder();
                let text = format_args!("{count} lines were left out: nobody reads them");
                line::write(batch, format, &warning(record, text));
            });
        })?;
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
    Ok(())
}

/// Waits until all lines so far are written, at most for a second: to be called before the process
/// ends.
pub fn flush() {
    WAITING.wait_until_written(LAST);
}

/// How many lines were left out so far, because nobody read those before.
#[must_use]
pub fn left_out() -> u64 {
    WAITING.left_out()
}

/// Members of a line: those without a value are left out.
pub struct Fields<'a>(pub &'a [(&'static str, Option<Value<'a>>)]);

impl Source for Fields<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), log::kv::Error> {
        for (name, value) in self.0 {
            if let Some(value) = value {
                visitor.visit_pair(Key::from_str(name), value.clone())?;
            }
        }
        Ok(())
    }
}

/// Logs a line of fields. As text they are all of it; as JSON they are members beside the message.
pub fn fields(target: &str, level: Level, message: std::fmt::Arguments<'_>, fields: &Fields<'_>) {
    if level <= log::max_level() {
        let mut record = Record::builder();
        record.target(target).level(level).key_values(fields);
        log::logger().log(&record.args(message).build());
    }
}

fn warning<'a>(mut record: log::RecordBuilder<'a>, text: std::fmt::Arguments<'a>) -> Record<'a> {
    record.level(Level::Warn).target(module_path!());
    record.args(text).build()
}

struct Logger {
    filter: env_logger::Logger,
    format: LogFormat,
    /// Whether lines about changes pass the filter unasked.
    audit: bool,
}

thread_local! {
    /// Room for a line, used again for the next.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Logger {
    fn new(filter: &str, format: LogFormat) -> Self {
        Self {
            filter: Builder::new().parse_filters(filter).build(),
            format,
            audit: !names_audit(filter),
        }
    }

    fn level(&self) -> LevelFilter {
        let least = if self.audit {
            LevelFilter::Info
        } else {
            LevelFilter::Off
        };
        self.filter.filter().max(least)
    }

    fn is_audit(&self, metadata: &Metadata<'_>) -> bool {
        self.audit && metadata.target() == AUDIT && metadata.level() <= Level::Info
    }

    fn takes(&self, record: &Record<'_>) -> bool {
        let rusoto = record.target().starts_with("rusoto") && record.level() > Level::Warn;
        self.is_audit(record.metadata()) || (!rusoto && self.filter.matches(record))
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.is_audit(metadata) || self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.takes(record) {
            return;
        }
        // Taken out, not borrowed: what is logged may itself log while it is written.
        let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
        line::write(&mut room, self.format, record);
        let most = if record.target() == AUDIT {
            MOST_AUDIT
        } else {
            MOST
        };
        WAITING.put(&room, most);
        room.clear();
        room.shrink_to(KEPT);
        let _ = ROOM.try_with(|kept| kept.set(room));
    }

    fn flush(&self) {
        let _ = io::stderr().flush();
    }
}

/// Whether a filter as env_logger reads it (`level,module=level,.../text`) says something of
/// [`AUDIT`] by name.
fn names_audit(filter: &str) -> bool {
    let directives = filter.split('/').next().unwrap_or_default();
    directives
        .split(',')
        .any(|directive| directive.trim().split('=').next() == Some(AUDIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str, target: &str, level: Level) -> bool {
        let logger = Logger::new(filter, LogFormat::Text);
        let mut record = Record::builder();
        let record = record.target(target).level(level).build();
        level <= logger.level() && logger.takes(&record)
    }

    #[test]
    fn no_filter_silences_the_audit_but_one_that_names_it() {
        for filter in [
            "info",
            "warn",
            "off",
            "error,access=info",
            "info/nothing like it",
            "",
        ] {
            assert!(takes(filter, AUDIT, Level::Info), "{filter}");
        }
        for filter in ["audit=off", "info, audit=off", "debug,audit=warn/x"] {
            assert!(!takes(filter, AUDIT, Level::Info), "{filter}");
        }
        assert!(!takes("warn", "access", Level::Info));
        assert!(!takes("warn", "auditor", Level::Info));
    }

    #[test]
    fn nothing_of_rusoto_below_a_warning_passes() {
        assert!(!takes("trace", "rusoto_core::request", Level::Debug));
        assert!(takes("trace", "rusoto_core::request", Level::Warn));
        assert!(takes("trace", "hyper::proto", Level::Debug));
    }
}
