//! The command line: what `main` does for each of its few words.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::access::{self, Access};
use crate::app::Process;
use crate::config::{self, Config, EXIT_CONFIG, Faults, SETTINGS, StoreConfig};
use crate::logging;
use crate::server::Server;
use crate::store::Backend;
use crate::store::s3::S3Settings;

/// A probe that takes longer has failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of the longest password: no longer one would fit a request's headers.
const MAX_PASSWORD: u64 = 8 << 10;

/// Runs the program as its arguments say. `give_back` makes the allocator give the system what is free
/// of the calling thread's memory; workers call it, and their blocking threads as they end.
#[must_use]
pub fn main(give_back: fn()) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match words.as_slice() {
        [] if arguments.is_empty() => serve(give_back),
        ["--help" | "-h" | "help"] => print(&help()),
        ["--version" | "-V"] => print(concat!("cloud-portfolio ", env!("CARGO_PKG_VERSION"), "\n")),
        ["check-config"] => check_config(),
        ["healthcheck"] => healthcheck(),
        ["hash-password"] => hash_password(),
        ["new-token"] => new_token(),
        _ => fail(EXIT_CONFIG, "unknown arguments; see --help"),
    }
}

fn serve(give_back: fn()) -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(faults) => return faulty(&faults),
    };
    if let Err(error) = logging::start(&config.log_filter, config.log_format) {
        return fail(1, &format!("cannot log: {error}"));
    }
    let code = run(config, give_back);
    logging::flush();
    code
}

fn run(config: Config, give_back: fn()) -> ExitCode {
    let started = || -> Result<Server, Box<dyn std::error::Error>> {
        let mut process = Process::new(config)?;
        process.give_back = give_back;
        let backend = Backend::new(&process.config, &process.counters)?;
        Ok(Server::bind(process, backend)?)
    };
    match started() {
        Err(error) => fail(1, &format!("cannot start: {error}")),
        Ok(server) => match server.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &format!("cannot serve: {error}")),
        },
    }
}

fn check_config() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(faults) => return faulty(&faults),
    };
    match read_what_it_names(&config) {
        Ok(()) => print(&config::in_force()),
        Err(why) => fail(EXIT_CONFIG, &why.to_string()),
    }
}

/// The files that a start reads, too.
fn read_what_it_names(config: &Config) -> std::io::Result<()> {
    Access::new(&config.auth)?;
    if let StoreConfig::S3(s3) = &config.store {
        S3Settings::new(s3, &config.key_prefix, config.timeout)?;
    }
    Ok(())
}

/// Asks the server that runs with this same configuration whether it is alive.
fn healthcheck() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(faults) => return faulty(&faults),
    };
    match probe(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(1, &format!("not healthy: {why}")),
    }
}

fn probe(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let host = match config.host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    let address = SocketAddr::new(host, config.port);
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
    stream.set_write_timeout(Some(PROBE_TIMEOUT))?;
    let base = &config.base_path;
    write!(
        stream,
        "GET {base}/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    if &status == b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&status).into_owned().into())
    }
}

/// For the users file. A line's end is no part of the password: people type one, and `echo` adds it.
fn hash_password() -> ExitCode {
    let mut password = String::new();
    let read = std::io::stdin()
        .take(MAX_PASSWORD)
        .read_to_string(&mut password);
    let password = password.trim_end_matches(['\r', '\n']);
    match read {
        Err(error) => fail(1, &format!("cannot read the password: {error}")),
        Ok(_) if password.is_empty() => fail(EXIT_CONFIG, "the password is empty"),
        Ok(_) => match access::of_password(password) {
            Ok(hash) => print(&format!("{hash}\n")),
            Err(error) => fail(1, &format!("cannot hash: {error}")),
        },
    }
}

fn new_token() -> ExitCode {
    match access::new_token() {
        Ok((token, id, hash)) => print(&format!(
            "token, for whoever uses it, and shown only now:\n  {token}\n\
             in the users file:\n  \"tokens\": {{\"{id}\": \"{hash}\"}}\n"
        )),
        Err(error) => fail(1, &format!("cannot make a token: {error}")),
    }
}

fn help() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "cloud-portfolio: an upload portal and HTTP API in front of Amazon S3

USAGE
  cloud-portfolio               serve
  cloud-portfolio check-config  print the configuration in force, or all its faults
  cloud-portfolio healthcheck   ask the running server whether it is alive
  cloud-portfolio hash-password print the hash of a password that is read from standard input
  cloud-portfolio new-token     make a bearer token, and print it and its entry for the users file
  cloud-portfolio --help | --version

SETTINGS are environment variables; NAME_FILE names a file that holds the value of NAME.
",
    );
    for setting in SETTINGS {
        let default = if setting.default.is_empty() {
            String::new()
        } else {
            format!(" [{}]", setting.default)
        };
        let _ = writeln!(text, "  {:<27} {}{default}", setting.name, setting.help);
    }
    text.push_str("\nEXIT CODES\n  0 ended as asked   1 cannot serve   64 faulty configuration or arguments\n");
    text
}

fn faulty(faults: &Faults) -> ExitCode {
    fail(EXIT_CONFIG, &faults.to_string())
}

fn print(text: &str) -> ExitCode {
    // Whoever reads may have gone (`| head`): that is no failure of ours.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(code: u8, text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "cloud-portfolio: {text}");
    ExitCode::from(code)
}
