//! What Prometheus reads: the names, that they count what happens, and that the dashboard and the
//! alert rules name nothing else. Where `PROMTOOL` is set, as scripts/test does, it judges as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

#[path = "metrics/monitoring.rs"]
mod monitoring;
mod support;

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
fn a_head_that_nobody_serves_is_counted() {
    let server = server(&[]);
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    for (head, status) in [
        ("NONSENSE\r\n\r\n", 400),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (&long, 431),
    ] {
        let mut client = server.client();
        client.send(head.as_bytes());
        assert_eq!(client.answer().status, status);
    }
    // The second of its connection; and one that ends before it is whole is refused by nobody.
    let mut client = server.client();
    assert_eq!(client.get("/health").status, 200);
    client.send(b"\0\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    server.client().send(b"GET / HT");
    counted(&server, "cloud_portfolio_http_heads_refused_total", 4.0);
    counted(&server, "cloud_portfolio_http_connections", 0.0);
    counted(&server, "cloud_portfolio_http_heads_refused_total", 4.0);
}

#[test]
fn nothing_is_under_way_once_every_client_has_vanished() {
    let server = server(&[]);
    let tus = [
        ("Tus-Resumable", "1.0.0"),
        ("Upload-Length", "9999999"),
        ("Content-Type", "application/offset+octet-stream"),
        ("Content-Length", "9999999"),
    ];
    let clients: Vec<_> = [
        ("PUT", "/files/known", &[("Content-Length", "99999999")][..]),
        ("PUT", "/files/unknown", &[("Transfer-Encoding", "chunked")]),
        ("POST", "/uploads?key=tus", &tus),
        (
            "POST",
            "/uploads?key=ietf",
            &[("Upload-Complete", "?1"), ("Content-Length", "9999999")],
        ),
        (
            "POST",
            "/upload",
            &[
                ("Content-Type", "multipart/form-data; boundary=x"),
                ("Content-Length", "99999"),
            ],
        ),
    ]
    .into_iter()
    .map(|(method, target, headers)| {
        let mut client = server.client();
        client.send_head(method, target, headers);
        let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
        client.send(if target == "/upload" { form } else { "fff\r\n" }.as_bytes());
        client.send(&[b'x'; 4000]);
        client
    })
    .collect();
    counted(&server, "cloud_portfolio_http_requests_in_flight", 5.0);
    drop(clients);
    for gauge in [
        "http_requests_in_flight",
        "http_connections",
        "upload_buffer_used_bytes",
    ] {
        counted(&server, &format!("cloud_portfolio_{gauge}"), 0.0);
    }
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
