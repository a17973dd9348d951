//! Credentials that expire: uploads go on over it, old ones are used while they are valid, and what
//! they signed ends with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::agent::{Agent, in_seconds, lent};
use crate::support::place::PART;
use crate::support::proxy::Proxy;
use crate::support::server::{minio, minio_setting, temporary_credentials};
use crate::support::{Noise, Server, post, sha256, wait_for};

/// Seconds that credentials live in these tests.
const LIFE: u64 = 8;

/// A server whose credentials MinIO lends in earnest, for [`LIFE`] as agent and store have it.
struct Lent {
    server: Server,
    proxy: Proxy,
    agent: Agent,
}

fn lend() -> Lent {
    let ends: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let proxy = Proxy::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
    let known = Arc::clone(&ends);
    proxy.guard(move |key| {
        let ends = known.lock().unwrap();
        ends.get(key).is_some_and(|end| Instant::now() < *end)
    });
    let agent = Agent::start(move |_| {
        let [id, secret, token] = temporary_credentials().map(|(_, value)| value);
        let end = Instant::now() + Duration::from_secs(LIFE);
        ends.lock().unwrap().insert(id.clone(), end);
        let told = in_seconds(LIFE.cast_signed());
        (200, lent(&id, &secret, &token, Some(&told)))
    });
    let mut settings = minio();
    settings.retain(|(name, _)| !name.contains("KEY"));
    for (name, value) in [
        ("AWS_ENDPOINT_URL_S3", proxy.endpoint.clone()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.clone()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "planted-token".into()),
        (
            "KEY_PREFIX",
            format!("lent-{:016x}/", getrandom::u64().unwrap()),
        ),
        ("UPLOAD_PART_BYTES", PART.to_string()),
    ] {
        settings.push((name.to_owned(), value));
    }
    let server = Server::spawn(&settings);
    server.wait_ready();
    Lent {
        server,
        proxy,
        agent,
    }
}

#[test]
fn uploads_go_on_over_several_expiries_and_nobody_notices() {
    let Lent {
        server,
        proxy,
        agent,
    } = lend();
    let size = 5 * PART + 5;
    let paced = move |seed| {
        let blocks = size.div_ceil(64 << 10);
        let pause = Duration::from_secs(20) / u32::try_from(blocks).unwrap();
        Noise::new(seed, size).inspect(move |_| thread::sleep(pause))
    };
    let port = server.port;
    let plain = thread::spawn(move || {
        let mut client = crate::support::Client::connect(port);
        client.put_stream("/files/plain", size, paced(1)).status
    });
    let mut client = server.client();
    let tus = ("Tus-Resumable", "1.0.0");
    let length = size.to_string();
    let named = "filename cmVzdW1lZA==";
    let creation = [
        tus,
        ("Upload-Length", length.as_str()),
        ("Upload-Metadata", named),
    ];
    let created = client.request("POST", "/uploads", &creation, b"");
    assert_eq!(created.status, 201, "{created:?}");
    let target = created.header("location").unwrap().to_owned();
    let bytes = Noise::bytes(2, size);
    let begun = Instant::now();
    // A request a second, over more than two lives.
    let piece = bytes.len().div_ceil(20);
    for (number, piece) in bytes.chunks(piece).enumerate() {
        let offset = (number * bytes.len().div_ceil(20)).to_string();
        let headers = [
            tus,
            ("Upload-Offset", offset.as_str()),
            ("Content-Type", "application/offset+octet-stream"),
        ];
        let answer = client.request("PATCH", &target, &headers, piece);
        assert_eq!(answer.status, 204, "{number} {answer:?}");
        let next = Duration::from_secs(number as u64 + 1);
        thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    assert_eq!(plain.join().unwrap(), 201);
    for (key, seed) in [("plain", 1), ("resumed", 2)] {
        let got = client.get(&format!("/files/{key}"));
        assert_eq!(got.status, 200);
        assert_eq!(sha256([got.body]), sha256(Noise::new(seed, size)), "{key}");
    }
    assert_eq!(proxy.hits(), 0, "nothing was signed with what had expired");
    let asked = agent.count();
    assert!((3..=12).contains(&asked), "{asked}");
    let log = server.log();
    assert!(log.contains("credentials from the container's agent, good until"));
    assert!(!log.contains("planted-token"), "{log}");
    // A link ends with what signed it, whatever was asked for.
    let link = post(&mut client, "/files/plain?share&expires_in=3600").json();
    let end = link["expires_at"].as_str().unwrap();
    let end = chrono::DateTime::parse_from_rfc3339(end).unwrap();
    let left = end.to_utc() - chrono::Utc::now();
    assert!(left.num_seconds() <= LIFE.cast_signed(), "{link}");
}

#[test]
fn old_credentials_are_used_while_they_are_valid_and_their_end_is_a_503_until_others_come() {
    let Lent { server, agent, .. } = lend();
    agent.set_down(true);
    let begun = Instant::now();
    wait_for("a refresh that fails", || {
        server
            .log()
            .contains("no new credentials, the old ones are good")
    });
    assert_eq!(server.client().get("/files").status, 200);
    assert_eq!(server.client().put("/files/x", b"x").status, 201);
    let mut refusal = None;
    wait_for("their end", || {
        let answer = server.client().get("/files");
        let over = answer.status != 200;
        refusal = over.then_some(answer);
        over
    });
    assert!(begun.elapsed() > Duration::from_secs(1));
    let refusal = refusal.unwrap();
    assert_eq!(
        (refusal.status, refusal.problem().as_str()),
        (503, "store_unavailable")
    );
    assert!(refusal.header("retry-after").is_some());
    assert_eq!(server.client().put("/files/y", b"y").status, 503);
    assert_eq!(server.client().get("/health").status, 200);
    agent.set_down(false);
    let back = Instant::now();
    wait_for("others", || server.client().get("/files").status == 200);
    assert!(
        back.elapsed() < Duration::from_secs(6),
        "{:?}",
        back.elapsed()
    );
    assert_eq!(server.client().get("/files/x").body, b"x");
}
