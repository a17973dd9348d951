//! A role for a token of an identity provider (IRSA on EKS): STS `AssumeRoleWithWebIdentity`.

use bytes::Bytes;
use chrono::DateTime;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusoto_core::credential::AwsCredentials;

use super::chain::Loaded;
use super::fetch::{Fetcher, Files};
use crate::config::WebIdentity;
use crate::store::s3::document;

/// Unreserved (RFC 3986 section 2.3).
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) async fn load(role: &WebIdentity, fetcher: &Fetcher, files: &Files) -> Loaded {
    // Read each time: whoever mounts it writes a new one before it expires.
    let token = files.read(&role.token_file).await;
    let token = token.map_err(|error| {
        let path = role.token_file.display();
        format!("AWS_WEB_IDENTITY_TOKEN_FILE {path} cannot be read: {error}")
    })?;
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", &role.role_arn),
        ("RoleSessionName", &role.session_name),
        ("WebIdentityToken", token.trim()),
    ]
    .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, FORM)))
    .join("&");
    let request = Request::post(format!("{}/", role.endpoint))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(form))?;
    let answer = fetcher.fetch(request).await?;
    if !answer.status.is_success() {
        let (code, message) = document::error(&answer.body);
        return Err(format!("it answers {} {code} {message}", answer.status).into());
    }
    Ok(parse(&answer.body).ok_or("its answer has no credentials in it")?)
}

fn parse(answer: &[u8]) -> Option<AwsCredentials> {
    let names = [
        "AccessKeyId",
        "SecretAccessKey",
        "SessionToken",
        "Expiration",
    ];
    let [id, secret, token, end] = document::response(answer, names)?;
    let end = DateTime::parse_from_rfc3339(&end?).ok()?;
    Some(AwsCredentials::new(
        id?,
        secret?,
        Some(token?),
        Some(end.to_utc()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_sts_is_read_whole_or_not_at_all() {
        let whole = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/\
            2011-06-15/\"><AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>sub\
            </SubjectFromWebIdentityToken><Credentials><SessionToken>token</SessionToken>\
            <SecretAccessKey>secret</SecretAccessKey><Expiration>2014-10-24T23:00:23Z</Expiration>\
            <AccessKeyId>id</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>\
            </AssumeRoleWithWebIdentityResponse>";
        let keys = parse(whole.as_bytes()).unwrap();
        assert_eq!(keys.aws_access_key_id(), "id");
        assert_eq!(keys.aws_secret_access_key(), "secret");
        assert_eq!(keys.token().as_deref(), Some("token"));
        assert_eq!(keys.expires_at().unwrap().timestamp(), 1_414_191_623);
        for at in 0..whole.len() {
            assert!(parse(&whole.as_bytes()[..at]).is_none(), "{at}");
        }
        assert!(parse(whole.replace("AccessKeyId", "X").as_bytes()).is_none());
        assert!(parse(whole.replace("2014", "soon").as_bytes()).is_none());
    }
}
