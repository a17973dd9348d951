//! A server with users, and clients that are one of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::server::On;
use super::support::{Answer, Server};

pub(crate) struct Site {
    pub(crate) server: Server,
    /// Of the users file; lives as long as the server.
    _dir: TempDir,
}

/// The hash of "secret", as the program makes it.
pub(crate) fn hash() -> String {
    use std::io::Write as _;
    use std::sync::OnceLock;
    static MADE: OnceLock<String> = OnceLock::new();
    let make = || {
        let mut command = Server::command();
        command
            .arg("hash-password")
            .stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    MADE.get_or_init(make).clone()
}

pub(crate) fn user(name: &str, rights: &[&str], prefixes: &[&str]) -> Value {
    json!({"name": name, "password": hash(), "rights": rights, "prefixes": prefixes})
}

impl Site {
    pub(crate) fn new(auth: &str, document: &Value, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.json");
        std::fs::write(&path, document.to_string()).unwrap();
        let mut all = vec![("AUTH", auth), ("AUTH_USERS_FILE", path.to_str().unwrap())];
        all.extend_from_slice(settings);
        let server = Server::with(On::Local, &all);
        Self { server, _dir: dir }
    }

    /// Of ann, who may do everything below `ann/`; of bob, who only adds to `box/`; of root.
    pub(crate) fn basic(anonymous: &Value) -> Self {
        let all = ["read", "list", "write", "delete"];
        let users = [
            user("root", &all, &[""]),
            user("ann", &all, &["ann/"]),
            user("bob", &["write"], &["box/"]),
        ];
        let document = json!({"users": users, "anonymous": anonymous});
        Self::new("basic", &document, &[])
    }

    /// A request by one of the users; by nobody where the name is empty.
    pub(crate) fn ask(
        &self,
        name: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let basic = basic(name, "secret");
        let mut all = headers.to_vec();
        if !name.is_empty() {
            all.push(("Authorization", &basic));
        }
        self.server.client().request(method, target, &all, body)
    }

    pub(crate) fn put(&self, name: &str, key: &str) -> Answer {
        self.ask(name, "PUT", &format!("/files/{key}"), &[], b"x")
    }
}

pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}
