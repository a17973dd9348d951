//! Web identity against servers of STS that are not ours: moto's, and MinIO's with an identity
//! provider of the test's own.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use crate::support::agent::Agent;
use crate::support::{Server, wait_for};
use crate::used;

#[tokio::test]
async fn moto_lends_a_role_for_a_web_identity() {
    let sts = std::env::var("TEST_AWS_ENDPOINT_URL_STS")
        .expect("TEST_AWS_ENDPOINT_URL_STS is unset: it needs moto; run scripts/test");
    let token = tempfile::NamedTempFile::new().unwrap();
    let (header, claims) = ("{\"alg\":\"none\"}", "{\"sub\":\"test\"}");
    let jwt = format!("{}.{}.", BASE64.encode(header), BASE64.encode(claims));
    fs::write(token.path(), jwt).unwrap();
    let more = [
        ("AWS_ENDPOINT_URL_STS", sts.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/portal"),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            token.path().to_str().unwrap(),
        ),
    ];
    let (key, session) = used(&more).await.unwrap();
    assert!(key.starts_with("ASIA"), "{key}");
    assert!(session.len() > 100, "{session}");
}

/// An identity provider: its key, and what MinIO asks it for.
struct Provider {
    key: EcdsaKeyPair,
    agent: Agent,
}

impl Provider {
    fn start() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let point = key.public_key().as_ref().to_vec();
        let agent = Agent::start(move |asked| {
            let url = format!("http://{}", asked.header("host").unwrap());
            let document = match asked.path.as_str() {
                "/.well-known/openid-configuration" => json!({
                    "issuer": url,
                    "jwks_uri": format!("{url}/keys"),
                    "authorization_endpoint": format!("{url}/authorize"),
                    "token_endpoint": format!("{url}/token"),
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                }),
                "/keys" => json!({"keys": [{
                    "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "test",
                    "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]),
                }]}),
                _ => return (404, String::new()),
            };
            (200, document.to_string())
        });
        Self { key, agent }
    }

    /// A token for an hour.
    fn token(&self) -> String {
        let now = chrono::Utc::now().timestamp();
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": "test"});
        let claims = json!({
            "iss": self.agent.url, "sub": "portal", "aud": "cloud-portfolio",
            "iat": now, "exp": now + 3600, "policy": "readwrite",
        });
        let part = |value: serde_json::Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = self.key.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// A MinIO of the test's own.
struct Minio {
    dir: tempfile::TempDir,
}

impl Minio {
    fn command(&self, word: &str) -> Command {
        let mut command = Command::new("scripts/minio");
        command
            .arg(word)
            .env("MINIO_STATE", self.dir.path().join("minio"));
        command
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        let _ = self.command("stop").status();
    }
}

#[test]
fn minio_lends_keys_for_a_token_of_a_provider_and_takes_them() {
    let provider = Provider::start();
    let minio = Minio {
        dir: tempfile::tempdir().unwrap(),
    };
    let url = &provider.agent.url;
    let started = minio
        .command("start")
        .env(
            "MINIO_IDENTITY_OPENID_CONFIG_URL",
            format!("{url}/.well-known/openid-configuration"),
        )
        .env("MINIO_IDENTITY_OPENID_CLIENT_ID", "cloud-portfolio")
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    let printed = String::from_utf8(started.stdout).unwrap();
    let mut settings: Vec<(String, String)> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .filter(|(name, _)| !name.contains("KEY"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (_, endpoint) = settings
        .iter()
        .find(|(name, _)| name == "AWS_ENDPOINT_URL_S3")
        .unwrap();
    let endpoint = endpoint.clone();
    let token = minio.dir.path().join("token");
    fs::write(&token, "not a token").unwrap();
    for (name, value) in [
        ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/portal"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    let server = Server::spawn(&settings);
    // A token that is no good is told of, and the one that is mounted then is taken.
    wait_for("a refusal", || {
        server.log().contains("STS (web identity): it answers 400")
    });
    assert_eq!(server.client().get("/ready").status, 503);
    fs::write(&token, provider.token()).unwrap();
    server.wait_ready();
    let mut client = server.client();
    assert_eq!(client.put("/files/lent", b"lent").status, 201);
    assert_eq!(client.get("/files/lent").body, b"lent");
    assert!(!server.log().contains("not a token"), "{}", server.log());
}
