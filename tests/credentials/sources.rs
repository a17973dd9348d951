//! Each source by itself, against a service that speaks its protocol.

use std::fs;
use std::time::Duration;

use cloud_portfolio::store::Store as _;

use crate::fake_s3::FakeS3;
use crate::support::agent::{Agent, in_seconds, lent};
use crate::{instance, listing, pair, refusal, s3, settings, signers, used};

#[tokio::test]
async fn keys_and_token_come_from_the_environment() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "own"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    assert_eq!(used(&keys).await, Ok(pair("own", "")));
    let with_token = [keys[0], keys[1], ("AWS_SESSION_TOKEN", "token")];
    assert_eq!(used(&with_token).await, Ok(pair("own", "token")));
}

#[tokio::test]
async fn a_mounted_secret_that_is_written_anew_is_taken_as_soon_as_s3_refuses_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let write = |key: &str, token: &str| {
        fs::write(dir.path().join("id"), format!("{key}\n")).unwrap();
        fs::write(dir.path().join("secret"), "secret\n").unwrap();
        fs::write(dir.path().join("token"), token).unwrap();
    };
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (id, secret, token) = (path("id"), path("secret"), path("token"));
    write("old", "");
    let fake = FakeS3::start(vec![
        listing(),
        refusal(403, "InvalidAccessKeyId"),
        listing(),
    ])
    .await;
    let files = [
        ("AWS_ACCESS_KEY_ID_FILE", id.as_str()),
        ("AWS_SECRET_ACCESS_KEY_FILE", &secret),
        ("AWS_SESSION_TOKEN_FILE", &token),
    ];
    let store = s3::open(&settings(&fake, &files), Duration::from_secs(5));
    store.check().await.unwrap();
    write("new", "its-token");
    store.check().await.unwrap();
    let want = [pair("old", ""), pair("old", ""), pair("new", "its-token")];
    assert_eq!(signers(&fake), want);
}

#[tokio::test]
async fn a_container_gets_its_role_and_shows_the_token_that_is_in_the_file_now() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    fs::write(&path, "first\n").unwrap();
    let mounted = path.clone();
    let agent = Agent::start(move |asked| {
        let token = fs::read_to_string(&mounted).unwrap();
        if asked.path != "/v1/credentials" || asked.header("authorization") != Some(token.trim()) {
            return (401, "no".to_owned());
        }
        let end = in_seconds(3600);
        (200, lent(token.trim(), "secret", "lent", Some(&end)))
    });
    let fake = FakeS3::start(vec![listing(), refusal(400, "ExpiredToken"), listing()]).await;
    let url = format!("{}/v1/credentials", agent.url);
    let more = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &path),
    ];
    let store = s3::open(&settings(&fake, &more), Duration::from_secs(5));
    store.check().await.unwrap();
    fs::write(&path, "second").unwrap();
    store.check().await.unwrap();
    let want = [
        pair("first", "lent"),
        pair("first", "lent"),
        pair("second", "lent"),
    ];
    assert_eq!(signers(&fake), want);
    assert_eq!(agent.count(), 2);
    // The token itself, where it is in the environment.
    let more = [more[0], ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "second")];
    assert_eq!(used(&more).await, Ok(pair("second", "lent")));
    let more = [more[0], ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong")];
    let why = used(&more).await.unwrap_err();
    assert!(why.contains("agent") && why.contains("401"), "{why}");
    assert!(!why.contains("wrong"), "{why}");
}

#[tokio::test]
async fn an_instance_gets_its_role_by_the_second_version_of_the_metadata_service() {
    let end = in_seconds(3600);
    let agent =
        Agent::start(move |asked| instance(asked, &lent("instance", "secret", "lent", Some(&end))));
    let more = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", agent.url.as_str()),
    ];
    assert_eq!(used(&more).await, Ok(pair("instance", "lent")));
    let seen = agent.seen();
    assert_eq!(seen.len(), 3);
    for asked in &seen[1..] {
        assert!(
            asked.header("x-aws-ec2-metadata-token").is_some(),
            "{asked:?}"
        );
    }
    let none = used(&[more[1]]).await.unwrap_err();
    assert!(none.contains("AWS_EC2_METADATA_DISABLED"), "{none}");
    assert_eq!(agent.count(), 3);
}

#[tokio::test]
async fn the_first_version_is_never_used_also_where_only_that_answers() {
    let end = in_seconds(3600);
    let agent = Agent::start(move |asked| {
        if asked.method == "PUT" {
            return (403, String::new());
        }
        instance(asked, &lent("instance", "secret", "lent", Some(&end)))
    });
    let more = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", agent.url.as_str()),
    ];
    let why = used(&more).await.unwrap_err();
    assert!(why.contains("no session token (403"), "{why}");
    let methods: Vec<_> = agent.seen().into_iter().map(|asked| asked.method).collect();
    assert!(methods.iter().all(|method| method == "PUT"), "{methods:?}");
}

#[tokio::test]
async fn what_a_source_says_wrong_is_said_without_a_secret() {
    let expired = lent("id", "planted", "planted", Some("2020-01-01T00:00:00Z"));
    let no_key = "{\"AccessKeyId\":\"planted\",\"SecretAccessKey\":{\"planted\":1}}".to_owned();
    let no_role = "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}".to_owned();
    for (document, says) in [
        (expired, "have expired"),
        (no_key, "no JSON of credentials"),
        (no_role, "no JSON of credentials"),
        ("planted".repeat(400_000), "too long"),
    ] {
        let agent = Agent::start(move |_| (200, document.clone()));
        let more = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.as_str())];
        let why = used(&more).await.unwrap_err();
        assert!(why.contains(says) && !why.contains("planted"), "{why}");
    }
}

#[tokio::test]
async fn a_profile_is_read_from_either_file_and_says_what_it_wants_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (credentials, config) = (path("credentials"), path("config"));
    fs::write(
        &credentials,
        "[default]\naws_access_key_id = d\naws_secret_access_key = s\n\
         [one]\naws_access_key_id=one\naws_secret_access_key=s\naws_session_token=t\n",
    )
    .unwrap();
    fs::write(
        &config,
        "[profile one]\naws_access_key_id = other\nregion = x\n\
         [profile two]\naws_access_key_id = two\naws_secret_access_key = s\n\
         [profile sso]\nsso_session = s\n[profile process]\ncredential_process = /bin/x\n\
         [profile role]\nrole_arn = r\nsource_profile = one\n",
    )
    .unwrap();
    let ask = async |name: &str| {
        let more = [
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
            ("AWS_CONFIG_FILE", &config),
            ("AWS_PROFILE", name),
        ];
        used(&more).await
    };
    assert_eq!(ask("").await, Ok(pair("d", "")));
    assert_eq!(ask("one").await, Ok(pair("one", "t")));
    assert_eq!(ask("two").await, Ok(pair("two", "")));
    for (name, says) in [
        ("sso", "sso_session, which is not supported"),
        ("process", "credential_process, which is not supported"),
        ("role", "role_arn, which is not supported"),
        ("none", "no profile \"none\" in"),
    ] {
        let why = ask(name).await.unwrap_err();
        assert!(why.contains(says), "{why}");
    }
}
