//! Which source goes before which, and what is said when there is none.

use std::fs;

use crate::support::agent::{Agent, in_seconds, lent};
use crate::support::{Server, wait_for};
use crate::{instance, pair, used};

#[tokio::test]
async fn the_first_source_that_is_there_counts() {
    let end = in_seconds(3600);
    let agent = Agent::start(move |asked| {
        if asked.path == "/agent" {
            return (200, lent("container", "s", "t", Some(&end)));
        }
        if asked.path == "/" && asked.body.contains("WebIdentityToken=jwt") {
            let document = format!(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                 <AccessKeyId>web</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                 <SessionToken>t</SessionToken><Expiration>{end}</Expiration></Credentials>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            );
            return (200, document);
        }
        instance(asked, &lent("instance", "s", "t", Some(&end)))
    });
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".aws")).unwrap();
    let file = home.path().join(".aws/credentials");
    let keys = "aws_access_key_id = profile\naws_secret_access_key = s\n";
    fs::write(&file, format!("[default]\n{keys}[named]\n{keys}")).unwrap();
    let jwt = home.path().join("jwt");
    fs::write(&jwt, "jwt\n").unwrap();
    let url = format!("{}/agent", agent.url);
    let all = [
        ("AWS_ACCESS_KEY_ID", "environment"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_PROFILE", "named"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", jwt.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", agent.url.as_str()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &agent.url),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("HOME", home.path().to_str().unwrap()),
    ];
    for (from, key, token) in [
        (0, "environment", ""),
        (2, "profile", ""),
        (3, "web", "t"),
        (6, "container", "t"),
        (7, "instance", "t"),
        (9, "profile", ""),
    ] {
        assert_eq!(used(&all[from..]).await, Ok(pair(key, token)), "{from}");
    }
    // One that is there and fails ends the search: the next would be another identity.
    fs::remove_file(&jwt).unwrap();
    let why = used(&all[3..]).await.unwrap_err();
    assert!(
        why.contains("STS") && why.contains("cannot be read"),
        "{why}"
    );
}

#[test]
fn a_start_without_any_source_says_what_was_tried_and_is_not_ready() {
    let settings = [
        ("BUCKET_NAME", "b"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", "/nonexistent"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let server = Server::spawn(&settings);
    wait_for("the log", || server.log().contains("no source has any"));
    let log = server.log();
    for tried in [
        "AWS_ACCESS_KEY_ID unset",
        "AWS_WEB_IDENTITY_TOKEN_FILE unset",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI unset",
        "AWS_EC2_METADATA_DISABLED set",
        "no profile \"default\" in /nonexistent/.aws/credentials",
    ] {
        assert!(log.contains(tried), "{tried} in {log}");
    }
    let mut client = server.client();
    assert_eq!(client.get("/health").status, 200);
    assert_eq!(client.get("/ready").status, 503);
    let answer = client.get("/files");
    let code = answer.problem();
    assert_eq!((answer.status, code.as_str()), (503, "store_unavailable"));
    assert!(answer.header("retry-after").is_some());
}
