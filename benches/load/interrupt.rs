//! SIGINT and SIGTERM: the first lets the harness stop what it began and end; the second ends it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// What a shell makes of a program that SIGINT ended.
pub const EXIT: u8 = 130;
/// Signals come to the process, so there is one for it.
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether the harness was asked to end.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Listens from now on, on a thread of its own.
pub fn listen() {
    std::thread::spawn(|| {
        super::client::runtime().block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT");
            let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM");
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if REQUESTED.swap(true, Ordering::Relaxed) {
                    std::process::exit(EXIT.into());
                }
                eprintln!("stopping what was started; once more to leave it");
            }
        });
    });
}
