//! nginx, three ways: a constant answer, a static file, and a proxy before the S3 that buffers
//! nothing. Two workers, as the program has; everything that costs and that the program does not
//! do either is off.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::store::Store;
use super::{Start, find};

/// Names it in the figures.
pub const NAME: &str = "nginx";

/// What `/` holds; `/health` is constant.
pub struct Setup<'a> {
    /// The file's bytes.
    pub page: &'a [u8],
    /// Whose paths everything else is passed on to, if any.
    pub store: Option<&'a Store>,
    pub manner: Manner,
}

/// How it is set up beyond that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As its documentation would have it: files by sendfile(2), buffers of their default sizes.
    Plain,
    /// For what is measured here: small files by read(2), which saves a call, and larger buffers.
    Tuned,
    /// Plain, with a line for each request, as the program writes one by default.
    Logging,
}

pub fn start(setup: &Setup) -> Result<Start, String> {
    let nginx = find("nginx").ok_or("it is not installed; scripts/bench-peers does that")?;
    Start::new(|port, folder| {
        let file = folder.join("nginx.conf");
        let written = fs::create_dir(folder.join("www"))
            .and_then(|()| fs::write(folder.join("www/index.html"), setup.page))
            .and_then(|()| fs::write(&file, configuration(setup, folder, port)));
        written.map_err(|error| error.to_string())?;
        let mut command = Command::new(nginx);
        command.arg("-p").arg(folder).arg("-c").arg(file);
        // Before it reads that file, it would write to a place of the system's.
        command.args(["-e", "stderr"]);
        Ok(command)
    })
}

fn configuration(setup: &Setup, folder: &Path, port: u16) -> String {
    let folder = folder.display();
    // As root it would drop to a user who cannot read the folder.
    let user = if rustix::process::getuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let log = match setup.manner {
        Manner::Logging => format!("{folder}/access.log"),
        _ => "off".to_owned(),
    };
    let (sendfile, buffers) = match setup.manner {
        Manner::Tuned => (
            "off",
            "client_body_buffer_size 64k; proxy_buffer_size 64k; proxy_buffers 4 64k;",
        ),
        _ => ("on", ""),
    };
    let mut text = format!(
        r"{user}
daemon off;
worker_processes 2;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log {log};
  sendfile {sendfile};
  {buffers}
  tcp_nodelay on;
  open_file_cache max=100;
  open_file_cache_valid 10m;
  keepalive_timeout 10m;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  types {{ text/html html; }}
"
    );
    let mut locations = format!(
        r#"    location = /health {{
      default_type application/json;
      return 200 '{{"status":"ok","version":"0.1.0","uptime_seconds":1}}';
    }}
    location = / {{ root {folder}/www; try_files /index.html =404; }}
"#
    );
    if let Some(store) = setup.store {
        let endpoint = store.setting("AWS_ENDPOINT_URL_S3");
        let (scheme, host) = endpoint.split_once("://").unwrap_or(("http", &endpoint));
        // By address: the name has a second one, of IPv6, which nobody listens on.
        let address = store.target().address;
        let _ = writeln!(text, "  upstream s3 {{ server {address}; keepalive 64; }}");
        let _ = write!(
            locations,
            r#"    location / {{
      proxy_pass {scheme}://s3;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Host {host};
      proxy_set_header Connection "";
"#
        );
        if scheme == "https" {
            let _ = write!(
                locations,
                r"      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {};
      proxy_ssl_name localhost;
      proxy_ssl_session_reuse on;
",
                store.setting("AWS_CA_BUNDLE")
            );
        }
        locations.push_str("    }\n");
    }
    let _ = write!(
        text,
        "  server {{\n    listen 127.0.0.1:{port} reuseport backlog=4096;\n{locations}  }}\n}}\n"
    );
    text
}
