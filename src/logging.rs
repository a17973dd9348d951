//! Log lines: one line each on standard error, with a UTC time. What is logged is others'
//! business; that nothing of rusoto's below a warning is, is ours: it prints session tokens.
//!
//! Lines are written by a thread of their own, many at once: a system call for each was a tenth of
//! what a small request costs, and whoever reads them slowly, or not at all, must not keep requests.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use env_logger::{Builder, Target};
use log::Level;

/// How long a line waits for others to be written with it.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes that wait at most. What comes while they do is counted and left out.
const MOST: usize = 1 << 20;
/// Bytes of a buffer that are kept for the next lines.
const KEPT: usize = 64 << 10;
/// How long the last lines may take at the end of the process.
const LAST: Duration = Duration::from_secs(1);

/// Starts logging; `filter` is a level, or levels by module, as env_logger reads them.
pub fn start(filter: &str) -> io::Result<()> {
    Builder::new()
        .parse_filters(filter)
        .target(Target::Pipe(Box::new(&WAITING)))
        .format(|out, record| {
            if record.target().starts_with("rusoto") && record.level() > Level::Warn {
                return Ok(());
            }
            stamp(|time| write!(out, "{time}"))?;
            write!(out, " {:<5} {} ", record.level(), record.target())?;
            let _ = write!(OneLine(out), "{}", record.args());
            out.write_all(b"\n")
        })
        .init();
    std::thread::Builder::new()
        .name("log".into())
        .spawn(|| WAITING.write_for_ever(&mut io::stderr()))?;
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

thread_local! {
    /// The second of the last line, and its text up to there.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// The time as RFC 3339 with milliseconds, formatted anew once a second.
fn stamp<T>(write: impl FnOnce(fmt::Arguments<'_>) -> T) -> T {
    let now = Utc::now();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.timestamp() {
            *second = now.timestamp();
            *text = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            text.pop();
        }
        write(format_args!("{text}.{:03}Z", now.timestamp_subsec_millis()))
    })
}

/// One record is one line, whatever is in it: nobody can forge a second.
struct OneLine<'a, W>(&'a mut W);

impl<W: Write> fmt::Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, piece) in text.split(['\n', '\r']).enumerate() {
            if at > 0 {
                self.0.write_all(b" ").map_err(|_| fmt::Error)?;
            }
            self.0.write_all(piece.as_bytes()).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

static WAITING: Waiting = Waiting::new();

/// Lines that are not written yet.
struct Waiting {
    lines: Mutex<Lines>,
    changed: Condvar,
}

struct Lines {
    bytes: Vec<u8>,
    left_out: u64,
    writing: bool,
}

impl Waiting {
    const fn new() -> Self {
        Self {
            lines: Mutex::new(Lines {
                bytes: Vec::new(),
                left_out: 0,
                writing: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn write_for_ever(&self, out: &mut impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut lines = self.lock();
            while lines.bytes.is_empty() {
                lines = self
                    .changed
                    .wait(lines)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            drop(lines);
            std::thread::sleep(GATHER);
            let mut lines = self.lock();
            std::mem::swap(&mut lines.bytes, &mut batch);
            let left_out = std::mem::take(&mut lines.left_out);
            lines.writing = true;
            drop(lines);
            if left_out > 0 {
                // In the place where they would be.
                let _ = writeln!(batch, "{left_out} lines were left out: nobody reads them");
            }
            // Nobody is there to be told.
            let _ = out.write_all(&batch);
            batch.clear();
            batch.shrink_to(KEPT);
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn wait_until_written(&self, most: Duration) {
        let lines = self.lock();
        let waits = |lines: &mut Lines| lines.writing || !lines.bytes.is_empty();
        drop(self.changed.wait_timeout_while(lines, most, waits));
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A panic elsewhere leaves bytes bytes.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes whole lines.
impl Write for &Waiting {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lock();
        if lines.bytes.len() + line.len() > MOST {
            lines.left_out += 1;
            return Ok(line.len());
        }
        let first = lines.bytes.is_empty();
        lines.bytes.extend_from_slice(line);
        drop(lines);
        if first {
            self.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A reader that is told when to read.
    struct Slow {
        go: Receiver<()>,
        seen: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            let _ = self.seen.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_reads_nothing_keeps_nobody_and_is_told_what_was_left_out() {
        let waiting = Arc::new(Waiting::new());
        let (go, told) = channel();
        let (seen, read) = channel();
        let writer = Arc::clone(&waiting);
        std::thread::spawn(move || writer.write_for_ever(&mut Slow { go: told, seen }));
        let line = [b'x'; 1024];
        let mut sink = &*waiting;
        sink.write_all(&line).unwrap();
        // Until it is taken, and stuck.
        while !waiting.lock().writing {
            std::thread::yield_now();
        }
        for _ in 0..(MOST / line.len()) + 7 {
            sink.write_all(&line).unwrap();
        }
        assert!(waiting.lock().bytes.len() <= MOST);
        for _ in 0..2 {
            go.send(()).unwrap();
        }
        assert_eq!(read.recv().unwrap(), line);
        let second = read.recv().unwrap();
        assert!(second.len() > MOST - line.len());
        assert!(second.ends_with(b"x7 lines were left out: nobody reads them\n"));
        waiting.wait_until_written(Duration::from_mins(1));
        assert!(!waiting.lock().writing);
    }

    #[test]
    fn a_record_is_one_line() {
        let mut out = Vec::new();
        let text = "c\n";
        write!(OneLine(&mut out), "a\nb\r\n{text}").unwrap();
        assert_eq!(out, b"a b  c ");
    }

    #[test]
    fn a_time_is_of_its_own_second() {
        let text = stamp(|time| time.to_string());
        let parsed = chrono::DateTime::parse_from_rfc3339(&text).unwrap();
        let age = Utc::now().signed_duration_since(parsed);
        assert!(text.ends_with('Z') && age.num_seconds().abs() < 2, "{text}");
    }
}
