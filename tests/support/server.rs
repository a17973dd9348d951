//! The program under test as a process, on a free port, with an environment of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use tempfile::TempDir;

use super::Client;

/// The program to run; `CLOUD_PORTFOLIO_BIN` when it is not set, else this build's own.
pub static BINARY: OnceLock<String> = OnceLock::new();

/// A running server; killed when it is dropped.
pub struct Server {
    pub port: u16,
    child: Child,
    log: Arc<Mutex<String>>,
    /// Lives as long as the server.
    data: Option<TempDir>,
}

/// Settings of a real MinIO, as `scripts/test` gives them.
pub fn minio() -> Vec<(String, String)> {
    let needed = [
        "BUCKET_NAME",
        "AWS_REGION",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ];
    needed
        .into_iter()
        .map(|name| {
            let value = std::env::var(format!("TEST_{name}")).unwrap_or_else(|_| {
                panic!("TEST_{name} is unset: it needs MinIO; run scripts/test")
            });
            (name.to_owned(), value)
        })
        .collect()
}

/// One setting of that MinIO.
pub fn minio_setting(name: &str) -> String {
    let found = minio().into_iter().find(|(known, _)| known == name);
    found.unwrap().1
}

/// Credentials that MinIO lends for an hour (STS `AssumeRole`), as settings.
pub fn temporary_credentials() -> [(String, String); 3] {
    let minio = minio();
    let of = |name: &str| &minio.iter().find(|(n, _)| n == name).unwrap().1;
    let user = format!(
        "{}:{}",
        of("AWS_ACCESS_KEY_ID"),
        of("AWS_SECRET_ACCESS_KEY")
    );
    let output = Command::new("curl")
        .args(["--silent", "--fail", "--noproxy", "*", "--user", &user])
        .args(["--aws-sigv4", "aws:amz:us-east-1:sts", "--data"])
        .arg("Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600")
        .arg(of("AWS_ENDPOINT_URL_S3"))
        .output()
        .unwrap();
    let document = String::from_utf8(output.stdout).unwrap();
    let element = |name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>")).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    [
        ("AWS_ACCESS_KEY_ID".into(), element("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY".into(), element("SecretAccessKey")),
        ("AWS_SESSION_TOKEN".into(), element("SessionToken")),
    ]
}

/// The store that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Local,
    Minio,
}

impl Server {
    /// On a fresh local directory.
    pub fn local() -> Self {
        Self::with(On::Local, &[])
    }

    /// On a store; on MinIO under a key prefix of its own, so that tests do not meet.
    pub fn with(on: On, settings: &[(&str, &str)]) -> Self {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut data = None;
        match on {
            On::Local => {
                let dir = tempfile::tempdir().unwrap();
                all.push(("DATA_DIR".into(), dir.path().to_str().unwrap().into()));
                data = Some(dir);
            }
            On::Minio => {
                all.extend(minio());
                let unique = getrandom::u64().unwrap();
                all.push(("KEY_PREFIX".into(), format!("test-{unique:016x}/")));
            }
        }
        all.extend(settings.iter().map(|(n, v)| ((*n).into(), (*v).into())));
        let mut server = Self::spawn(&all);
        server.data = data;
        server.wait_ready();
        server
    }

    /// With exactly these settings, as soon as it listens.
    pub fn spawn(settings: &[(String, String)]) -> Self {
        Self::listening(Self::command().envs(settings.iter().cloned()))
    }

    /// With these settings and so many open files, as soon as it listens.
    pub fn limited(nofile: u64, settings: &[(&str, &str)]) -> Self {
        let plain = Self::command();
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n \"$1\" && shift && exec \"$@\"", "sh"])
            .arg(nofile.to_string())
            .arg(plain.get_program())
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self::listening(&mut command)
    }

    fn listening(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        let sink = Arc::clone(&log);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                if let Some((_, rest)) = line.split_once("listening on http://") {
                    let address = rest.split('/').next().unwrap();
                    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
                    let _ = sender.send(port);
                }
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let port = receiver
            .recv_timeout(std::time::Duration::from_secs(20))
            .unwrap_or_else(|_| panic!("it does not listen: {}", log.lock().unwrap()));
        Self {
            port,
            child,
            log,
            data: None,
        }
    }

    /// The program with an empty environment but for what makes it testable.
    pub fn command() -> Command {
        let binary = BINARY.get_or_init(|| {
            std::env::var("CLOUD_PORTFOLIO_BIN")
                .unwrap_or_else(|_| env!("CARGO_BIN_EXE_cloud-portfolio").to_owned())
        });
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("WITHDRAW_SECONDS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// Of a server on a fresh local directory.
    pub fn data_dir(&self) -> &std::path::Path {
        self.data.as_ref().unwrap().path()
    }

    pub fn wait_ready(&self) {
        super::wait_for("readiness", || self.client().get("/ready").status == 200);
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Peak resident memory in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Resident memory in bytes.
    pub fn resident_memory(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with(what)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end by itself; its exit code.
    pub fn wait(&mut self) -> i32 {
        let mut code = None;
        super::wait_for("the end of the process", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code().unwrap_or(-1)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
