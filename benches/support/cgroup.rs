//! A memory cgroup around the process that is measured, where this machine lets us make one: it
//! counts what VmHWM does not, page cache and socket buffers among it.

use std::fs;
use std::path::{Path, PathBuf};

/// Version 1 of the interface, with its own counter for sockets, or version 2, with one for all.
enum Version {
    One,
    Two,
}

/// A cgroup of our own; removed when it is dropped and empty.
pub struct Cgroup {
    folder: PathBuf,
    version: Version,
}

impl Cgroup {
    /// None, with the reason on stderr, where there may be none.
    pub fn new(name: &str) -> Option<Self> {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let (base, version) = if unified {
            ("/sys/fs/cgroup", Version::Two)
        } else {
            ("/sys/fs/cgroup/memory", Version::One)
        };
        let folder = Path::new(base).join(format!("cloud-portfolio-{name}-{}", std::process::id()));
        let cgroup = Self { folder, version };
        match cgroup.make() {
            Ok(()) => Some(cgroup),
            Err(error) => {
                eprintln!("no cgroup, so its memory is not measured: {error}");
                None
            }
        }
    }

    fn make(&self) -> std::io::Result<()> {
        fs::create_dir(&self.folder)?;
        match self.version {
            // Sockets are counted only once they have a limit.
            Version::One => self.write("memory.kmem.tcp.limit_in_bytes", "1099511627776"),
            Version::Two => fs::metadata(self.folder.join("memory.peak")).map(drop),
        }
    }

    fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.folder.join(file), text)
    }

    /// Moves a process in; what it has taken before stays where it was counted.
    pub fn add(&self, pid: u32) {
        self.write("cgroup.procs", &pid.to_string())
            .expect("a process that may be moved");
    }

    /// Most bytes taken so far: with version 1 the two peaks added up, though they need not have
    /// been at the same moment.
    pub fn peak(&self) -> u64 {
        let read = |file: &str| -> u64 {
            let text = fs::read_to_string(self.folder.join(file)).expect("a cgroup's counter");
            text.trim().parse().expect("a number of bytes")
        };
        match self.version {
            Version::One => {
                read("memory.max_usage_in_bytes") + read("memory.kmem.tcp.max_usage_in_bytes")
            }
            Version::Two => read("memory.peak"),
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}
