//! The command line: what `main` does for each of its few words.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::app::Process;
use crate::config::{self, Config, EXIT_CONFIG, Faults, SETTINGS};
use crate::logging;
use crate::server::Server;
use crate::store::Backend;

/// A probe that takes longer has failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the program as its arguments say.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match words.as_slice() {
        [] if arguments.is_empty() => serve(),
        ["--help" | "-h" | "help"] => print(&help()),
        ["--version" | "-V"] => print(concat!("cloud-portfolio ", env!("CARGO_PKG_VERSION"), "\n")),
        ["check-config"] => check_config(),
        ["healthcheck"] => healthcheck(),
        _ => fail(EXIT_CONFIG, "unknown arguments; see --help"),
    }
}

fn serve() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(faults) => return faulty(&faults),
    };
    if let Err(error) = logging::start(&config.log_filter, config.log_format) {
        return fail(1, &format!("cannot log: {error}"));
    }
    let code = run(config);
    logging::flush();
    code
}

fn run(config: Config) -> ExitCode {
    let started = || -> Result<Server, Box<dyn std::error::Error>> {
        let process = Process::new(config)?;
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
    match Config::from_env() {
        Ok(_) => print(&config::in_force()),
        Err(faults) => faulty(&faults),
    }
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

fn help() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "cloud-portfolio: an upload portal and HTTP API in front of Amazon S3

USAGE
  cloud-portfolio               serve
  cloud-portfolio check-config  print the configuration in force, or all its faults
  cloud-portfolio healthcheck   ask the running server whether it is alive
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
        let _ = writeln!(text, "  {:<22} {}{default}", setting.name, setting.help);
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
