//! The trace of a request goes with each call to S3 that it leads to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};

use super::support::{Server, wait_for};
use super::{TRACE, TRACEPARENT};

const LISTING: &str = "<ListBucketResult><Name>b</Name><Prefix></Prefix><KeyCount>1</KeyCount>\
    <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>\
    <Contents><Key>a</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
    <ETag>&quot;e&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>\
    </ListBucketResult>";

/// An S3 with one object; tells of each request its line and its trace.
fn store(told: Sender<(String, Option<String>)>) -> String {
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

fn serve(mut stream: &TcpStream, told: &Sender<(String, Option<String>)>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let mut trace = None;
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            if let Some(("traceparent", value)) = line.split_once(": ") {
                trace = Some(value.to_owned());
            }
        }
        let (kind, body) = if first.contains("list-type=2") {
            ("Content-Type: application/xml", LISTING)
        } else {
            (
                "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"e\"",
                "12345",
            )
        };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {length}\r\n\r\n");
        let body = if first.starts_with("HEAD") { "" } else { body };
        let _ = told.send((first, trace));
        if stream.write_all((head + body).as_bytes()).is_err() {
            return;
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
    let zip = server.client().request("GET", "/files?zip", &traced, b"");
    assert_eq!(zip.status, 200);
    let of_object = |(line, _): &(String, Option<String>)| line.starts_with("GET /b/a");
    let (_, trace) = calls.iter().find(of_object).unwrap();
    assert_eq!(trace.as_deref(), Some(TRACEPARENT));
    assert_eq!(server.client().get("/files?zip").status, 200);
    let (_, trace) = calls.iter().find(of_object).unwrap();
    assert_eq!(trace, None);
    wait_for("its line", || server.log().contains(TRACE));
}
