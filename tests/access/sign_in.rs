//! Signing in: challenges, tokens, files that change, and what guesses cost.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use serde_json::json;

use super::support::{Server, refused, wait_for};
use super::users::{Site, basic, hash, user};

#[test]
fn a_browser_is_asked_for_a_password_and_then_shown_the_page() {
    let site = Site::basic(&json!(null));
    for target in ["/", "/files", "/files/x"] {
        let answer = site.ask("", "GET", target, &[], b"");
        refused(&answer, 401, "unauthorized");
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(
            challenge,
            "Basic realm=\"cloud-portfolio\", charset=\"UTF-8\""
        );
    }
    for target in ["/", "/files"] {
        assert_eq!(site.ask("root", "GET", target, &[], b"").status, 200);
    }
    for target in ["/health", "/ready"] {
        assert_eq!(site.ask("", "GET", target, &[], b"").status, 200);
    }
    let options = site.ask("", "OPTIONS", "/uploads", &[], b"");
    assert_eq!(options.status, 204);
    wait_for("its name", || site.server.log().contains(" user=root "));
    assert!(!site.server.log().contains("secret"));
}

#[test]
fn a_wrong_password_an_unknown_name_and_nonsense_get_the_same_answer() {
    let site = Site::basic(&json!(null));
    let body = |credentials: &str| {
        let headers = [("Authorization", credentials)];
        let answer = site.server.client().request("GET", "/files", &headers, b"");
        refused(&answer, 401, "unauthorized");
        answer.body
    };
    let wrong = body(&basic("root", "Secret"));
    for other in [
        basic("nobody", "secret"),
        basic("root", ""),
        "Basic ???".to_owned(),
        "Bearer secret".to_owned(),
        "Basic".to_owned(),
    ] {
        assert_eq!(body(&other), wrong, "{other}");
    }
}

#[test]
fn a_token_opens_what_is_its_users_and_is_found_by_its_id() {
    let made = Server::command().arg("new-token").output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let token = text.lines().nth(1).unwrap().trim().to_owned();
    let entry = text.lines().nth(3).unwrap();
    let tokens: serde_json::Value = serde_json::from_str(&format!("{{{entry}}}")).unwrap();
    let ci =
        json!({"name": "ci", "tokens": tokens["tokens"], "rights": ["write"], "prefixes": ["ci/"]});
    let site = Site::new("bearer", &json!({"users": [ci]}), &[]);
    let put = |key: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        let target = format!("/files/{key}");
        site.server.client().request("PUT", &target, &headers, b"x")
    };
    assert_eq!(put("ci/a", &token).status, 201);
    refused(&put("other/a", &token), 403, "forbidden");
    let (id, secret) = token.split_once('.').unwrap();
    for wrong in [
        format!("{id}.{id}"),
        format!("x.{secret}"),
        secret.to_owned(),
    ] {
        refused(&put("ci/b", &wrong), 401, "unauthorized");
    }
    // The page asks for no password: what it may do is what anyone may.
    assert_eq!(site.server.client().get("/").status, 200);
    let answer = site.server.client().get("/files");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"cloud-portfolio\"")
    );
}

#[test]
fn a_changed_file_counts_at_once_and_a_broken_one_changes_nothing() {
    // As Kubernetes mounts it: the name is a link into a folder that is a link.
    let dir = tempfile::tempdir().unwrap();
    let write = |folder: &str, document: &str| {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        std::fs::write(dir.path().join(folder).join("users.json"), document).unwrap();
        symlink(folder, dir.path().join("new")).unwrap();
        std::fs::rename(dir.path().join("new"), dir.path().join("..data")).unwrap();
    };
    let one = json!({"users": [user("ann", &["list"], &[""])]});
    write("1", &one.to_string());
    let path = dir.path().join("users.json");
    symlink("..data/users.json", &path).unwrap();
    let settings = [
        ("AUTH", "basic"),
        ("AUTH_USERS_FILE", path.to_str().unwrap()),
    ];
    let server = Server::with(super::support::server::On::Local, &settings);
    let status = |name: &str| {
        let basic = basic(name, "secret");
        let headers = [("Authorization", basic.as_str())];
        server
            .client()
            .request("GET", "/files", &headers, b"")
            .status
    };
    assert_eq!((status("ann"), status("eve")), (200, 401));
    write("2", "{\"users\": [");
    wait_for("the fault to be logged", || {
        server.log().contains("holds on")
    });
    assert_eq!(status("ann"), 200);
    let two = json!({"users": [user("eve", &["list"], &[""])]});
    write("3", &two.to_string());
    wait_for("the new users", || server.log().contains("read again"));
    assert_eq!(
        (status("ann"), status("eve")),
        (401, 200),
        "what was verified is forgotten"
    );
    let locked = json!({"users": [{"name": "eve", "rights": ["list"]}]});
    write("4", &locked.to_string());
    wait_for("the last password to be taken away", || {
        status("eve") == 401
    });
    assert!(!server.log().contains(&hash()));
}

#[test]
fn guesses_wait_longer_and_longer_and_who_is_known_does_not() {
    let site = Site::basic(&json!(null));
    assert_eq!(site.ask("root", "GET", "/files", &[], b"").status, 200);
    let guess = || {
        let began = Instant::now();
        let basic = basic("root", "guess");
        let headers = [("Authorization", basic.as_str())];
        let answer = site.server.client().request("GET", "/files", &headers, b"");
        assert_eq!(answer.status, 401);
        began.elapsed()
    };
    let all: Vec<_> = (0..9).map(|_| guess()).collect();
    assert!(all[6] >= Duration::from_millis(250), "{all:?}");
    assert!(all[8] >= Duration::from_secs(1), "{all:?}");
    let began = Instant::now();
    assert_eq!(site.ask("root", "GET", "/files", &[], b"").status, 200);
    // The next guess would wait for longer than the last.
    assert!(began.elapsed() < all[8]);
}

#[test]
fn who_signs_in_holds_up_nobody_else_of_the_worker() {
    // The slowest hash there may be, of something that nobody says.
    let slowest =
        "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let ann = json!({"name": "ann", "password": slowest, "rights": ["list"]});
    let document = json!({"users": [ann]});
    let site = Site::new("basic", &document, &[("WEB_CONCURRENCY", "1")]);
    let given = basic("ann", "guess");
    let headers = [("Authorization", given.as_str())];
    // One after the other, as there is memory for one at a time.
    let mut guesses: Vec<_> = (0..4)
        .map(|_| {
            let mut client = site.server.client();
            client.send_head("GET", "/files", &headers);
            client
        })
        .collect();
    let mut meanwhile = 0;
    while !guesses.iter().all(super::support::Client::has_answer) {
        assert_eq!(site.server.client().get("/health").status, 200);
        meanwhile += 1;
    }
    // On the worker's own thread there would be one, after all of them.
    assert!(meanwhile > 10, "{meanwhile}");
    for guess in &mut guesses {
        assert_eq!(guess.answer().status, 401);
    }
}

#[test]
fn a_password_is_read_from_standard_input_and_settings_that_contradict_are_refused() {
    assert!(hash().starts_with("$argon2id$v=19$"));
    let empty = Server::command().arg("hash-password").output().unwrap();
    assert_eq!(empty.status.code(), Some(64));
    let file = tempfile::NamedTempFile::new().unwrap();
    let document = json!({"users": [user("ann", &["list"], &[""])]});
    std::fs::write(file.path(), document.to_string()).unwrap();
    let passwords = file.path().to_str().unwrap();
    for settings in [
        &[("AUTH", "basic")][..],
        &[("AUTH", "proxy")],
        &[("AUTH_USERS_FILE", "/dev/null")],
        &[("AUTH", "bearer"), ("AUTH_USERS_FILE", passwords)],
    ] {
        let output = Server::command()
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{settings:?}");
    }
}
