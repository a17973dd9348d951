//! A relay of TCP connections before a store, which a test can break off, hold up or make mute.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a relay does with bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Open,
    /// It takes no byte on and says nothing; later it goes on where it was.
    Stalled,
    /// It resets what it has and refuses what comes.
    Down,
    /// It takes connections and bytes and says nothing; what it swallowed stays lost.
    Silent,
}

/// Carries connections to the store, or does not.
pub struct Relay {
    pub endpoint: String,
    mode: Arc<Mutex<Mode>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub fn before(endpoint: &str) -> Self {
        let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            mode: Arc::default(),
            streams: Arc::default(),
        };
        let (mode, streams) = (Arc::clone(&relay.mode), Arc::clone(&relay.streams));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if *mode.lock().unwrap() == Mode::Down {
                    continue;
                }
                let far = TcpStream::connect(&upstream).unwrap();
                let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                streams.lock().unwrap().extend(ends);
                let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
                // Of a connection that lost bytes nothing comes any more, also later.
                let deaf = Arc::new(AtomicBool::new(false));
                for (from, to) in [(near, far), back] {
                    let (mode, deaf) = (Arc::clone(&mode), Arc::clone(&deaf));
                    thread::spawn(move || carry(&from, &to, &mode, &deaf));
                }
            }
        });
        relay
    }

    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
        if mode == Mode::Down {
            for stream in self.streams.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, mode: &Mutex<Mode>, deaf: &AtomicBool) {
    let now = || *mode.lock().unwrap();
    let mut block = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut block) {
        while now() == Mode::Stalled {
            thread::sleep(Duration::from_millis(20));
        }
        if now() == Mode::Silent {
            deaf.store(true, Ordering::SeqCst);
        }
        if !deaf.load(Ordering::SeqCst) && to.write_all(&block[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
