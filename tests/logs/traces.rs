//! The trace of a request goes with each call to S3 that it leads to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::support::{Server, wait_for};
use super::{TRACE, TRACEPARENT};

const LISTING: &str = "<ListBucketResult><Name>b</Name><Prefix></Prefix><KeyCount>1</KeyCount>\
    <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>\
    <Contents><Key>a</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
    <ETag>&quot;e&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>\
    </ListBucketResult>";
const OBJECT: &str = "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"e\"";
const RANGE: &str = "Content-Range: bytes 2-4/5\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    ETag: \"e\"";

/// What is told of a call: its line, its range, its trace.
type Call = (String, Option<String>, Option<String>);

/// An S3 with two objects of five bytes, of which `cut` comes only in part when the whole is asked for.
fn store(told: Sender<Call>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let told = told.clone();
            std::thread::spawn(move || serve(&stream.unwrap(), &told));
        }
    });
    endpoint
}

fn serve(mut stream: &TcpStream, told: &Sender<Call>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let (mut range, mut trace) = (None, None);
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            match line.split_once(": ") {
                Some(("traceparent", value)) => trace = Some(value.to_owned()),
                Some(("range", value)) => range = Some(value.to_owned()),
                _ => {}
            }
        }
        let is_listing = first.contains("list-type=2");
        let is_cut = first.starts_with("GET /b/cut") && range.is_none();
        let (status, kind, body) = if is_listing {
            ("200 OK", "Content-Type: application/xml", LISTING)
        } else if range.is_some() {
            ("206 Partial Content", RANGE, "345")
        } else {
            ("200 OK", OBJECT, "12345")
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n");
        let body = match is_cut {
            true => "12",
            false if first.starts_with("HEAD") => "",
            false => body,
        };
        let _ = told.send((first, range, trace));
        if stream.write_all((head + body).as_bytes()).is_err() || is_cut {
            return;
        }
    }
}

/// The next call that begins like this; fails when none comes.
fn next(calls: &Receiver<Call>, line: &str) -> Call {
    loop {
        let call = calls.recv_timeout(Duration::from_secs(10)).unwrap();
        if call.0.starts_with(line) {
            return call;
        }
    }
}

#[test]
fn the_trace_goes_with_what_is_read_while_the_answer_goes() {
    let (told, calls) = channel();
    let settings = [
        ("BUCKET_NAME", "b".to_owned()),
        ("AWS_ENDPOINT_URL_S3", store(told)),
        ("AWS_ACCESS_KEY_ID", "x".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
    ];
    let server = Server::spawn(&settings.map(|(name, value)| (name.to_owned(), value)));
    let traced = [("traceparent", TRACEPARENT)];
    let get = |target: &str, headers: &[(&str, &str)]| {
        server.client().request("GET", target, headers, b"")
    };
    assert_eq!(get("/files?zip", &traced).status, 200);
    assert_eq!(next(&calls, "GET /b/a").2.as_deref(), Some(TRACEPARENT));
    assert_eq!(get("/files?zip", &[]).status, 200);
    assert_eq!(next(&calls, "GET /b/a").2, None);
    // What S3 did not send to its end is asked for again.
    assert_eq!(get("/files/cut", &traced).body, b"12345");
    assert_eq!(next(&calls, "GET /b/cut").1, None);
    let (_, range, trace) = next(&calls, "GET /b/cut");
    assert_eq!(range.as_deref(), Some("bytes=2-4"));
    assert_eq!(trace.as_deref(), Some(TRACEPARENT));
    wait_for("its line", || server.log().contains(TRACE));
}
