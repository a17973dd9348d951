//! A program that is measured: started, watched through `/proc` with all its children, and ended.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a program may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running program; ended when it is dropped.
pub struct Process {
    child: Child,
    log: Option<PathBuf>,
}

impl Process {
    /// Starts it, with what it says on stderr in `log`. Should the harness be killed, the kernel
    /// asks it to end: nginx and Gunicorn end their workers then.
    pub fn start(command: &Command, log: &Path) -> io::Result<Self> {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--pdeathsig", "TERM", "--"]);
        let child = launched(setpriv, command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(log)?)
            .spawn()?;
        Ok(Self {
            child,
            log: Some(log.to_owned()),
        })
    }

    /// Takes over one that runs.
    pub fn of(child: Child) -> Self {
        Self { child, log: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// None while it runs, else how it ended and what it said last.
    pub fn end(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        let log = self
            .log
            .as_ref()
            .and_then(|log| fs::read_to_string(log).ok());
        let last = log
            .unwrap_or_default()
            .lines()
            .last()
            .unwrap_or("")
            .to_owned();
        Some(format!("ended with {status}: {last}"))
    }
}

impl Process {
    /// Ends it and its children at once.
    pub fn kill(&mut self) {
        self.signal(kill_process_group, Signal::KILL);
        let _ = self.child.wait();
    }

    fn signal(&self, send: fn(Pid, Signal) -> rustix::io::Result<()>, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended by itself.
            let _ = send(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.signal(kill_process, Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                return self.kill();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// `command` as what `launcher` becomes: in no environment but its own, and in a process group of
/// its own, so that an interrupt on the terminal is the harness's alone.
pub fn launched(mut launcher: Command, command: &Command) -> Command {
    launcher.arg(command.get_program()).args(command.get_args());
    launcher.process_group(0).env_clear();
    for (name, value) in command.get_envs() {
        launcher.envs(value.map(|value| (name, value)));
    }
    launcher
}

/// A process and all its descendants, as they were when they were looked up.
#[derive(Debug, Clone, Default)]
pub struct Tree(Vec<u32>);

impl Tree {
    pub fn of(root: u32) -> Self {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            if let Some(parent) = stat(&format!("/proc/{pid}/stat"), 1) {
                children.entry(parent as u32).or_default().push(pid);
            }
        }
        let mut all = vec![root];
        let mut at = 0;
        while let Some(pid) = all.get(at) {
            all.extend(children.remove(pid).unwrap_or_default());
            at += 1;
        }
        Self(all)
    }

    /// Used so far, in user and kernel mode.
    pub fn cpu_seconds(&self) -> f64 {
        let of = |pid: &u32| cpu_seconds(&format!("/proc/{pid}/stat"));
        self.0.iter().map(of).sum()
    }

    /// Resident bytes; what several share counts for each.
    pub fn resident(&self) -> u64 {
        self.0.iter().map(|pid| status(*pid, "VmRSS:")).sum()
    }

    /// Forgets the peak so far (proc(5), `clear_refs`).
    pub fn reset_peak(&self) {
        for pid in &self.0 {
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    /// Most resident bytes since then, to the page for one process. Peaks of several need not have
    /// been at one moment: None.
    pub fn peak(&self) -> Option<u64> {
        match self.0.as_slice() {
            [pid] => Some(status(*pid, "VmHWM:")),
            _ => None,
        }
    }
}

/// CPU seconds of a process or thread (`/proc/PID/stat`, in ticks of 1/100 s, which Linux promises
/// to programs); 0 of one that is gone.
pub fn cpu_seconds(path: &str) -> f64 {
    let ticks = |at| stat(path, at).unwrap_or(0);
    (ticks(11) + ticks(12)) as f64 / 100.0
}

/// CPU seconds of this process, and of those of its threads that have this name.
pub fn own_cpu_seconds(name: &str) -> (f64, f64) {
    let threads = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let named = threads
        .filter(|thread| {
            let comm = fs::read_to_string(thread.path().join("comm"));
            comm.is_ok_and(|comm| comm.trim_end() == name)
        })
        .map(|thread| cpu_seconds(&thread.path().join("stat").display().to_string()));
    (cpu_seconds("/proc/self/stat"), named.sum())
}

/// CPU seconds of all processes of the machine, and of whoever took its cores from it
/// (`/proc/stat`: all but `idle` and `iowait`, and but guests, who are in `user` already).
pub fn machine_cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or("").split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    let busy = ticks.iter().take(8).sum::<u64>() - ticks.iter().skip(3).take(2).sum::<u64>();
    busy as f64 / 100.0
}

/// A field of a `stat` file, counted from the one after the name: the name may have spaces in it.
fn stat(path: &str, at: usize) -> Option<u64> {
    let stat = fs::read_to_string(path).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(at)?.parse().ok()
}

/// A line of `/proc/PID/status`, in bytes.
fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) * 1024
}
