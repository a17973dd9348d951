//! A handler that panics: its request gets a 500, and nobody else notices.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_portfolio::app::Process;
use cloud_portfolio::config::Config;
use cloud_portfolio::server::Server;
use cloud_portfolio::store::{
    Attributes, Backend, Condition, Download, Link, ListPage, ListQuery, Multipart, ObjectKey,
    ObjectMeta, Part, Payload, RangeSpec, Store, StoreError, StoreResult, VersionId, Versions,
};
use support::Client;

/// A store whose reads panic.
struct Panicking;

#[async_trait]
impl Store for Panicking {
    async fn check(&self) -> StoreResult<()> {
        Ok(())
    }
    async fn list(&self, _: &ListQuery) -> StoreResult<ListPage> {
        Ok(ListPage::default())
    }
    async fn head(&self, _: &ObjectKey, _: Option<&VersionId>) -> StoreResult<ObjectMeta> {
        panic!("a bug while describing")
    }
    async fn get(
        &self,
        _: &ObjectKey,
        _: Option<&VersionId>,
        _: Option<RangeSpec>,
        _: Option<&str>,
    ) -> StoreResult<Download> {
        panic!("a bug while reading")
    }
    async fn put(
        &self,
        _: &ObjectKey,
        _: &Attributes,
        _: &Condition,
        _: Payload,
    ) -> StoreResult<ObjectMeta> {
        panic!("a bug while writing")
    }
    async fn delete(&self, _: &ObjectKey, _: Option<&VersionId>) -> StoreResult<()> {
        Ok(())
    }
    async fn versions(&self, _: &ObjectKey) -> StoreResult<Versions> {
        panic!("a bug while listing versions")
    }
    async fn copy(
        &self,
        _: &ObjectKey,
        _: &ObjectMeta,
        _: &ObjectKey,
        _: &Condition,
    ) -> StoreResult<ObjectMeta> {
        panic!("a bug while copying")
    }
    async fn share(&self, _: &ObjectKey, _: Duration, _: &str) -> StoreResult<Link> {
        panic!("a bug while sharing")
    }
    fn has_signed(&self, _: &ObjectKey, _: i64, _: &str) -> bool {
        panic!("a bug while checking a link")
    }
    async fn create_multipart(
        &self,
        _: &ObjectKey,
        _: &Attributes,
        _: u64,
    ) -> StoreResult<Multipart> {
        Err(StoreError::NotFound)
    }
    async fn upload_part(&self, _: &Multipart, _: u32, _: Payload) -> StoreResult<Part> {
        Err(StoreError::NotFound)
    }
    async fn complete_multipart(
        &self,
        _: &Multipart,
        _: &[Part],
        _: &Condition,
    ) -> StoreResult<ObjectMeta> {
        Err(StoreError::NotFound)
    }
    async fn abort_multipart(&self, _: &Multipart) -> StoreResult<()> {
        Ok(())
    }
    async fn list_parts(&self, _: &Multipart) -> StoreResult<Vec<Part>> {
        Err(StoreError::NotFound)
    }
    async fn list_internal(&self, _: &str, _: Option<&str>) -> StoreResult<ListPage> {
        Ok(ListPage::default())
    }
}

#[test]
fn a_request_that_panics_gets_500_and_harms_no_other() {
    let settings = [
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("METRICS_PORT", "0"),
        ("WEB_CONCURRENCY", "1"),
        ("WITHDRAW_SECONDS", "0"),
    ];
    let config = Config::from_lookup(&|name| {
        settings
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| (*v).to_owned())
    })
    .unwrap();
    let backend = Backend::of("a store that panics", || {
        Arc::new(Panicking) as Arc<dyn Store>
    });
    let server = Server::bind(Process::new(config).unwrap(), backend).unwrap();
    let port = server.local_addr().unwrap().port();
    let metrics = server.metrics_addr().unwrap().unwrap().port();
    let thread = std::thread::spawn(move || server.run());

    let mut neighbour = Client::connect(port);
    neighbour.send_head("PUT", "/files/slow", &[("Content-Length", "2")]);
    neighbour.send(b"1");
    for _ in 0..20 {
        let mut client = Client::connect(port);
        for (method, target) in [
            ("GET", "/files/x"),
            ("HEAD", "/files/x"),
            ("GET", "/files?key=x"),
            ("GET", "/files/x?versions"),
            ("GET", "/files/x?expires=1&signature=x"),
            ("POST", "/files/x?copy_to=y"),
            ("POST", "/files/x?share"),
        ] {
            client.send_head(method, target, &[]);
            let answer = client.answer_to(method);
            assert_eq!(answer.status, 500);
            if method != "HEAD" {
                assert_eq!(answer.problem(), "internal");
            }
        }
        assert_eq!(client.put("/files/x", b"x").problem(), "internal");
        assert_eq!(Client::connect(port).get("/files").status, 200);
    }
    neighbour.send(b"2");
    assert_eq!(
        neighbour.answer().problem(),
        "internal",
        "its own store call panics, no sooner"
    );
    drop(neighbour);
    // Those above, and the neighbour's.
    for line in [
        "cloud_portfolio_http_requests_in_flight 0.0",
        "cloud_portfolio_upload_buffer_used_bytes 0.0",
        "cloud_portfolio_http_requests_total{route=\"/files/{key}\",method=\"PUT\",status=\"5xx\"} 21",
    ] {
        support::wait_for(line, || {
            let answer = Client::connect(metrics).get("/metrics");
            String::from_utf8(answer.body)
                .unwrap()
                .lines()
                .any(|l| l == line)
        });
    }
    let me = std::process::id().to_string();
    std::process::Command::new("kill")
        .args(["-s", "TERM", &me])
        .status()
        .unwrap();
    thread.join().unwrap().unwrap();
}
