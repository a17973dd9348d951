//! What the sources are read with: small answers over HTTP, and small files.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use rusoto_core::credential::AwsCredentials;
use rustls::ClientConfig;

use super::super::connect::{CONNECT_TIMEOUT, Connector};
use super::super::outage::Outage;
use super::super::transport::{Document, Transport};
use crate::body::BoxError;
use crate::config::Held;

/// Longest answer, and longest file: a token is at most 20,000 characters (STS
/// `AssumeRoleWithWebIdentity`), and a file of profiles has some hundred bytes each.
const MAX_BYTES: u64 = 1 << 20;
/// Longest silence of a source.
const SILENCE: Duration = Duration::from_secs(5);
/// The same, and to connect, of a service on this same machine, which most machines do not have.
const NEAR: Duration = Duration::from_secs(1);

/// A client for a few requests; none of its connections is kept for others.
pub(super) struct Fetcher(Transport);

impl Fetcher {
    pub(super) fn new(tls: &Arc<ClientConfig>) -> Self {
        Self::with(tls, CONNECT_TIMEOUT, SILENCE)
    }

    /// For a service that is on this machine, or not there.
    pub(super) fn near(tls: &Arc<ClientConfig>) -> Self {
        Self::with(tls, NEAR, NEAR)
    }

    fn with(tls: &ClientConfig, connect: Duration, silence: Duration) -> Self {
        // Whether S3 is there says nothing of a source.
        let outage = Arc::new(Outage::new());
        Self(Transport::probe(
            // Nor is it counted as a call to S3.
            Connector::new(tls, connect, Arc::default()),
            silence,
            outage,
        ))
    }

    pub(super) async fn fetch(&self, request: Request<Bytes>) -> Result<Document, BoxError> {
        Ok(self.0.fetch(request, MAX_BYTES).await?)
    }
}

/// Credentials as container agents and the metadata service write them. What is wrong with them is
/// not repeated: it may be a secret.
pub(super) fn parse(answer: &Document) -> Result<AwsCredentials, BoxError> {
    let status = answer.status;
    if !status.is_success() {
        return Err(format!("it answers {status}").into());
    }
    match serde_json::from_slice(&answer.body) {
        Ok(keys) => Ok(keys),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(format!("its answer is no JSON of credentials (at {line}:{column})").into())
        }
    }
}

/// Reads small files, one at a time: a mount that hangs keeps one thread, and not one more for each
/// time that it is asked again.
#[derive(Default)]
pub(super) struct Files(Arc<()>);

impl Files {
    /// A secret, wherever it is.
    pub(super) async fn read_held(&self, name: &str, held: &Held) -> Result<String, String> {
        match held {
            Held::Here(secret) => Ok(secret.expose().to_owned()),
            Held::InFile(path) => {
                let text = self.read(path).await;
                let text = text.map_err(|error| format!("{name}_FILE cannot be read: {error}"))?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }

    /// A small file, as it is now. Fails while an earlier read has not ended that nobody waits for
    /// any more.
    pub(super) async fn read(&self, path: &Path) -> std::io::Result<String> {
        let path = PathBuf::from(path);
        if Arc::strong_count(&self.0) > 1 {
            let text = "an earlier read has not ended";
            return Err(std::io::Error::new(std::io::ErrorKind::ResourceBusy, text));
        }
        let running = Arc::clone(&self.0);
        let read = move || {
            let mut text = String::new();
            let file = std::fs::File::open(path);
            let read = file.and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
            drop(running);
            read.map(|_| text)
        };
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_read_that_hangs_is_the_only_one_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let files = Files::default();
        let moment = Duration::from_millis(300);
        // Nobody writes: it hangs, and its reader goes.
        assert!(timeout(moment, files.read(&pipe)).await.is_err());
        for _ in 0..3 {
            let again = timeout(moment, files.read(&pipe)).await.unwrap();
            assert!(again.unwrap_err().to_string().contains("has not ended"));
        }
        std::fs::write(&pipe, "late").unwrap();
        let whole = dir.path().join("whole");
        std::fs::write(&whole, "text").unwrap();
        let read = async {
            loop {
                if let Ok(text) = files.read(&whole).await {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert_eq!(timeout(moment * 30, read).await.unwrap(), "text");
    }
}
