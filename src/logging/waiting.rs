//! Lines that are not written yet, and the thread that writes them, many at once: a system call for
//! each was a tenth of what a small request costs, and whoever reads them slowly, or not at all, must
//! not keep requests.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a line waits for others to be written with it.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes that wait at most. What comes while they do is counted and left out.
pub(super) const MOST: usize = 1 << 20;
/// The same for lines of the audit: a thousand keys that one request deletes make 3 MiB at most.
pub(super) const MOST_AUDIT: usize = 8 << 20;
/// Bytes of a buffer that are kept for the next lines.
pub(super) const KEPT: usize = 64 << 10;

/// Lines that are not written yet.
pub(super) struct Waiting {
    lines: Mutex<Lines>,
    changed: Condvar,
    left_out: AtomicU64,
}

struct Lines {
    bytes: Vec<u8>,
    left_out: u64,
    writing: bool,
}

impl Waiting {
    pub(super) const fn new() -> Self {
        Self {
            lines: Mutex::new(Lines {
                bytes: Vec::new(),
                left_out: 0,
                writing: false,
            }),
            changed: Condvar::new(),
            left_out: AtomicU64::new(0),
        }
    }

    /// Writes them to `out`; `left_out` makes the line that stands for so many others.
    pub(super) fn write_for_ever(
        &self,
        out: &mut impl Write,
        left_out: impl Fn(u64, &mut Vec<u8>),
    ) {
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
            let missing = std::mem::take(&mut lines.left_out);
            lines.writing = true;
            drop(lines);
            if missing > 0 {
                // In the place where they would be.
                left_out(missing, &mut batch);
            }
            // Nobody is there to be told.
            let _ = out.write_all(&batch);
            batch.clear();
            batch.shrink_to(KEPT);
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    pub(super) fn wait_until_written(&self, most: Duration) {
        let lines = self.lock();
        let waits = |lines: &mut Lines| lines.writing || !lines.bytes.is_empty();
        drop(self.changed.wait_timeout_while(lines, most, waits));
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A panic elsewhere leaves bytes bytes.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a whole line, where it has room among `most` bytes.
    pub(super) fn put(&self, line: &[u8], most: usize) {
        let mut lines = self.lock();
        if lines.bytes.len() + line.len() > most {
            lines.left_out += 1;
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = lines.bytes.is_empty();
        lines.bytes.extend_from_slice(line);
        drop(lines);
        if first {
            self.changed.notify_all();
        }
    }

    /// How many lines were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
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
        let left_out = |count: u64, batch: &mut Vec<u8>| {
            batch.extend_from_slice(format!("{count} left out\n").as_bytes());
        };
        std::thread::spawn(move || {
            let mut slow = Slow { go: told, seen };
            writer.write_for_ever(&mut slow, left_out);
        });
        let line = [b'x'; 1024];
        waiting.put(&line, MOST);
        // Until it is taken, and stuck.
        while !waiting.lock().writing {
            std::thread::yield_now();
        }
        for _ in 0..(MOST / line.len()) + 7 {
            waiting.put(&line, MOST);
        }
        assert!(waiting.lock().bytes.len() <= MOST);
        for _ in 0..2 {
            go.send(()).unwrap();
        }
        assert_eq!(read.recv().unwrap(), line);
        let second = read.recv().unwrap();
        assert!(second.len() > MOST - line.len());
        assert!(second.ends_with(b"x7 left out\n"));
        assert_eq!(waiting.left_out(), 7);
        waiting.wait_until_written(Duration::from_mins(1));
        assert!(!waiting.lock().writing);
    }
}
