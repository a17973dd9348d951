//! A file of what happened when, for whoever must find out why. Without a file, nothing.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

static BEGUN: OnceLock<Instant> = OnceLock::new();

#[derive(Default)]
pub struct Journal(Mutex<Option<BufWriter<File>>>);

/// Milliseconds since the first call.
pub fn now() -> u128 {
    BEGUN.get_or_init(Instant::now).elapsed().as_millis()
}

impl Journal {
    pub fn keep(&self, path: &str) {
        let file = BufWriter::new(File::create(path).unwrap());
        *self.0.lock().unwrap() = Some(file);
    }

    pub fn note(&self, text: impl FnOnce() -> String) {
        if let Some(file) = self.0.lock().unwrap().as_mut() {
            writeln!(file, "{} {}", now(), text()).unwrap();
        }
    }

    pub fn end(&self) {
        // What is buffered is written when the file is closed.
        self.0.lock().unwrap().take();
    }
}
