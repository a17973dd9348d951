//! The configuration: parsed once at start from the environment, every fault named at once.
//! The only reader of the environment; the table of settings is in `settings`, how one value is
//! looked up is in `reader`, and what a text must be in `parse` and beside the types.

mod access;
mod credentials;
mod hosts;
mod origins;
mod parse;
mod reader;
mod s3;
mod secret;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

pub use access::Auth;
pub use credentials::{Container, CredentialSources, Held, Keys, Profile, WebIdentity};
pub use hosts::Hosts;
pub use origins::Origins;
use parse::{
    parse_base_path, parse_key_prefix, parse_log_filter, parse_log_format, parse_optional_port,
};
use reader::Reader;
use s3::read_store;
pub use s3::{Integrity, S3Config, StoreConfig};
pub use secret::Secret;
pub use settings::{SETTINGS, Setting};

use crate::address::Networks;

/// `sysexits.h` `EX_USAGE`: what the process exits with when its configuration is faulty.
pub const EXIT_CONFIG: u8 = 64;

/// Most parts in an S3 multipart upload (S3 User Guide, "Amazon S3 multipart upload limits").
pub const MAX_PARTS: u64 = 10_000;
/// Largest part S3 takes, 5 GiB (same source).
pub const MAX_PART_BYTES: u64 = 5 << 30;
/// Smallest part but the last that S3 takes, 5 MiB (same source).
pub const MIN_PART_BYTES: u64 = 5 << 20;

/// Everything that can be set. Durations are whole seconds in the environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Port of the listener for metrics, if there is one; 0 takes a free one.
    pub metrics_port: Option<u16>,
    /// Path that every route sits under: empty, or with a leading and no trailing slash.
    pub base_path: String,
    /// Worker threads.
    pub workers: usize,
    /// Blocking threads of each worker.
    pub threads: usize,
    /// Longest silence of a client or of the store.
    pub timeout: Duration,
    /// Most client connections at once.
    pub max_connections: usize,
    /// Most of one address; None: half of all.
    pub max_connections_per_address: Option<usize>,
    /// Most requests of one address in a second, in the long run; None: any number.
    pub rate_limit: Option<u32>,
    /// From SIGTERM until new connections are refused.
    pub withdraw: Duration,
    /// From then until what is left is cut.
    pub drain: Duration,
    /// Which store, and where.
    pub store: StoreConfig,
    /// Put before every key in the store.
    pub key_prefix: String,
    /// How uploads are taken.
    pub upload: UploadConfig,
    /// Whether losing the store later withdraws readiness again.
    pub ready_strict: bool,
    /// Whose scripts may use the API from a browser, besides our own page.
    pub allowed_origins: Origins,
    /// Names that it may be asked under.
    pub allowed_hosts: Hosts,
    /// Whose word counts for where a request is from.
    pub trusted_proxies: Networks,
    /// How it is found out who asks.
    pub auth: Auth,
    /// Which log lines are written, as env_logger reads it.
    pub log_filter: String,
    /// How they are written.
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object each.
    Json,
}

/// How uploads are taken.
#[derive(Debug, Clone)]
pub struct UploadConfig {
    /// Bytes that may wait in memory to become parts, in the whole process.
    pub buffer_bytes: usize,
    /// Bytes in a part; larger objects have larger parts.
    pub part_bytes: u64,
    /// Parts of one upload on their way at once.
    pub concurrency: usize,
    /// Largest object taken, in bytes.
    pub max_bytes: u64,
    /// From the beginning of an unfinished upload until it is given up.
    pub expiry: Duration,
}

/// All that is wrong with a configuration, one line each.
#[derive(Debug)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has faults:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, Faults> {
        Self::from_lookup(&from_process)
    }

    /// Reads whatever `lookup` says a variable holds. An empty value counts as unset.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut env = Reader::new(lookup);
        let allowed_origins = env.with("ALLOWED_ORIGINS", Origins::parse);
        let trusted_proxies = env.with("TRUSTED_PROXIES", Networks::parse);
        let config = Self {
            host: env.parse("HOST"),
            port: env.parse("PORT"),
            metrics_port: env.with("METRICS_PORT", parse_optional_port),
            base_path: env.with("BASE_PATH", parse_base_path),
            workers: env.within("WEB_CONCURRENCY", 1, 64),
            threads: env.within("THREADS", 1, 256),
            timeout: Duration::from_secs(env.within("TIMEOUT", 1, 3600)),
            max_connections: env.within("MAX_CONNECTIONS", 1, 1_000_000),
            max_connections_per_address: env.at_most("MAX_CONNECTIONS_PER_ADDRESS", 1_000_000),
            rate_limit: env.at_most("RATE_LIMIT", 1_000_000),
            withdraw: Duration::from_secs(env.within("WITHDRAW_SECONDS", 0, 600)),
            drain: Duration::from_secs(env.within("DRAIN_SECONDS", 0, 3600)),
            key_prefix: env.with("KEY_PREFIX", parse_key_prefix),
            upload: UploadConfig {
                // Up to 1 GiB: semaphores count it in u32.
                buffer_bytes: env.within("UPLOAD_BUFFER_BYTES", 10 << 20, 1 << 30),
                part_bytes: env.within("UPLOAD_PART_BYTES", MIN_PART_BYTES, MAX_PART_BYTES),
                concurrency: env.within("UPLOAD_CONCURRENCY", 1, 64),
                max_bytes: env.within("MAX_UPLOAD_BYTES", 1, MAX_PARTS * MAX_PART_BYTES),
                // Up to a year: no lifecycle rule that one would set beside it is longer.
                expiry: Duration::from_secs(env.within("UPLOAD_EXPIRY_SECONDS", 1, 366 * 86_400)),
            },
            ready_strict: env.parse("READY_STRICT"),
            auth: access::read(&mut env, &trusted_proxies, &allowed_origins),
            allowed_origins,
            trusted_proxies,
            allowed_hosts: env.with("ALLOWED_HOSTS", Hosts::parse),
            log_filter: env.with("RUST_LOG", parse_log_filter),
            log_format: env.with("LOG_FORMAT", parse_log_format),
            store: read_store(&mut env),
        };
        if config.upload.part_bytes > (config.upload.buffer_bytes / 2) as u64 {
            // Of the half that is set aside for them, uploads of unknown length reserve whole parts.
            env.fault(
                "UPLOAD_PART_BYTES",
                "must not be over half of UPLOAD_BUFFER_BYTES",
            );
        }
        if config.port != 0 && config.metrics_port == Some(config.port) {
            env.fault("METRICS_PORT", "must not be PORT");
        }
        let faults = env.finish();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(Faults(faults))
        }
    }
}

/// What the process's environment puts in force, one `NAME=value` a line, secrets masked;
/// settings left out are skipped.
#[must_use]
pub fn in_force() -> String {
    shown(&from_process)
}

fn from_process(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

pub(crate) fn shown(lookup: &dyn Fn(&str) -> Option<String>) -> String {
    use fmt::Write as _;
    let mut env = Reader::new(lookup);
    let mut text = String::new();
    for setting in SETTINGS {
        if let Some(value) = env.optional(setting.name) {
            let shown = if setting.secret { "********" } else { &value };
            let _ = writeln!(text, "{}={shown}", setting.name);
        }
    }
    text
}
