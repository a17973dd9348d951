//! A cgroup around the processes that are measured, where this machine lets us make one: it counts
//! what VmHWM does not, page cache and socket buffers among it, and it can limit them as a pod's
//! limits would.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const BASE: &str = "/sys/fs/cgroup";
/// What a limit of CPU counts in: the default of the kernel and of Kubernetes.
const PERIOD_MICROS: u64 = 100_000;
/// How long a cgroup may take to become empty.
const PATIENCE: Duration = Duration::from_secs(5);

/// Version 1 of the interface, with a hierarchy for each controller and a counter of its own for
/// sockets, or version 2, with one for all.
enum Version {
    One { cpu: Option<PathBuf> },
    Two,
}

/// A cgroup of our own; removed when it is dropped and empty.
pub struct Cgroup {
    /// Where memory is counted.
    folder: PathBuf,
    version: Version,
}

impl Cgroup {
    /// None, with the reason on stderr, where there may be none.
    pub fn new(name: &str) -> Option<Self> {
        let made = Self::place(name).and_then(|cgroup| {
            fs::create_dir(&cgroup.folder)?;
            match cgroup.version {
                // Sockets are counted only once they have a limit.
                Version::One { .. } => cgroup.write("memory.kmem.tcp.limit_in_bytes", 1 << 40)?,
                Version::Two => fs::metadata(cgroup.folder.join("memory.peak")).map(|_| ())?,
            }
            Ok(cgroup)
        });
        made.map_err(|error| eprintln!("no cgroup, so its memory is not measured: {error}"))
            .ok()
    }

    /// One with a pod's limits: thousandths of a CPU, and bytes.
    pub fn limited(name: &str, cpu_millis: u64, memory_bytes: u64) -> io::Result<Self> {
        let mut cgroup = Self::place(name)?;
        let quota = cpu_millis * PERIOD_MICROS / 1000;
        if let Version::Two = cgroup.version {
            // A controller is there once the group above hands it on.
            fs::write(
                Path::new(BASE).join("cgroup.subtree_control"),
                "+cpu +memory",
            )?;
            fs::create_dir(&cgroup.folder)?;
            fs::write(
                cgroup.folder.join("cpu.max"),
                format!("{quota} {PERIOD_MICROS}"),
            )?;
            cgroup.write("memory.max", memory_bytes)?;
            return Ok(cgroup);
        }
        fs::create_dir(&cgroup.folder)?;
        cgroup.write("memory.limit_in_bytes", memory_bytes)?;
        let cpu = Path::new(BASE).join("cpu").join(cgroup.name());
        fs::create_dir(&cpu)?;
        fs::write(cpu.join("cpu.cfs_period_us"), PERIOD_MICROS.to_string())?;
        fs::write(cpu.join("cpu.cfs_quota_us"), quota.to_string())?;
        cgroup.version = Version::One { cpu: Some(cpu) };
        Ok(cgroup)
    }

    /// Not made yet.
    fn place(name: &str) -> io::Result<Self> {
        let unified = Path::new(BASE).join("cgroup.controllers").exists();
        let (base, version) = if unified {
            (PathBuf::from(BASE), Version::Two)
        } else {
            (Path::new(BASE).join("memory"), Version::One { cpu: None })
        };
        // Says at once what is missing, and not which of many files.
        fs::metadata(&base)?;
        let folder = base.join(format!("cloud-portfolio-{name}-{}", std::process::id()));
        Ok(Self { folder, version })
    }

    fn name(&self) -> PathBuf {
        PathBuf::from(self.folder.file_name().unwrap_or_default())
    }

    fn write(&self, file: &str, number: u64) -> io::Result<()> {
        fs::write(self.folder.join(file), number.to_string())
    }

    /// Where processes are moved in.
    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        let cpu = match &self.version {
            Version::One { cpu } => cpu.as_ref(),
            Version::Two => None,
        };
        std::iter::once(&self.folder).chain(cpu)
    }

    /// Moves a process in; what it has taken before stays where it was counted.
    pub fn add(&self, pid: u32) {
        for folder in self.folders() {
            fs::write(folder.join("cgroup.procs"), pid.to_string())
                .expect("a process that may be moved");
        }
    }

    /// A shell that moves itself in, and then becomes what its further arguments name.
    pub fn shell(&self) -> Command {
        let enter = |folder: &PathBuf| format!("echo $$ > {}/cgroup.procs && ", folder.display());
        let script: String = self.folders().map(enter).collect();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{script}exec \"$@\""), "sh"]);
        command
    }

    /// Most bytes taken so far: with version 1 the two peaks added up, though they need not have
    /// been at the same moment.
    pub fn peak(&self) -> u64 {
        let read = |file: &str| -> u64 {
            let text = fs::read_to_string(self.folder.join(file)).expect("a cgroup's counter");
            text.trim().parse().expect("a number of bytes")
        };
        match self.version {
            Version::One { .. } => {
                read("memory.max_usage_in_bytes") + read("memory.kmem.tcp.max_usage_in_bytes")
            }
            Version::Two => read("memory.peak"),
        }
    }

    /// In how many periods its processes were held back so far, and for how many seconds in all.
    pub fn throttled(&self) -> (u64, f64) {
        let (folder, time, unit) = match &self.version {
            Version::One { cpu } => (cpu.as_ref(), "throttled_time", 1e9),
            Version::Two => (Some(&self.folder), "throttled_usec", 1e6),
        };
        let text = folder.and_then(|folder| fs::read_to_string(folder.join("cpu.stat")).ok());
        let text = text.unwrap_or_default();
        let read = |name: &str| -> u64 {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            let found = lines.find(|(found, _)| *found == name);
            found
                .and_then(|(_, number)| number.parse().ok())
                .unwrap_or(0)
        };
        (read("nr_throttled"), read(time) as f64 / unit)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in self.folders() {
            let deadline = Instant::now() + PATIENCE;
            while let Err(error) = fs::remove_dir(folder) {
                // Processes that were killed are in it until they are reaped.
                if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
                eprintln!("{} stays: {error}", folder.display());
                break;
            }
        }
    }
}
