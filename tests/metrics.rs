//! What Prometheus reads: the names, that they count what happens, and that the dashboard and the
//! alert rules name nothing else. Where `PROMTOOL` is set, as scripts/test does, it judges as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::server::On;
use support::{Client, Server};

/// A server with a listener for metrics.
fn server(settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("METRICS_PORT", "0")];
    all.extend(settings);
    Server::with(On::Local, &all)
}

/// The port that the log tells.
fn metrics_port(server: &Server) -> u16 {
    let log = server.log();
    let (_, rest) = log.split_once("metrics at http://").unwrap();
    let address = rest.split('/').next().unwrap();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

fn scrape(server: &Server, accept: &str) -> (String, String) {
    let mut client = Client::connect(metrics_port(server));
    let answer = client.request("GET", "/metrics", &[("Accept", accept)], b"");
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type").unwrap().to_owned();
    (kind, String::from_utf8(answer.body).unwrap())
}

/// The value of a line that begins with exactly this name and these labels.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .map(|value| value.parse().unwrap())
}

/// Waits until the metric has this value: a request is counted when its answer has gone.
fn counted(server: &Server, series: &str, want: f64) {
    let mut seen = None;
    support::wait_for(series, || {
        seen = value(&scrape(server, "").1, series);
        seen.is_some_and(|seen| (seen - want).abs() < 1e-9)
    });
}

#[test]
fn what_happens_is_counted_under_bounded_names() {
    let server = server(&[]);
    let mut client = server.client();
    assert_eq!(client.put("/files/a", &[7; 2000]).status, 201);
    assert_eq!(client.get("/files/a").status, 200);
    assert_eq!(client.get("/files/missing").status, 404);
    assert_eq!(
        client.request("BREW", "/nowhere/at/all", &[], b"").status,
        404
    );
    let requests = |labels: &str| format!("cloud_portfolio_http_requests_total{{{labels}}}");
    for (labels, count) in [
        (r#"route="/files/{key}",method="PUT",status="2xx""#, 1.0),
        (r#"route="/files/{key}",method="GET",status="2xx""#, 1.0),
        (r#"route="/files/{key}",method="GET",status="4xx""#, 1.0),
        (r#"route="other",method="other",status="4xx""#, 1.0),
    ] {
        counted(&server, &requests(labels), count);
    }
    let (kind, text) = scrape(&server, "");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let of = r#"{route="/files/{key}",status="2xx"}"#;
    let number = |name: &str| value(&text, name).unwrap_or_else(|| panic!("{name} in {text}"));
    let is =
        |name: &str, want: f64| assert!((number(name) - want).abs() < 1e-9, "{name} in {text}");
    is("cloud_portfolio_upload_received_bytes_total", 2000.0);
    is(
        &format!("cloud_portfolio_http_request_size_bytes_sum{of}"),
        2000.0,
    );
    is(
        &format!("cloud_portfolio_http_response_size_bytes_count{of}"),
        2.0,
    );
    is(
        &format!("cloud_portfolio_http_request_duration_seconds_count{of}"),
        2.0,
    );
    is("cloud_portfolio_ready", 1.0);
    is("cloud_portfolio_store_up", 1.0);
    is("cloud_portfolio_http_connections", 1.0);
    is("cloud_portfolio_upload_buffer_used_bytes", 0.0);
    is("cloud_portfolio_upload_buffer_limit_bytes", 41_943_040.0);
    assert!(number("process_resident_memory_bytes") > 1e6);
    assert!(number("process_open_fds") > 5.0 && number("process_max_fds") > 100.0);
    assert!(number("process_start_time_seconds") > 1.7e9);
    assert!(number("process_cpu_seconds_total") >= 0.0);
    assert!(text.contains(concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")));
}

#[test]
fn who_asks_for_openmetrics_gets_it() {
    let (kind, text) = scrape(
        &server(&[]),
        "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
    );
    assert_eq!(
        kind,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE cloud_portfolio_store_retries counter\n"));
}

#[test]
fn the_public_port_has_no_metrics_and_the_other_has_nothing_else() {
    let server = server(&[]);
    assert_eq!(server.client().get("/metrics").status, 404);
    let ask = |method: &str, target: &str| {
        let mut client = Client::connect(metrics_port(&server));
        let answer = client.request(method, target, &[], b"");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("content-security-policy").is_some());
        answer.status
    };
    assert_eq!(ask("GET", "/metrics?x=y"), 200);
    assert_eq!(ask("POST", "/metrics"), 405);
    for target in ["/", "/health", "/files", "/metrics/"] {
        assert_eq!(ask("GET", target), 404, "{target}");
    }
    let quiet = Server::local();
    assert!(!quiet.log().contains("metrics at"));
}

#[test]
fn a_head_has_no_body() {
    let server = server(&[]);
    let mut client = Client::connect(metrics_port(&server));
    let answer = client.request("HEAD", "/metrics", &[], b"");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[test]
fn connections_that_say_nothing_keep_nobody_from_the_metrics() {
    let server = server(&[]);
    let port = metrics_port(&server);
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.extend((0..4).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()));
        let (_, text) = scrape(&server, "");
        assert!(text.contains("cloud_portfolio_build_info"));
    }
    // They have two seconds each; the scrapes waited for none of them.
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    for mut stream in silent {
        assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}

/// Names of metrics in a text: whatever begins like one of ours or of the process's.
fn names(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !part(c))
        .filter(|word| word.starts_with("cloud_portfolio_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// Every series there can be, by name: what the program describes, with what histograms add.
fn exported(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        if kind == "histogram" {
            names.extend(["_bucket", "_count", "_sum"].map(|end| format!("{name}{end}")));
        } else {
            names.insert(name.to_owned());
        }
    }
    // Only where the store's credentials end.
    names.insert("cloud_portfolio_s3_credentials_expiry_timestamp_seconds".into());
    names
}

#[test]
fn dashboard_and_rules_name_only_metrics_that_there_are() {
    let (_, text) = scrape(&server(&[]), "");
    let exported = exported(&text);
    for file in [
        "dashboard.json",
        "rules.yaml",
        "rules_test.yaml",
        "README.md",
    ] {
        let path = format!("{}/manifests/monitoring/{file}", env!("CARGO_MANIFEST_DIR"));
        // A histogram is described by its own name.
        let bare = exported
            .iter()
            .filter_map(|name| name.strip_suffix("_count"));
        let exported: BTreeSet<_> = exported
            .iter()
            .cloned()
            .chain(bare.map(str::to_owned))
            .collect();
        let named = names(&std::fs::read_to_string(&path).unwrap());
        assert!(named.len() > 10, "{file} names {named:?}");
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
        if file == "README.md" {
            let ours = exported
                .iter()
                .filter(|name| name.starts_with("cloud_portfolio_"));
            let ends = ["_bucket", "_count", "_sum"];
            let untold: Vec<_> = ours
                .filter(|name| {
                    !named.contains(*name) && !ends.iter().any(|end| name.ends_with(end))
                })
                .collect();
            assert!(untold.is_empty(), "{file} leaves out {untold:?}");
        }
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    let Ok(promtool) = std::env::var("PROMTOOL") else {
        eprintln!("PROMTOOL is unset: scripts/test sets it");
        return;
    };
    let server = server(&[]);
    let mut client = server.client();
    client.put("/files/a", b"x");
    client.get("/files");
    support::wait_for("the requests to be counted", || {
        scrape(&server, "").1.contains("method=\"PUT\"")
    });
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (_, text) = scrape(&server, "");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
